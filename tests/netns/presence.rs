//! Whether the address is here: start, stop, monitor and validation, other addresses, and how long it takes.

use crate::capture::Capture;
use crate::lab::Lan;
use crate::{IP, ONCE, RECURRING, VIP};

#[test]
fn stop_removes_every_copy_on_every_interface_with_every_prefix() {
    let lan = Lan::new();
    lan.a.ip("link add other type veth peer name other-end");
    lan.a.agent("start", &[IP]).ends_with(0);
    for copy in [
        "10.0.0.100/32 dev eth0",
        "10.0.0.100/16 dev other",
        "10.0.0.100/32 dev lo",
    ] {
        lan.a.ip(&format!("addr add {copy}"));
    }
    let monitor = lan.a.agent("monitor", &[IP]);
    monitor.ends_with(1).because("4 copies of one address");
    lan.a.agent("stop", &[IP]).ends_with(0);
    assert!(lan.a.copies(VIP).is_empty());
    assert_eq!(lan.a.copies("10.0.0.1"), ["eth0 24"]);
    lan.a.agent("monitor", &[IP]).ends_with(7);
    lan.a.agent("stop", &[IP]).ends_with(0);
}

#[test]
fn stop_needs_nothing_but_the_address() {
    let lan = Lan::new();
    lan.a.agent("start", &[IP]).ends_with(0);
    let wrong = [
        IP,
        ("nic", "gone0"),
        ("cidr_netmask", "99"),
        ("arp_count", "many"),
        ("broadcast", "x"),
    ];
    lan.a.agent("stop", &wrong).ends_with(0);
    assert!(lan.a.copies(VIP).is_empty());
}

#[test]
fn wrong_parameters_are_errors_of_the_configuration_in_start_and_validate_only() {
    let lan = Lan::new();
    for wrong in [("ip", "2001:db8::1/64"), ("ip", "10.0.0.300"), ("ip", "")] {
        for action in ["start", "validate-all"] {
            lan.a.agent(action, &[wrong]).ends_with(6).because("parameter ip=");
        }
        lan.a.agent("stop", &[wrong]).ends_with(0);
        lan.a.agent("monitor", &[wrong]).ends_with(7);
    }
    for wrong in [
        ("arp_count", "0"),
        ("cidr_netmask", "33"),
        ("check_link_status", "maybe"),
    ] {
        lan.a.agent("start", &[IP, wrong]).ends_with(6).because(wrong.0);
        lan.a.agent("monitor", &[IP, wrong]).ends_with(7);
    }
    assert!(lan.a.copies(VIP).is_empty());
}

#[test]
fn a_copy_in_a_wrong_form_is_an_error_and_start_repairs_it() {
    let lan = Lan::new();
    lan.a.ip("link add other type veth peer name other-end");
    lan.a.shell("ip link set other-end up && ip link set other up");
    lan.a.ip("addr add 10.0.0.100/24 dev other");
    let nic = ("nic", "eth0");
    let monitor = lan.a.agent("monitor", &[IP, nic]);
    monitor
        .ends_with(1)
        .because("found 10.0.0.100/24 on other, but nic is eth0");
    lan.a.agent("start", &[IP, ONCE, nic]).ends_with(0);
    assert_eq!(lan.a.copies(VIP), ["eth0 24"]);

    let narrow = ("cidr_netmask", "32");
    let monitor = lan.a.agent("monitor", &[IP, narrow]);
    monitor.ends_with(1).because("but cidr_netmask is 32");
    lan.a.agent("start", &[IP, ONCE, narrow]).ends_with(0);
    assert_eq!(lan.a.copies(VIP), ["eth0 32"]);
}

/// The address under test is the first of its network, so the kernel wants to take the other two along.
fn three_addresses_without_promotion() -> Lan {
    let lan = Lan::new();
    lan.a.shell("echo 0 > /proc/sys/net/ipv4/conf/all/promote_secondaries");
    lan.a.shell("echo 0 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries");
    for ip in ["10.7.0.100", "10.7.0.101", "10.7.0.102"] {
        lan.a.ip(&format!("addr add {ip}/24 brd + dev eth0"));
    }
    lan
}

#[test]
fn stop_keeps_the_other_addresses_of_its_network() {
    let lan = three_addresses_without_promotion();
    let mut events = lan.a.inside(|| {
        let mut command = std::process::Command::new("ip");
        command
            .args(["-o", "monitor", "address"])
            .stdout(std::process::Stdio::piped());
        command.spawn().unwrap()
    });
    lan.a.agent("stop", &[("ip", "10.7.0.100")]).ends_with(0);
    for ip in ["10.7.0.101", "10.7.0.102"] {
        assert_eq!(lan.a.copies(ip), ["eth0 24"]);
    }
    assert!(lan.a.copies("10.7.0.100").is_empty());
    let setting = lan.a.shell("cat /proc/sys/net/ipv4/conf/eth0/promote_secondaries");
    assert_eq!(setting.trim(), "0", "the administrator's setting is as it was");
    events.kill().unwrap();
    let output = events.wait_with_output().unwrap();
    let lost = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.starts_with("Deleted") && !line.contains("10.7.0.100"))
        .count();
    assert_eq!(lost, 0, "the other addresses were never gone");
}

#[test]
fn stop_keeps_the_other_addresses_where_settings_are_read_only() {
    let lan = three_addresses_without_promotion();
    let read_only = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec \"$0\" \"$@\"";
    let program = ["unshare", "-m", "/bin/sh", "-c", read_only, env!("CARGO_BIN_EXE_baton")];
    let run = lan.a.agent_by(&program, "stop", &[("ip", "10.7.0.100")]);
    run.ends_with(0);
    assert!(run.stderr.contains("putting it back"), "{}", run.stderr);
    let shown = lan.a.ip("-o -4 addr show dev eth0");
    for ip in ["10.7.0.101", "10.7.0.102"] {
        assert_eq!(lan.a.copies(ip), ["eth0 24"]);
        assert!(shown.contains(&format!("{ip}/24 brd 10.7.0.255")), "{shown}");
    }
    assert!(lan.a.copies("10.7.0.100").is_empty());
}

#[test]
fn stop_needs_no_file_system_that_can_be_written() {
    let lan = Lan::new();
    let read_only = "mount --bind /run /run && mount -o remount,bind,ro /run && exec \"$0\" \"$@\"";
    let program = ["unshare", "-m", "/bin/sh", "-c", read_only, env!("CARGO_BIN_EXE_baton")];
    for announced in ["1", "100"] {
        lan.a.agent("start", &[IP, ("arp_count", announced)]).ends_with(0);
        lan.a.agent_by(&program, "stop", &[IP]).ends_with(0);
        assert!(lan.a.copies(VIP).is_empty());
        lan.a.agent_by(&program, "stop", &[IP]).ends_with(0);
    }
}

#[test]
fn without_the_right_to_change_addresses_start_says_so() {
    let lan = Lan::new();
    let program = [
        "setpriv",
        "--bounding-set=-net_admin",
        "--inh-caps=-net_admin",
        env!("CARGO_BIN_EXE_baton"),
    ];
    let run = lan.a.agent_by(&program, "start", &[IP]);
    run.ends_with(4).because("add 10.0.0.100/24 to eth0");
}

#[test]
fn a_refusal_of_the_kernel_is_quoted() {
    let lan = Lan::new();
    lan.a.ip("addr add 10.8.0.1/24 dev eth0 scope link");
    let run = lan.a.agent("start", &[("ip", "10.8.0.5")]);
    run.ends_with(1).because("kernel refused to add 10.8.0.5/24 to eth0");
}

#[test]
fn monitor_and_validation_change_nothing_and_send_nothing() {
    let lan = Lan::new();
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let actions: [(&str, &[(&str, &str)]); 4] = [
        ("monitor", &[IP]),
        ("monitor", &[IP, RECURRING]),
        ("validate-all", &[IP]),
        ("reload-agent", &[IP]),
    ];
    for present in [false, true] {
        if present {
            lan.a.ip("addr add 10.0.0.100/32 dev eth0");
        }
        let before = lan.a.ip("addr show");
        for (action, parameters) in actions {
            let run = lan.a.agent(action, parameters);
            let expected = if action == "monitor" && !present { 7 } else { 0 };
            run.ends_with(expected);
        }
        assert_eq!(lan.a.ip("addr show"), before);
    }
    assert!(capture.frames().is_empty());
}

#[test]
fn level_10_validation_asks_this_node() {
    let lan = Lan::new();
    let missing = [IP, ("nic", "gone0")];
    lan.a.agent("validate-all", &missing).ends_with(0);
    let program = ["/usr/bin/env", "OCF_CHECK_LEVEL=10", env!("CARGO_BIN_EXE_baton")];
    let run = lan.a.agent_by(&program, "validate-all", &missing);
    run.ends_with(1).because("gone0");
    lan.a.agent_by(&program, "validate-all", &[IP]).ends_with(0);
}

/// What another program left on an interface that the address does not belong to is not a running resource.
#[test]
fn a_leftover_copy_where_no_route_leads_is_wrong_and_start_moves_it() {
    let lan = Lan::new();
    lan.a.ip("link add docker0 type bridge");
    lan.a.ip("link set docker0 up");
    for link in ["lo", "docker0"] {
        lan.a.ip(&format!("addr add {VIP}/32 dev {link}"));
        lan.a
            .agent("monitor", &[IP])
            .ends_with(1)
            .because("the network of 10.0.0.100 is on eth0");
        lan.a.agent("monitor", &[IP, RECURRING]).ends_with(1);
        lan.a.agent("start", &[IP, ONCE]).ends_with(0);
        assert_eq!(lan.a.copies(VIP), ["eth0 24"]);
        assert_eq!(lan.client_knows(VIP), lan.a.mac("eth0"));
        lan.a.agent("stop", &[IP]).ends_with(0);
    }
    // A node without an address in that network: nothing says where it belongs, but certainly not there.
    lan.a.ip("addr del 10.0.0.1/24 dev eth0");
    lan.a.ip(&format!("addr add {VIP}/32 dev lo"));
    lan.a.agent("monitor", &[IP]).ends_with(1).because("nobody can be told");
    lan.a.agent("monitor", &[IP, ("nic", "lo")]).ends_with(0);
}
