//! What only IPv6 has: duplicate address detection, lifetimes, advertisements.

use std::time::Duration;

use crate::capture::{ADVERTISEMENT, Capture, Claim, SOLICITATION};
use crate::lab::{Lan, until};
use crate::{ONCE, RECURRING};

const VIP: &str = "fd00:10::100";
const IP: (&str, &str) = ("ip", VIP);
const NODAD: (&str, &str) = ("nodad", "true");

#[test]
fn interface_and_prefix_come_from_the_network_that_contains_the_address() {
    let lan = Lan::new();
    lan.a.agent("validate-all", &[IP, ("cidr_netmask", "64")]).ends_with(0);
    lan.a.agent("start", &[IP, ONCE, NODAD]).ends_with(0);
    assert_eq!(lan.a.copies(VIP), ["eth0 64"]);
    lan.a.agent("monitor", &[IP, RECURRING]).ends_with(0);
    lan.a.agent("stop", &[IP]).ends_with(0);
    lan.a
        .agent("start", &[IP, ONCE, NODAD, ("cidr_netmask", "128")])
        .ends_with(0);
    assert_eq!(lan.a.copies(VIP), ["eth0 128"]);
    lan.a.agent("stop", &[IP]).ends_with(0);
    lan.a.agent("monitor", &[IP]).ends_with(7);
}

#[test]
fn a_start_is_advertised_to_all_nodes_and_repeated() {
    let lan = Lan::new();
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let run = lan
        .a
        .agent("start", &[IP, NODAD, ("arp_count", "3"), ("arp_interval", "20")]);
    run.ends_with(0);
    until("the end of the announcer", || {
        (!lan.a.announcer_runs(VIP)).then_some(())
    });
    let frames = capture.wait_for(3);
    assert_eq!(frames.len(), 3, "{frames:?}");
    for frame in frames {
        assert_eq!(
            (frame.operation, frame.sender.clone()),
            (ADVERTISEMENT, lan.a.mac("eth0"))
        );
        assert!(frame.gratuitous && frame.to == "33:33:00:00:00:01", "{frame:?}");
    }
    assert!(frames[0].at < run.ended, "announced before start returned");
}

#[test]
fn hosts_are_asked_and_told_in_person() {
    let lan = Lan::new();
    lan.a.knows("fd00:10::9");
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let router = lan.client.mac("br0");
    lan.a
        .agent("start", &[IP, NODAD, ONCE, ("announce_to", "fd00:10::9")])
        .ends_with(0);
    until("an advertisement for one host", || {
        let frames = capture.frames();
        let told = frames
            .iter()
            .any(|frame| frame.operation == ADVERTISEMENT && frame.to == router);
        let asked = frames.iter().any(|frame| frame.operation == SOLICITATION);
        (told && asked).then_some(())
    });
}

#[test]
fn without_nodad_the_kernel_asks_while_the_address_is_used() {
    let lan = Lan::new();
    let setting = "cat /proc/sys/net/ipv6/conf/eth0/optimistic_dad";
    let before = lan.a.shell(setting);
    lan.a.agent("start", &[IP, ONCE]).ends_with(0);
    assert_eq!(lan.a.shell(setting), before, "the administrator's setting is as it was");
    assert_eq!(lan.client_knows(VIP), lan.a.mac("eth0"));
    until("the end of the detection", || {
        (!lan.a.ip("-6 addr show dev eth0").contains("tentative")).then_some(())
    });
    lan.a.agent("monitor", &[IP, RECURRING]).ends_with(0);
}

#[test]
fn an_address_that_the_kernel_gave_up_is_an_error() {
    let lan = Lan::new();
    lan.b.ip(&format!("addr add {VIP}/64 dev eth0 nodad"));
    lan.a.ip(&format!("addr add {VIP}/64 dev eth0"));
    until("the kernel's verdict", || {
        lan.a.ip("-6 addr show dev eth0").contains("dadfailed").then_some(())
    });
    let monitor = lan.a.agent("monitor", &[IP, RECURRING]);
    monitor.ends_with(1).because("another host answers for it");
    lan.a.agent("stop", &[IP]).ends_with(0);
    assert!(lan.a.copies(VIP).is_empty());
}

#[test]
fn a_last_owner_that_is_just_leaving_is_waited_for() {
    let lan = Lan::new();
    lan.b.ip(&format!("addr add {VIP}/64 dev eth0 nodad"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            lan.b.ip(&format!("addr del {VIP}/64 dev eth0"));
        });
        lan.a.agent("start", &[IP, ONCE]).ends_with(0);
    });
    assert_eq!(lan.a.copies(VIP), ["eth0 64"]);
}

#[test]
fn lifetime_and_flags_are_those_of_the_parameters() {
    let lan = Lan::new();
    let parameters = [IP, ONCE, NODAD, ("preferred_lft", "0"), ("noprefixroute", "true")];
    lan.a.agent("start", &parameters).ends_with(0);
    let shown = lan.a.ip(&format!("-6 addr show dev eth0 to {VIP}"));
    for word in [
        "deprecated",
        "nodad",
        "noprefixroute",
        "valid_lft forever preferred_lft 0sec",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    lan.a.agent("monitor", &[IP, RECURRING]).ends_with(0);
}

#[test]
fn a_link_local_address_works_on_its_interface() {
    let lan = Lan::new();
    let local = [("ip", "fe80::100"), ("nic", "eth0"), ONCE, NODAD];
    lan.a.agent("start", &local).ends_with(0);
    assert_eq!(lan.a.copies("fe80::100"), ["eth0 64"]);
    lan.a.agent("stop", &local).ends_with(0);
    lan.a
        .agent("start", &[local[0], ONCE])
        .ends_with(6)
        .because("parameter nic");
}

#[test]
fn a_start_over_an_address_that_the_kernel_gave_up_asks_again_and_announces_nothing() {
    let lan = Lan::new();
    lan.b.ip(&format!("addr add {VIP}/64 dev eth0 nodad"));
    lan.a.ip(&format!("addr add {VIP}/64 dev eth0"));
    until("the kernel's verdict", || {
        lan.a.ip("-6 addr show dev eth0").contains("dadfailed").then_some(())
    });
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    lan.a.agent("start", &[IP, ONCE]).ends_with(1).because("is in use");
    let own = lan.a.mac("eth0");
    let told = |frame: &Claim| frame.operation == ADVERTISEMENT && frame.sender == own;
    assert!(!capture.frames().iter().any(told));
    assert!(lan.a.copies(VIP).is_empty());

    lan.a.ip(&format!("addr add {VIP}/64 dev eth0"));
    lan.b.ip(&format!("addr del {VIP}/64 dev eth0"));
    lan.a.agent("start", &[IP, ONCE]).ends_with(0);
    let shown = lan.a.ip("-6 addr show dev eth0");
    assert!(!shown.contains("dadfailed") && !shown.contains(" tentative"), "{shown}");
    assert_eq!(lan.client_knows(VIP), own);
}

#[test]
fn a_rival_found_after_the_start_silences_the_announcer() {
    let lan = Lan::new();
    let slowly = [IP, ("arp_count", "100"), ("arp_interval", "50")];
    lan.a.agent("start", &slowly).ends_with(0);
    // The kernel's own verdict, brought about anew.
    lan.b.ip(&format!("addr add {VIP}/64 dev eth0 nodad"));
    lan.a.ip(&format!("addr del {VIP}/64 dev eth0"));
    lan.a.ip(&format!("addr add {VIP}/64 dev eth0"));
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    until("the end of the announcer", || {
        (!lan.a.announcer_runs(VIP)).then_some(())
    });
    let own = lan.a.mac("eth0");
    let told = |frame: &Claim| frame.operation == ADVERTISEMENT && frame.sender == own;
    assert!(!capture.frames().iter().any(told));
    lan.a
        .agent("monitor", &[IP, RECURRING])
        .ends_with(1)
        .because("another host");
}

#[test]
fn a_copy_with_another_prefix_is_replaced_though_the_kernel_allows_one_only() {
    let lan = Lan::new();
    for more in [&[][..], &[NODAD]] {
        lan.a.ip(&format!("addr add {VIP}/128 dev eth0 nodad"));
        let mut parameters = vec![IP, ONCE, ("cidr_netmask", "64")];
        parameters.extend(more);
        lan.a.agent("start", &parameters).ends_with(0);
        assert_eq!(lan.a.copies(VIP), ["eth0 64"]);
        lan.a.agent("monitor", &parameters).ends_with(0);
        lan.a.agent("stop", &[IP]).ends_with(0);
    }
}
