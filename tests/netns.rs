//! ocf:baton:floating-ip on real network stacks: what its neighbours, its clients and the administrator see.
//!
//! Each test has its own namespaces and drives the installed program. Needs root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may panic, start programs and wait"
)]

#[path = "netns/lab.rs"]
mod lab;

use std::time::{Duration, Instant};

use lab::{Capture, Lan, Net, REPLY, REQUEST, SOON, median, until};

const VIP: &str = "10.0.0.100";
const IP: (&str, &str) = ("ip", VIP);
/// Marks a recurring monitor; without it, Pacemaker probes.
const RECURRING: (&str, &str) = ("CRM_meta_interval", "1000");
/// No repetitions in the background.
const ONCE: (&str, &str) = ("arp_count", "1");

#[test]
fn the_neighbours_follow_the_address_to_another_node_at_once() {
    let lan = Lan::new();
    lan.a.agent("start", &[IP]).ends_with(0);
    assert_eq!(lan.client_knows(VIP), lan.a.mac("eth0"));
    lan.a.agent("stop", &[IP]).ends_with(0);
    let started = lan.b.agent("start", &[IP]);
    started.ends_with(0);
    let clock = Instant::now();
    until("the move in the neighbour's ARP cache", || {
        (lan.neighbour(VIP)? == lan.b.mac("eth0")).then_some(())
    });
    assert!(clock.elapsed() < Duration::from_millis(500), "{:?}", clock.elapsed());
}

#[test]
fn start_is_announced_as_request_and_reply_within_10_ms() {
    let lan = Lan::new();
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let mut delays = Vec::new();
    for round in 1..=9 {
        let run = lan.a.agent("start", &[IP, ONCE]);
        run.ends_with(0);
        let frames = capture.wait_for(2 * round).to_vec();
        let [request, reply] = &frames[2 * round - 2..] else {
            panic!("{frames:?}")
        };
        assert_eq!((request.operation, reply.operation), (REQUEST, REPLY));
        for frame in [request, reply] {
            assert_eq!(frame.sender, lan.a.mac("eth0"));
            assert!(frame.gratuitous && frame.broadcast, "{frame:?}");
            assert!(frame.at < run.ended, "announced before start returned");
        }
        delays.push(request.at.duration_since(run.began).unwrap());
        lan.a.agent("stop", &[IP]).ends_with(0);
    }
    println!("first frame after {delays:?}");
    assert!(median(delays.clone()) <= Duration::from_millis(10), "{delays:?}");
}

#[test]
fn the_announcement_is_repeated_as_configured_and_then_ends() {
    let lan = Lan::new();
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let run = lan.a.agent("start", &[IP, ("arp_count", "4"), ("arp_interval", "20")]);
    run.ends_with(0);
    until("the end of the announcer", || {
        (!lan.a.announcer_runs(VIP)).then_some(())
    });
    let frames = capture.wait_for(8);
    assert_eq!(frames.len(), 8, "{frames:?}");
    let forms: Vec<u16> = frames.iter().map(|frame| frame.operation).collect();
    assert_eq!(forms, [REQUEST, REPLY].repeat(4));
    assert!(frames[7].at.duration_since(frames[0].at).unwrap() >= Duration::from_millis(60));
}

#[test]
fn start_does_not_wait_for_the_repetitions() {
    let lan = Lan::new();
    let run = lan
        .a
        .agent("start", &[IP, ("arp_count", "10"), ("arp_interval", "1000")]);
    assert!(run.ends_with(0).took < Duration::from_secs(1), "{:?}", run.took);
    assert!(lan.a.announcer_runs(VIP));
    lan.a.agent("stop", &[IP]).ends_with(0);
}

#[test]
fn no_frame_leaves_after_stop_has_returned() {
    let lan = Lan::new();
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let every_10_ms = [IP, ("arp_count", "100"), ("arp_interval", "10")];
    lan.a.agent("start", &every_10_ms).ends_with(0);
    capture.wait_for(6);
    let stopped = lan.a.agent("stop", &[IP]);
    stopped.ends_with(0);
    assert!(!lan.a.announcer_runs(VIP));
    // Absence has no condition to wait for: 20 frames are due in this time.
    std::thread::sleep(Duration::from_millis(200));
    let late: Vec<_> = capture
        .frames()
        .iter()
        .filter(|frame| frame.at > stopped.ended)
        .collect();
    assert!(late.is_empty(), "{late:?}");
}

#[test]
fn a_second_start_replaces_the_announcer_of_the_first() {
    let lan = Lan::new();
    let slow = [IP, ("arp_count", "100"), ("arp_interval", "60000")];
    lan.a.agent("start", &slow).ends_with(0);
    lan.a
        .agent("start", &[IP, ("arp_count", "2"), ("arp_interval", "10")])
        .ends_with(0);
    until("the end of both announcers", || {
        (!lan.a.announcer_runs(VIP)).then_some(())
    });
}

#[test]
fn the_announcer_falls_silent_when_the_address_leaves_without_a_stop() {
    let lan = Lan::new();
    lan.a
        .agent("start", &[IP, ("arp_count", "100"), ("arp_interval", "50")])
        .ends_with(0);
    lan.a.ip("addr del 10.0.0.100/24 dev eth0");
    let clock = Instant::now();
    until("the end of the announcer", || {
        (!lan.a.announcer_runs(VIP)).then_some(())
    });
    assert!(clock.elapsed() < SOON / 2);
}

#[test]
fn an_address_that_is_present_already_is_announced_again() {
    let lan = Lan::new();
    lan.a.ip("addr add 10.0.0.100/24 dev eth0");
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    lan.a.agent("start", &[IP, ONCE]).ends_with(0);
    assert_eq!(capture.wait_for(2).len(), 2);
    assert_eq!(lan.a.copies(VIP), ["eth0 24"]);
}

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
    for wrong in [("ip", "2001:db8::1"), ("ip", "10.0.0.300"), ("ip", "")] {
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
fn an_address_that_could_not_be_announced_is_taken_away_again() {
    let lan = Lan::new();
    // A queue that takes nothing: the address can be added, but no frame leaves.
    lan.a.shell("tc qdisc add dev eth0 root pfifo limit 0");
    let run = lan.a.agent("start", &[IP]);
    run.ends_with(1).because("send queue");
    assert!(lan.a.copies(VIP).is_empty());
    assert!(!lan.a.announcer_runs(VIP));
}

#[test]
fn without_the_right_to_announce_nothing_is_added() {
    let lan = Lan::new();
    let program = [
        "setpriv",
        "--bounding-set=-net_raw",
        "--inh-caps=-net_raw",
        env!("CARGO_BIN_EXE_baton"),
    ];
    let run = lan.a.agent_by(&program, "start", &[IP]);
    run.ends_with(4).because("CAP_NET_RAW");
    assert!(lan.a.copies(VIP).is_empty());
}

#[test]
fn a_rollback_leaves_an_address_alone_that_was_there_before() {
    let lan = Lan::new();
    lan.a.ip("addr add 10.0.0.100/24 dev eth0");
    lan.a.shell("tc qdisc add dev eth0 root pfifo limit 0");
    lan.a.agent("start", &[IP]).ends_with(1);
    assert_eq!(lan.a.copies(VIP), ["eth0 24"]);
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

#[test]
fn monitor_takes_at_most_3_ms_and_stop_at_most_10_ms() {
    let lan = Lan::new();
    let mut monitors = Vec::new();
    let mut stops = Vec::new();
    for _ in 0..20 {
        lan.a.agent("start", &[IP]).ends_with(0);
        let monitor = lan.a.agent("monitor", &[IP, RECURRING]);
        monitors.push(monitor.ends_with(0).took);
        stops.push(lan.a.agent("stop", &[IP]).ends_with(0).took);
    }
    let (monitor, stop) = (median(monitors), median(stops));
    println!("monitor {monitor:?}, stop {stop:?}");
    assert!(monitor <= Duration::from_millis(3), "{monitor:?}");
    assert!(stop <= Duration::from_millis(10), "{stop:?}");
}
