//! Which interface carries the address, and what happens when that interface is in a bad state.

use crate::lab::{Lan, Net, until};
use crate::{IP, ONCE, RECURRING, VIP};

#[test]
fn interface_and_prefix_come_from_the_network_that_contains_the_address() {
    let lan = Lan::new();
    lan.a.ip("link add wide type veth peer name wide-end");
    lan.a.ip("addr add 10.9.9.9/8 dev wide");
    lan.a.ip("link set wide up");
    lan.a.agent("validate-all", &[IP, ("cidr_netmask", "24")]).ends_with(0);
    lan.a.agent("start", &[IP, ONCE, ("iflabel", "vip")]).ends_with(0);
    let shown = lan.a.ip("-o addr show dev eth0");
    assert!(
        shown.contains("10.0.0.100/24 brd 10.0.0.255 scope global secondary eth0:vip"),
        "{shown}"
    );
    lan.a.agent("monitor", &[IP]).ends_with(0);
}

#[test]
fn an_address_of_no_connected_network_needs_nic_and_prefix() {
    let lan = Lan::new();
    lan.a.ip("route add default via 10.0.0.9");
    let far = ("ip", "192.0.2.7");
    let run = lan.a.agent("start", &[far]);
    run.ends_with(1).because("set nic and cidr_netmask");
    lan.a
        .agent("start", &[far, ONCE, ("nic", "eth0"), ("cidr_netmask", "32")])
        .ends_with(0);
    assert_eq!(lan.a.copies("192.0.2.7"), ["eth0 32"]);
    lan.a.agent("stop", &[far]).ends_with(0);
}

#[test]
fn an_alternative_interface_name_is_a_name() {
    let lan = Lan::new();
    lan.a.ip("link property add dev eth0 altname the-uplink-of-this-node");
    let nic = ("nic", "the-uplink-of-this-node");
    lan.a.agent("start", &[IP, ONCE, nic]).ends_with(0);
    assert_eq!(lan.a.copies(VIP), ["eth0 24"]);
    lan.a.agent("monitor", &[IP, nic]).ends_with(0);
}

#[test]
fn an_interface_renamed_under_the_address_is_reported_and_stopped() {
    let lan = Lan::new();
    let nic = ("nic", "eth0");
    lan.a.agent("start", &[IP, ONCE, nic]).ends_with(0);
    lan.a
        .shell("ip link set eth0 down && ip link set eth0 name wan0 && ip link set wan0 up");
    until("carrier", || {
        lan.a.ip("link show wan0").contains("LOWER_UP").then_some(())
    });
    let monitor = lan.a.agent("monitor", &[IP, nic, RECURRING]);
    monitor.ends_with(190).because("was it renamed?");
    lan.a.agent("stop", &[IP, nic]).ends_with(0);
    assert!(lan.a.copies(VIP).is_empty());
    let start = lan.a.agent("start", &[IP, nic]);
    start.ends_with(1).because("no interface of this node is named eth0");
}

#[test]
fn without_carrier_start_adds_nothing_and_monitor_asks_for_recovery() {
    let lan = Lan::new();
    lan.a.agent("start", &[IP, ONCE]).ends_with(0);
    for port in ["to-a", "to-b"] {
        lan.client.ip(&format!("link set {port} down"));
    }
    let monitor = lan.a.agent("monitor", &[IP, RECURRING]);
    monitor.ends_with(7).because("interface eth0 has no carrier");
    lan.a.agent("monitor", &[IP]).ends_with(0);
    lan.a
        .agent("monitor", &[IP, RECURRING, ("check_link_status", "false")])
        .ends_with(0);
    lan.a.agent("stop", &[IP]).ends_with(0);
    assert!(lan.a.copies(VIP).is_empty());

    let start = lan.b.agent("start", &[IP]);
    start.ends_with(1).because("interface eth0 has no carrier");
    assert!(lan.b.copies(VIP).is_empty());
}

#[test]
fn an_interface_that_is_switched_off_stays_off() {
    let lan = Lan::new();
    lan.a.ip("link set eth0 down");
    let parameters = [
        IP,
        ("nic", "eth0"),
        ("cidr_netmask", "24"),
        ("check_link_status", "false"),
    ];
    let start = lan.a.agent("start", &parameters);
    start.ends_with(1).because("interface eth0 is switched off");
    assert!(lan.a.copies(VIP).is_empty());
    assert!(!lan.a.ip("link show eth0").contains("UP"));
}

#[test]
fn loopback_alone_is_enough_and_is_not_announced() {
    let net = Net::new();
    let local = [("ip", "127.0.0.77"), ("nic", "lo"), ("cidr_netmask", "8")];
    net.agent("start", &local).ends_with(0);
    net.agent("monitor", &local).ends_with(0);
    assert!(!net.announcer_runs("127.0.0.77"));
    net.agent("stop", &local).ends_with(0);
    net.agent("monitor", &local).ends_with(7);
}
