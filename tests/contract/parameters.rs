//! Wrong parameters: refused with a sentence, before anything happens, and never by stop.

use std::os::unix::fs::symlink;

use crate::Idle;
use crate::support::{Call, agent, program, require_root, write};

/// Parameter, wrong value, what the sentence says is allowed.
const WRONG: [(&str, &str, &str); 12] = [
    ("datadir", "var/lib/mysql", "absolute path"),
    ("socket", "mysqld.sock", "absolute path"),
    ("config", "my.cnf", "absolute path"),
    ("replication", "sync", "semi-sync, async"),
    ("replication_port", "0", "1 to 65535"),
    ("replication_port", "65536", "1 to 65535"),
    ("replication_port", "mysql", "whole number"),
    ("replication_ssl", "perhaps", "true or false"),
    ("max_lag", "soon", "5s"),
    ("max_slave_lag", "-1", "5s"),
    ("hang_timeout", "1.5s", "5s"),
    ("node_addresses", "n1", "node=address"),
];

const WRONG_ADDRESS: [(&str, &str, &str); 16] = [
    ("ip", "192.0.2.10/24", "without a prefix"),
    ("ip", "db.example", "IPv4"),
    ("ip", "", "required"),
    ("cidr_netmask", "33", "1 to 32"),
    ("arp_count", "0", "1 to 100"),
    ("nic", "a/b", "network interface"),
    ("check_link_status", "maybe", "true or false"),
    ("announce_to", "everybody", "gateway, neighbours"),
    ("preferred_lft", "never", "forever"),
    ("network_namespace", "../blue", "ip netns"),
    ("reset_connections", "perhaps", "kernel, packets, no"),
    ("provider", "ec2", "local, digitalocean, hetzner"),
    ("token_file", "token", "absolute path"),
    ("lvs_support", "true", "not supported"),
    ("clusterip_hash", "sourceip", "not supported"),
    ("unique_clone_address", "yes", "not supported"),
];

/// `max_slave_lag` is an older name of `max_lag`, under which the sentence speaks.
fn spoken(name: &str) -> &str {
    if name == "max_slave_lag" { "max_lag" } else { name }
}

fn refused(call: &Call, wrong: (&str, &str, &str)) {
    let (name, value, allowed) = wrong;
    for action in ["validate-all", "start"] {
        let ended = call.clone().param(name, value).run(action).expect(6);
        ended.says(&[&format!("{}=\"{value}\"", spoken(name)), allowed, action]);
    }
}

#[test]
fn a_wrong_parameter_is_named_with_its_value_and_what_is_allowed() {
    let idle = Idle::new();
    for wrong in WRONG {
        refused(&idle.call(), wrong);
    }
    for wrong in WRONG_ADDRESS {
        refused(&agent("floating-ip").param("ip", "192.0.2.10"), wrong);
    }
}

#[test]
fn stop_never_says_configured_wrongly() {
    let idle = Idle::new();
    for (name, value, _) in WRONG.into_iter().filter(|(name, ..)| *name != "datadir") {
        idle.call().param(name, value).run("stop").expect(0);
    }
    let garbage = idle
        .call()
        .param("admin_password_file", "/no/such")
        .param("replication_password_file", "/no/such")
        .param("replication_password", "both")
        .param("binary", "/no/such")
        .param("user", "no_such_user");
    garbage.run("stop").expect(0);
    for (name, value, _) in WRONG_ADDRESS {
        agent("floating-ip")
            .param("ip", "192.0.2.77")
            .param(name, value)
            .run("stop")
            .expect(0);
    }
    agent("floating-ip").run("stop").expect(0);
}

#[test]
fn stop_without_a_usable_data_directory_proves_nothing_and_says_so() {
    let ended = Idle::new().call().param("datadir", "relative").run("stop").expect(1);
    ended.says(&["datadir=\"relative\"", "absolute path"]);
}

#[test]
fn stop_works_when_the_environment_is_garbage() {
    let idle = Idle::new();
    idle.call().meta("timeout", "soon").run("stop").expect(0);
    idle.call().env("OCF_CHECK_LEVEL", "high").run("stop").expect(0);
    let monitor = idle.call().env("OCF_CHECK_LEVEL", "high").run("monitor").expect(7);
    assert!(
        monitor.stderr.contains("OCF_CHECK_LEVEL=\"high\""),
        "{}",
        monitor.stderr
    );
    idle.call()
        .meta("timeout", "-5")
        .meta("interval", "often")
        .run("stop")
        .expect(0);
}

#[test]
fn a_timeout_that_is_no_number_is_an_error_of_other_actions() {
    let ended = Idle::new().call().meta("timeout", "soon").run("start");
    ended.expect(6).says(&["CRM_meta_timeout=\"soon\""]);
}

#[test]
fn a_clone_without_notifications_is_refused_at_start() {
    let ended = Idle::new().promotable().meta("notify", "false").run("start").expect(6);
    ended.says(&["notify", "notify=true"]);
}

#[test]
fn what_is_missing_on_this_node_is_not_called_a_wrong_parameter() {
    let idle = Idle::new();
    let missing = |name: &str, value: &str| idle.call().param(name, value).run("start").expect(5);
    missing("binary", "/no/such/mariadbd").says(&["/no/such/mariadbd", "parameter binary"]);
    program("mariadbd", "mariadb-server");
    missing("user", "no_such_user").says(&["no_such_user", "account"]);
    missing("group", "no_such_group").says(&["no_such_group"]);
    let data = idle.path("data").display().to_string();
    idle.call().run("start").expect(5).says(&[&data, "mariadb-install-db"]);
}

/// A secret that is not closed is a fault of this node: with the code for wrong parameters, Pacemaker would stop the
/// resource on all nodes.
#[test]
fn a_password_file_that_others_can_read_is_refused_with_the_mode_it_should_have() {
    require_root();
    let idle = Idle::new();
    std::fs::create_dir(idle.path("data")).unwrap();
    crate::support::server::shell("chown", &["mysql:mysql", idle.path("data").to_str().unwrap()]);
    let file = idle.path("password");
    for parameter in ["admin_password_file", "replication_password_file"] {
        for mode in [0o644, 0o640, 0o604] {
            write(&file, "s3cret-in-file\n", mode);
            let call = idle.call().param(parameter, &file).env("OCF_CHECK_LEVEL", "10");
            let ended = call.run("validate-all").expect(4);
            assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
            ended.says(&[parameter, &format!("{mode:04o}"), "0600", "chmod 600"]);
        }
        write(&file, "s3cret-in-file\n", 0o600);
        let link = idle.path(&format!("link-{parameter}"));
        symlink(&file, &link).unwrap();
        let level_10 = idle.call().env("OCF_CHECK_LEVEL", "10");
        level_10
            .clone()
            .param(parameter, &link)
            .run("validate-all")
            .expect(4)
            .says(&[parameter]);
        level_10
            .clone()
            .param(parameter, "/no/such")
            .run("validate-all")
            .expect(4)
            .says(&[parameter, "/no/such"]);
        level_10.param(parameter, &file).run("validate-all").expect(0);
    }
}

#[test]
fn validation_without_a_level_looks_at_the_parameters_alone() {
    let idle = Idle::new();
    let elsewhere = idle
        .call()
        .param("binary", "/no/such")
        .param("admin_password_file", "/no/such");
    elsewhere.run("validate-all").expect(0);
    elsewhere.env("OCF_CHECK_LEVEL", "10").run("validate-all").expect(5);
}

#[test]
fn a_password_given_twice_is_refused_without_showing_it() {
    let call = Idle::new()
        .call()
        .param("replication_password", "s3cret")
        .param("replication_password_file", "/etc/p");
    let ended = call.run("validate-all").expect(6);
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    ended.says(&["replication_password", "not both"]);
}
