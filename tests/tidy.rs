//! Rules of this repository that no compiler checks. clippy.toml has the others.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic"
)]

use std::path::Path;

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;
const SLICES: [&str; 3] = ["mysql", "floating_ip", "fence"];
/// Everything that decides: the same input gives the same answer.
const PURE: [&str; 22] = [
    "src/mysql/config.rs",
    "src/mysql/decide/",
    "src/mysql/dialect/",
    "src/mysql/gtid/",
    "src/mysql/memory.rs",
    "src/mysql/reign.rs",
    "src/mysql/state.rs",
    "src/mysql/why.rs",
    "src/floating_ip/config.rs",
    "src/floating_ip/frame.rs",
    "src/floating_ip/params.rs",
    "src/floating_ip/decide.rs",
    "src/floating_ip/state.rs",
    "src/fence/options/",
    "src/fence/backend/cloud/machine.rs",
    "src/fence/backend/cloud/words.rs",
    "src/fence/backend/redfish/model.rs",
    "src/fence/backend/snmp/ber.rs",
    "src/fence/backend/snmp/crypto.rs",
    "src/fence/backend/snmp/message.rs",
    "src/fence/backend/snmp/usm.rs",
    "src/ocf/notify.rs",
];
/// `sys::{` could hide any of them.
const IMPURE: [&str; 16] = [
    "std::fs",
    "std::process",
    "std::env",
    "std::thread",
    "Instant",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "nix::",
    "libc::",
    "sys::files",
    "sys::command",
    "sys::sockets",
    "sys::{",
];
/// A new session for the server; the kernel's form of a hardware address.
const UNSAFE: [&str; 2] = ["src/mysql/daemon.rs", "src/floating_ip/announce.rs"];

struct File {
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// What ends up in the binary; empty for a file of tests.
    fn shipped(&self) -> &str {
        let tests = ["/tests.rs", "_tests.rs", "/tests/", "/sim/"]
            .iter()
            .any(|part| self.path.contains(part));
        if tests || !self.path.starts_with("src/") || !self.is_rust() {
            return "";
        }
        self.text.split("#[cfg(test)]\nmod ").next().unwrap()
    }
}

fn files() -> Vec<File> {
    let mut found = Vec::new();
    for name in [
        "src",
        "tests",
        "docs",
        "crm-examples",
        "ocf-metadata",
        "vagrant",
        ".ci",
        ".cargo",
        "Makefile",
        "README.md",
        "Cargo.toml",
        "Cargo.lock",
        "CHANGELOG.md",
    ] {
        collect(name, &mut found);
    }
    found
}

fn collect(name: &str, found: &mut Vec<File>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if path.is_dir() {
        for entry in std::fs::read_dir(&path).unwrap() {
            collect(
                &format!("{name}/{}", entry.unwrap().file_name().to_str().unwrap()),
                found,
            );
        }
    } else if let Ok(text) = std::fs::read_to_string(&path) {
        found.push(File {
            path: name.to_owned(),
            text,
        });
    }
}

/// Every finding is a line; the rule holds when there is none.
#[track_caller]
fn holds(findings: impl Iterator<Item = String>) {
    let findings: Vec<String> = findings.collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// Lines of shipped code with one of the words, as findings.
fn with_word<'a>(file: &'a File, words: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    file.shipped().lines().enumerate().filter_map(move |(number, line)| {
        let code = line.split("//").next().unwrap();
        let word = words.iter().find(|word| code.contains(**word))?;
        Some(format!("{}:{}: {word}", file.path, number + 1))
    })
}

fn forbids(words: &[&str], applies: impl Fn(&File) -> bool) {
    let files = files();
    holds(
        files
            .iter()
            .filter(|file| applies(file))
            .flat_map(|file| with_word(file, words)),
    );
}

#[test]
fn files_and_functions_are_short() {
    for file in files().iter().filter(|file| file.is_rust()) {
        let lines: Vec<&str> = file.text.lines().collect();
        assert!(lines.len() <= FILE_LINES, "{}: {} lines", file.path, lines.len());
        holds(lines.iter().enumerate().filter_map(|(start, line)| {
            let code = line.trim_start();
            let indent = &line[..line.len() - code.len()];
            let code = code.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            let length = lines[start..].iter().position(|end| *end == format!("{indent}}}"))? + 1;
            let has_body = code.trim_start_matches("const ").starts_with("fn ") && !code.ends_with(';');
            let long = has_body && length > FUNCTION_LINES;
            long.then(|| format!("{}:{}: a function of {length} lines", file.path, start + 1))
        }));
    }
}

#[test]
fn slices_do_not_know_each_other_and_the_floor_knows_none() {
    for owner in SLICES.iter().chain(&["ocf", "cluster", "sys", "error"]) {
        let others = SLICES.iter().filter(|slice| slice != &owner);
        let words: Vec<String> = others.map(|slice| format!("crate::{slice}")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        forbids(&words, |file| file.path.starts_with(&format!("src/{owner}")));
    }
    forbids(&["use crate::{"], |file| file.path != "src/applet.rs");
}

#[test]
fn what_decides_reads_no_file_clock_network_or_environment() {
    let all = files();
    for pure in PURE {
        assert!(
            all.iter().any(|file| file.path.starts_with(pure)),
            "{pure} is gone: correct the list"
        );
    }
    forbids(&IMPURE, |file| PURE.iter().any(|pure| file.path.starts_with(pure)));
}

#[test]
fn only_listed_places_are_unsafe_or_wait() {
    forbids(&["unsafe {", "unsafe fn", "unsafe impl"], |file| {
        !UNSAFE.contains(&file.path.as_str())
    });
    forbids(&["thread::sleep"], |file| file.path != "src/sys/deadline.rs");
}

#[test]
fn nothing_panics_on_purpose_or_prints_to_stdout() {
    forbids(&[".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!("], |_| {
        true
    });
    forbids(&[" println!(", " print!(", "dbg!("], |_| true);
}

#[test]
fn what_is_left_to_do_has_an_issue() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    holds(files().iter().flat_map(|file| {
        let open = file
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)) && !line.contains("#"));
        open.map(|(number, _)| format!("{}:{}: without issue number", file.path, number + 1))
            .collect::<Vec<_>>()
    }));
}

#[test]
fn every_example_has_both_forms() {
    let files = files();
    let mut topics: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("crm-examples/"))
        .collect();
    assert!(!topics.is_empty());
    topics.sort_unstable();
    for pair in topics.chunks(2) {
        let topic = pair[0].trim_end_matches(".crm");
        assert_eq!(
            pair,
            [format!("{topic}.crm"), format!("{topic}.pcs")],
            "both crmsh and pcs form"
        );
    }
}

/// `file.rs`, or `file.rs::test`, in the comments of a file.
fn citations(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let comments = file.text.lines().enumerate().filter_map(|(number, line)| {
        let (_, comment) = line.split_once("//")?;
        Some((number + 1, comment))
    });
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_./:".contains(c);
    comments.flat_map(move |(number, comment)| {
        let words = comment
            .split(move |c| !is_part(c))
            .map(|word| word.trim_end_matches(['.', ':']));
        words
            .filter(|word| word.contains(".rs"))
            .map(move |word| (number, word))
    })
}

/// What is simulated is what real servers showed: in a test that is still there.
#[test]
fn the_simulation_names_tests_that_exist() {
    let files = files();
    let text = |path: String| files.iter().find(|file| file.path == path).map(|file| &file.text);
    let is_there = |citation: &str| {
        let (path, test) = citation.split_once("::").unwrap_or((citation, ""));
        // Beside tests, code is named: of the simulation itself, or with its whole path.
        let named = ["tests/", "src/mysql/sim/", ""].map(|place| text(format!("{place}{path}")));
        named
            .into_iter()
            .flatten()
            .any(|text| test.is_empty() || text.contains(&format!("fn {test}()")))
    };
    let simulation = || {
        files
            .iter()
            .filter(|file| file.path.starts_with("src/mysql/sim/") && file.is_rust())
    };
    assert!(simulation().flat_map(citations).count() > 20);
    holds(simulation().flat_map(|file| {
        let gone = citations(file).filter(|(_, citation)| !is_there(citation));
        gone.map(|(number, citation)| format!("{}:{number}: {citation} does not exist", file.path))
    }));
}

/// An address of a real machine, or a mirror of a package registry, is of no use to anybody else.
#[test]
fn no_address_or_registry_of_a_real_machine_is_named() {
    for file in files() {
        if file.path == "Cargo.lock" {
            let sources = file.text.lines().filter(|line| line.starts_with("source"));
            holds(
                sources
                    .filter(|line| !line.contains("github.com/rust-lang/crates.io-index"))
                    .map(str::to_owned),
            );
        }
        assert!(
            !(file.path.starts_with(".cargo") && file.text.contains("[source")),
            "{}",
            file.path
        );
        let words = file.text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        let addresses = words.filter_map(|word| word.trim_matches('.').parse::<std::net::Ipv4Addr>().ok());
        let foreign = addresses.filter(|ip| {
            let nobody = ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() || ip.octets()[0] >= 224;
            // Netmasks, and the first of a netmask's ranges, are no addresses.
            let mask = ip.to_bits().leading_ones() + ip.to_bits().trailing_zeros() == 32;
            !(nobody || mask || ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation())
        });
        holds(foreign.map(|ip| format!("{}: {ip}", file.path)));
    }
}
