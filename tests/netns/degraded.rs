//! An address that serves, although not everybody knows where it is, or somebody else has it, too; and the parameters that
//! say how neighbours are told.

use std::time::Instant;

use crate::capture::{Capture, REQUEST};
use crate::lab::{Lan, Net, SOON, until};
use crate::{IP, ONCE, RECURRING, VIP};

fn monitor_until(lan: &Lan, code: i32, why: &str) {
    until(&format!("{code} because {why}"), || {
        let run = lan.a.agent("monitor", &[IP, RECURRING]);
        (run.code == code && run.reason().contains(why)).then_some(())
    });
}

#[test]
fn a_rival_that_speaks_up_while_the_address_is_announced_is_reported() {
    let lan = Lan::new();
    let slowly = [IP, ("arp_count", "100"), ("arp_interval", "100")];
    lan.a.agent("start", &slowly).ends_with(0);
    lan.a.agent("monitor", &[IP, RECURRING]).ends_with(0);
    lan.b.agent("start", &slowly).ends_with(0);
    monitor_until(&lan, 190, &lan.b.mac("eth0"));
    lan.a.agent("monitor", &[IP]).ends_with(0);
    lan.b.agent("stop", &[IP]).ends_with(0);
    lan.a.agent("start", &[IP, ONCE]).ends_with(0);
    lan.a.agent("monitor", &[IP, RECURRING]).ends_with(0);
}

#[test]
fn an_announcement_that_did_not_leave_is_reported_until_one_does() {
    let lan = Lan::new();
    let slowly = [IP, ("arp_count", "100"), ("arp_interval", "100")];
    lan.a.agent("start", &slowly).ends_with(0);
    lan.a.shell("tc qdisc add dev eth0 root pfifo limit 0");
    monitor_until(&lan, 190, "the last announcement failed");
    // Who is told anew by each monitor is told, whatever went wrong before.
    let refreshing = [IP, ("arp_count_refresh", "1"), RECURRING];
    lan.a.agent("monitor", &refreshing).ends_with(190);
    lan.a.shell("tc qdisc del dev eth0 root");
    lan.a.agent("monitor", &refreshing).ends_with(0);
    monitor_until(&lan, 0, "");
    lan.a.agent("stop", &[IP]).ends_with(0);
}

/// A mistake in a parameter that may be changed while the address serves must not take it away, here and on all nodes.
#[test]
fn a_mistyped_parameter_leaves_the_address_where_it_is() {
    let lan = Lan::new();
    lan.a.agent("start", &[IP, ONCE]).ends_with(0);
    for mistyped in [
        ("arp_count", "0"),
        ("announce_to", "gatway"),
        ("arp_bg", "perhaps"),
        ("nic", "a/b"),
    ] {
        let parameters = [IP, mistyped];
        lan.a.agent("reload-agent", &parameters).ends_with(0);
        lan.a.agent("monitor", &parameters).ends_with(0);
        let recurring = [IP, mistyped, RECURRING];
        lan.a.agent("monitor", &recurring).ends_with(190).because(mistyped.0);
    }
    lan.a.agent("start", &[IP, ("arp_count", "0")]).ends_with(6);
    // What else is wrong is told first.
    lan.a.ip("link set eth0 down");
    let down = [IP, ("arp_count", "0"), RECURRING];
    lan.a.agent("monitor", &down).ends_with(7);
}

#[test]
fn everybody_in_the_list_is_told_in_person() {
    let lan = Lan::new();
    lan.a.knows("10.0.0.9");
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let client = lan.client.mac("br0");
    lan.a
        .agent("start", &[IP, ONCE, ("announce_to", "neighbours")])
        .ends_with(0);
    let told = capture.wait_for(4).to_vec();
    let in_person: Vec<u16> = told
        .iter()
        .filter(|frame| frame.to == client)
        .map(|frame| frame.operation)
        .collect();
    assert_eq!(in_person, [1, 2], "{told:?}");

    // One whom nobody here has met is asked, by everybody's address.
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    lan.a
        .agent("start", &[IP, ONCE, ("announce_to", "10.0.0.77")])
        .ends_with(0);
    let frames = capture.wait_for(3);
    assert_eq!(
        (frames[2].operation, frames[2].gratuitous),
        (REQUEST, false),
        "{frames:?}"
    );
}

#[test]
fn announcements_can_be_waited_for_and_refreshed() {
    let lan = Lan::new();
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let three = [IP, ("arp_count", "3"), ("arp_interval", "20"), ("arp_bg", "false")];
    let run = lan.a.agent("start", &three);
    run.ends_with(0);
    let frames = capture.wait_for(6);
    assert!(frames.len() == 6 && frames[5].at <= run.ended, "{frames:?}");
    assert!(!lan.a.announcer_runs(VIP));
    lan.a
        .agent("monitor", &[IP, RECURRING, ("arp_count_refresh", "2")])
        .ends_with(0);
    assert_eq!(capture.wait_for(10).len(), 10);
    lan.a.agent("monitor", &[IP, ("arp_count_refresh", "2")]).ends_with(0);
    assert_eq!(capture.frames().len(), 10, "a probe sends nothing");
}

/// By default, Linux answers for its addresses on every interface.
#[test]
fn another_interface_of_the_same_node_is_no_rival() {
    let lan = Lan::new();
    lan.client.ip(&format!(
        "link add to-a2 type veth peer name eth1 netns {}",
        lan.a.path()
    ));
    lan.client.ip("link set to-a2 master br0 up");
    lan.a.ip("link set eth1 up");
    lan.a.agent("start", &[IP, ONCE, ("run_arping", "true")]).ends_with(0);
    let deep = [IP, RECURRING, ("OCF_CHECK_LEVEL", "10")];
    lan.a.agent("monitor", &deep).ends_with(0);
    lan.b.ip("addr add 10.0.0.100/24 dev eth0");
    lan.a.agent("monitor", &deep).ends_with(190).because(&lan.b.mac("eth0"));
}

/// A namespace with a name, which goes with it.
struct Named(String);

impl Named {
    fn new() -> Named {
        let name = crate::support::unique("baton-ns");
        Net::new().ip(&format!("netns add {name}"));
        Named(name)
    }

    /// One that a's interface has moved to.
    fn with_interface_of(lan: &Lan) -> Named {
        let named = Named::new();
        lan.a.ip(&format!("link set eth0 netns {}", named.0));
        named.ip(lan, "addr add 10.0.0.1/24 dev eth0");
        named.ip(lan, "link set eth0 up");
        until("carrier", || {
            named.ip(lan, "link show eth0").contains("LOWER_UP").then_some(())
        });
        named
    }

    fn ip(&self, lan: &Lan, command: &str) -> String {
        lan.a.ip(&format!("-n {} {command}", self.0))
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // A test may have taken the name away.
        Net::new().shell(&format!("ip netns del {} || true", self.0));
    }
}

#[test]
fn an_address_can_live_in_a_namespace_with_a_name() {
    let lan = Lan::new();
    let named = Named::with_interface_of(&lan);
    let inside = |command: &str| named.ip(&lan, command);
    let namespace = ("network_namespace", named.0.as_str());
    lan.a.agent("monitor", &[IP, namespace]).ends_with(7);
    lan.a.agent("start", &[IP, namespace]).ends_with(0);
    assert!(inside("addr show dev eth0").contains(VIP));
    assert!(lan.a.copies(VIP).is_empty());
    lan.a.agent("monitor", &[IP, namespace, RECURRING]).ends_with(0);
    lan.a.agent("monitor", &[IP]).ends_with(7);
    let clock = Instant::now();
    lan.a.agent("stop", &[IP, namespace]).ends_with(0);
    assert!(clock.elapsed() < SOON);
    assert!(!inside("addr show dev eth0").contains(VIP));

    let gone = ("network_namespace", "baton-no-such-namespace");
    lan.a.agent("start", &[IP, gone]).ends_with(1).because("ip netns");
    lan.a.agent("monitor", &[IP, gone]).ends_with(7);
    lan.a.agent("stop", &[IP, gone]).ends_with(0);
}

#[test]
fn a_namespace_that_lost_its_name_still_gives_up_its_address() {
    let lan = Lan::new();
    let named = Named::with_interface_of(&lan);
    let namespace = ("network_namespace", named.0.as_str());
    // The announcer lives in it; the client hears it until somebody ends it.
    let slowly = [IP, namespace, ("arp_count", "100"), ("arp_interval", "50")];
    lan.a.agent("start", &slowly).ends_with(0);
    lan.a.ip(&format!("netns del {}", named.0));
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    capture.wait_for(2);
    lan.a
        .agent("monitor", &[IP, namespace])
        .ends_with(1)
        .because("no network namespace");
    let stop = lan.a.agent("stop", &[IP, namespace]);
    stop.ends_with(0);
    let ended = std::time::SystemTime::now();
    // Absence has no condition to wait for: several announcements are due in this time.
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert!(capture.frames().iter().all(|frame| frame.at < ended));
    lan.a.agent("monitor", &[IP, namespace]).ends_with(7);
}

#[test]
fn a_failure_of_the_check_is_no_failure_of_the_address() {
    let lan = Lan::new();
    lan.a.agent("start", &[IP, ONCE]).ends_with(0);
    lan.a.shell("tc qdisc add dev eth0 root pfifo limit 0");
    let deep = [IP, RECURRING, ("OCF_CHECK_LEVEL", "10")];
    lan.a.agent("monitor", &deep).ends_with(190).because("send queue");
    lan.a.shell("tc qdisc del dev eth0 root");
    lan.a.agent("monitor", &deep).ends_with(0);
}

#[test]
fn a_deep_monitor_also_says_what_went_wrong_and_an_old_conflict_is_forgotten() {
    let lan = Lan::new();
    let slowly = [IP, ("arp_count", "100"), ("arp_interval", "50")];
    lan.a.agent("start", &slowly).ends_with(0);
    lan.b.agent("start", &slowly).ends_with(0);
    monitor_until(&lan, 190, &lan.b.mac("eth0"));
    lan.b.agent("stop", &[IP]).ends_with(0);
    let deep = [IP, RECURRING, ("OCF_CHECK_LEVEL", "10")];
    lan.a
        .agent("monitor", &deep)
        .ends_with(190)
        .because("claims the address");
    until("the end of the announcer", || {
        (!lan.a.announcer_runs(VIP)).then_some(())
    });
    lan.a
        .agent("monitor", &deep)
        .ends_with(190)
        .because("claims the address");
    lan.a.shell(&format!(
        "touch -d '1 hour ago' {}",
        lan.a.announcer_lock(VIP).display()
    ));
    lan.a.agent("monitor", &deep).ends_with(0);
}

#[test]
fn what_fails_while_start_waits_is_reported_later() {
    let lan = Lan::new();
    let slowly = [IP, ("arp_count", "5"), ("arp_interval", "300"), ("arp_bg", "false")];
    std::thread::scope(|scope| {
        let start = scope.spawn(|| lan.a.agent("start", &slowly));
        until("the address", || (!lan.a.copies(VIP).is_empty()).then_some(()));
        let mut capture = Capture::on(&lan.client, "br0", VIP);
        capture.wait_for(1);
        lan.a.shell("tc qdisc add dev eth0 root pfifo limit 0");
        start.join().unwrap().ends_with(0);
    });
    lan.a
        .agent("monitor", &[IP, RECURRING])
        .ends_with(190)
        .because("send queue");
}
