//! What the neighbours hear: when, in which form, how often, and when it ends.

use std::time::{Duration, Instant};

use crate::capture::{Capture, REPLY, REQUEST};
use crate::lab::{Lan, SOON, until};
use crate::{IP, ONCE, VIP};

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
fn start_is_announced_as_request_and_reply_before_it_returns() {
    let lan = Lan::new();
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    for round in 1..=3 {
        let run = lan.a.agent("start", &[IP, ONCE]);
        run.ends_with(0);
        let frames = capture.wait_for(2 * round).to_vec();
        let [request, reply] = &frames[2 * round - 2..] else {
            panic!("{frames:?}")
        };
        assert_eq!((request.operation, reply.operation), (REQUEST, REPLY));
        for frame in [request, reply] {
            assert_eq!(frame.sender, lan.a.mac("eth0"));
            assert!(frame.gratuitous, "{frame:?}");
            assert!(frame.at < run.ended, "announced before start returned");
        }
        lan.a.agent("stop", &[IP]).ends_with(0);
    }
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
