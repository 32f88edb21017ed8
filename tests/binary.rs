//! What is shipped: one static file, small, that never asks libc for accounts.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

use std::path::Path;
use std::process::Command;

const SHIPPED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/x86_64-unknown-linux-gnu/release/baton"
);
const LARGEST: u64 = 8 * 1024 * 1024;

/// In a static glibc binary these crash where nsswitch.conf names a module, such as Debian's `passwd: files systemd`.
const FORBIDDEN: [&str; 8] = [
    "getpwnam",
    "getpwnam_r",
    "getpwuid",
    "getpwuid_r",
    "getgrnam",
    "getgrnam_r",
    "getgrouplist",
    "initgroups",
];

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} (package binutils, installed by tests/setup): {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn shipped() -> &'static str {
    assert!(
        Path::new(SHIPPED).exists(),
        "{SHIPPED} is missing: run `make build` first"
    );
    SHIPPED
}

#[test]
fn the_shipped_file_needs_no_other() {
    let headers = output("readelf", &["--program-headers", "--wide", shipped()]);
    assert!(!headers.contains("INTERP"), "it asks for a dynamic loader:\n{headers}");
    let dynamic = output("readelf", &["--dynamic", "--wide", shipped()]);
    assert!(!dynamic.contains("(NEEDED)"), "it needs shared libraries:\n{dynamic}");
}

#[test]
fn the_shipped_file_is_small() {
    let size = std::fs::metadata(shipped()).unwrap().len();
    assert!(size <= LARGEST, "{size} bytes");
}

#[test]
fn no_account_is_looked_up_through_libc() {
    let symbols = output("nm", &[env!("CARGO_BIN_EXE_baton")]);
    let linked: Vec<&str> = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .filter(|symbol| FORBIDDEN.contains(symbol))
        .collect();
    assert!(linked.is_empty(), "linked: {linked:?}");
}
