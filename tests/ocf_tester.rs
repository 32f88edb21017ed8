//! Both agents under ocf-tester, the compliance test of the resource-agents project (Debian package resource-agents).

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use support::cloud_api::{Address, Fake, digitalocean, token_file};
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

/// In a network namespace with one interface in both networks.
#[test]
fn ocf_tester_finds_nothing_wrong_with_the_address_agent() {
    address_passes("192.0.2.100", "24");
    address_passes("2001:db8::100", "64");
}

fn address_passes(ip: &str, prefix: &str) {
    require_root();
    let directory = scratch();
    install(directory.path());
    let parameters = [("ip", ip.to_owned()), ("cidr_netmask", prefix.to_owned())];
    let command = tester(&unique("ip"), &parameters);
    let agent = directory.path().join("floating-ip").display().to_string();
    let script = format!(
        "ip link add lan type veth peer name lan-peer\n\
         ip link set lan-peer up\n\
         ip address add 192.0.2.1/24 dev lan\n\
         ip address add 2001:db8::1/64 dev lan nodad\n\
         ip link set lan up\n\
         {command} {agent}\n\
         ! ip address show | grep {ip}\n"
    );
    let ended = shell(&script, &["--net"]);
    passes(&ended, &agent, &[&NO_ROLES[..], &NO_RELOAD[..]].concat());
}

/// The address needs nothing of this machine's network.
#[test]
fn ocf_tester_finds_nothing_wrong_with_an_address_of_a_cloud() {
    require_root();
    let directory = scratch();
    install(directory.path());
    let ip = "203.0.113.77";
    let fake = Fake::new();
    fake.world().addresses.insert(ip.to_owned(), Address::default());
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let api = fake.serve(listen(), digitalocean::speak);
    let parameters = [
        ("ip", ip.to_owned()),
        ("provider", "digitalocean".to_owned()),
        ("token_file", token_file(directory.path()).display().to_string()),
        ("api_url", format!("{api}/v2")),
        ("metadata_url", fake.serve(listen(), digitalocean::metadata_of_101)),
    ];
    let command = tester(&unique("ip"), &parameters);
    let agent = directory.path().join("floating-ip").display().to_string();
    let ended = shell(&format!("{command} {agent}"), &[]);
    passes(&ended, &agent, &[&NO_ROLES[..], &NO_RELOAD[..]].concat());
    assert_eq!(fake.world().addresses[ip].owner, Some(101));
}
