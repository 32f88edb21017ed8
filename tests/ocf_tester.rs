//! Both agents under ocf-tester, the compliance test of the resource-agents project (Debian package resource-agents).

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

mod support;

use std::path::Path;
use std::process::Command;

use support::server::Server;
use support::{BINARY, Ended, program, require_root, run, scratch, unique};

/// What ocf-tester remarks about actions that an agent may leave out. Anything else that it remarks is a failure.
const NO_RELOAD: [&str; 1] = ["* Your agent does not support the reload action (optional)"];
const NO_ROLES: [&str; 4] = [
    "* Your agent does not support the notify action (optional)",
    "* Your agent does not support the demote action (optional)",
    "* Your agent does not support the promote action (optional)",
    "* Your agent does not support promotable clones (optional)",
];
/// Complaints about metadata that are known and wanted, as the tool prints them: none. The attributes of OCF 1.1 that
/// its DTD does not know are declared in the documents themselves.
const KNOWN_COMPLAINTS: [&str; 0] = [];

/// A directory of links as `make install` makes them, which every account may enter: ocf-tester runs meta-data as
/// nobody.
fn install(directory: &Path) {
    let binary = directory.join("baton");
    std::fs::copy(BINARY, &binary).unwrap();
    for name in ["mysql", "floating-ip"] {
        std::os::unix::fs::symlink("baton", directory.join(name)).unwrap();
    }
}

fn tester(instance: &str, parameters: &[(&str, String)]) -> String {
    let tester = program("ocf-tester", "resource-agents");
    program("xmllint", "libxml2-utils");
    let mut words = vec![tester.display().to_string(), "-n".to_owned(), instance.to_owned()];
    for (name, value) in parameters {
        words.extend(["-o".to_owned(), format!("{name}={value}")]);
    }
    words.join(" ")
}

fn shell(script: &str, namespaces: &[&str]) -> Ended {
    let mut command = Command::new(if namespaces.is_empty() { "env" } else { "unshare" });
    command.args(namespaces).args(["sh", "-ec", script]);
    run(command)
}

#[track_caller]
fn passes(ended: &Ended, agent: &str, remarks: &[&str]) {
    let printed = format!("{}{}", ended.stdout, ended.stderr);
    let found: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("* ") && !KNOWN_COMPLAINTS.contains(line))
        .collect();
    assert_eq!(found, remarks, "{printed}");
    assert_eq!(ended.code, 0, "{printed}");
    assert!(printed.contains(&format!("{agent} passed all tests")), "{printed}");
}

#[test]
fn ocf_tester_finds_nothing_wrong_with_the_database_agent() {
    let directory = scratch();
    install(directory.path());
    let server = Server::new();
    let path = |name: &str| server.path(name).display().to_string();
    let command = tester(
        &server.instance,
        &[
            ("config", path("my.cnf")),
            ("datadir", path("data")),
            ("socket", path("socket")),
            ("pid", path("pid")),
            ("log", path("error.log")),
        ],
    );
    let agent = directory.path().join("mysql").display().to_string();
    let ended = shell(&format!("{command} {agent}"), &[]);
    passes(&ended, &agent, &NO_RELOAD);
    assert_eq!(server.pid(), None);
}

#[test]
fn ocf_tester_finds_nothing_wrong_with_the_address_agent() {
    require_root();
    let directory = scratch();
    install(directory.path());
    let parameters = [("ip", "192.0.2.100".to_owned()), ("cidr_netmask", "24".to_owned())];
    let command = tester(&unique("ip"), &parameters);
    let agent = directory.path().join("floating-ip").display().to_string();
    let script = format!(
        "ip link add lan type veth peer name lan-peer\n\
         ip link set lan-peer up\n\
         ip address add 192.0.2.1/24 dev lan\n\
         ip link set lan up\n\
         {command} {agent}\n\
         ! ip address show | grep 192.0.2.100\n"
    );
    let ended = shell(&script, &["--net"]);
    passes(&ended, &agent, &[&NO_ROLES[..], &NO_RELOAD[..]].concat());
}
