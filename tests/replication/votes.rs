//! Elections in which somebody cannot say what it holds, did not hear, or still serves.

use nix::sys::signal::Signal;

use crate::lab::{Lab, N1, N2, N3};
use crate::support::eventually;
use crate::support::server::{SOON, Server};

/// n1 is killed; n3 is `mute`, so n2 is refused and n3 named. After `cure`, n2 is promoted.
fn refused_because_of_n3(mute: impl FnOnce(&Server) -> Vec<mysql::Conn>, cure: impl FnOnce(&Server, Vec<mysql::Conn>)) {
    let lab = Lab::serving();
    lab.write(N1, 5);
    lab.await_received(N3, N1);
    let kept = mute(lab.server(N3));
    lab.server(N1).crash();
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition.elect();
    let vote = lab.vote(N3).unwrap();
    assert!(vote.contains("unknown"), "{vote}");
    transition.try_promote().expect(1).says(&["n3 did not say what"]);
    assert!(lab.server(N2).read_only());
    cure(lab.server(N3), kept);
    lab.transition().promote(N2).carry_out();
    lab.await_follows(N3, N2);
    lab.same_rows(&[N2, N3]);
}

#[test]
fn a_frozen_survivor_votes_unknown_and_keeps_the_others_from_being_promoted() {
    refused_because_of_n3(
        |n3| {
            n3.freeze();
            Vec::new()
        },
        |n3, _| n3.signal(Signal::SIGCONT),
    );
}

#[test]
fn a_full_survivor_votes_unknown_and_keeps_the_others_from_being_promoted() {
    refused_because_of_n3(
        |n3| {
            let mut clients: Vec<_> = std::iter::from_fn(|| n3.try_connect("app", Some("app")).ok()).collect();
            // The client that was refused last may still be leaving.
            clients.push(eventually("the administrator's place", SOON, || {
                n3.try_connect("root", None).ok()
            }));
            assert!(n3.try_connect("root", None).is_err(), "the server is full");
            clients
        },
        |_, clients| drop(clients),
    );
}

#[test]
fn a_replica_that_missed_a_failover_is_attached_by_its_monitor() {
    let lab = Lab::serving();
    lab.server(N1).crash();
    lab.await_receiver(N3, "Connecting");
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition.elect().try_promote().expect(0);
    lab.monitor(N3).expect(0);
    lab.await_follows(N3, N2);
    lab.write(N2, 6);
    lab.same_rows(&[N2, N3]);
}

/// n1 is well and still sends to n3, which has no reason of its own to look for another primary.
#[test]
fn a_replica_that_missed_a_switchover_is_attached_by_its_monitor() {
    let lab = Lab::serving();
    let transition = lab.transition().demote(N1).promote(N2).close();
    transition.elect().try_promote().expect(0);
    transition.notify(N1, "post", "promote");
    lab.await_follows(N1, N2);
    lab.monitor(N3).expect(0);
    lab.await_follows(N3, N2);
}

#[test]
fn a_replica_restarted_after_it_voted_is_promoted_if_it_executed_everything() {
    let lab = Lab::serving();
    lab.write(N1, 8);
    lab.same_rows(&[N1, N2, N3]);
    lab.server(N1).crash();
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition.elect();
    lab.server(N2).crash();
    lab.transition().stop(&[N2]).carry_out();
    lab.transition().start(&[N2]).carry_out();
    lab.monitor(N2).expect(0);
    assert_eq!(lab.score(N2).as_deref(), Some("1500"));
    lab.transition().promote(N2).carry_out();
    lab.await_follows(N3, N2);
    assert!(lab.same_rows(&[N2, N3]).contains_key(&8));
}

/// Its fencing switched off something else.
#[test]
fn a_former_primary_that_still_serves_forbids_a_promotion() {
    let lab = Lab::serving();
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2);
    for node in [N2, N3] {
        transition.notify(node, "pre", "promote");
    }
    transition
        .try_promote()
        .expect(1)
        .says(&["n1, the former primary", "still answers and is writable"]);
    assert!(lab.server(N2).read_only());
    lab.await_follows(N2, N1);
    lab.write(N1, 9);
    lab.same_rows(&[N1, N2, N3]);
}
