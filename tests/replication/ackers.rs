//! Who acknowledges: the claim of an epoch follows the replicas, and is never more than what is true.

use crate::lab::{Lab, N1, N2, N3};
use crate::support::eventually;
use crate::support::family::family;
use crate::support::server::SOON;

/// The claim as it is in the cluster, without the floor.
fn claimed(lab: &Lab) -> (Vec<String>, u64) {
    let epoch: serde_json::Value = serde_json::from_str(&lab.epoch()).unwrap();
    let ackers = epoch["ackers"].as_object().unwrap();
    (ackers.keys().cloned().collect(), epoch["needed"].as_u64().unwrap())
}

fn of(ackers: &[&str], needed: u64) -> (Vec<String>, u64) {
    (ackers.iter().map(|node| (*node).to_owned()).collect(), needed)
}

/// Until the claim is this one; every monitor does its part.
#[track_caller]
pub(crate) fn await_claim(lab: &Lab, ackers: &[&str], needed: u64) {
    eventually(&format!("{needed} of {ackers:?}"), SOON, || {
        for node in [N1, N2, N3].into_iter().filter(|node| lab.active.get()[*node]) {
            lab.monitor(node);
        }
        (claimed(lab) == of(ackers, needed)).then_some(())
    });
}

#[test]
fn ackers_that_stop_are_given_up_one_by_one_and_admitted_when_they_are_back() {
    let lab = Lab::serving();
    assert_eq!(claimed(&lab), of(&["n2", "n3"], 1));
    lab.transition().stop(&[N3]).carry_out();
    assert_eq!(claimed(&lab), of(&["n2"], 1));
    lab.write(N1, 101);
    lab.transition().stop(&[N2]).carry_out();
    assert_eq!(claimed(&lab), of(&[], 0));
    lab.write(N1, 102);
    lab.monitor(N1).expect(191).says(&["on this node alone"]);
    lab.transition().start(&[N2]).carry_out();
    await_claim(&lab, &["n2"], 1);
    lab.monitor(N1).expect(8);
    lab.transition().start(&[N3]).carry_out();
    await_claim(&lab, &["n2", "n3"], 1);
    lab.same_rows(&[N1, N2, N3]);
}

/// It is not known to be off, so it may have the only copy of what was confirmed.
#[test]
fn an_acker_that_is_only_silent_is_not_given_up_and_commits_wait() {
    let lab = Lab::serving();
    lab.transition().stop(&[N3]).carry_out();
    lab.relays[0].cut();
    lab.await_receiver(N2, "Connecting");
    let commit = lab.begin_write(N1, 103);
    lab.server(N1).await_unacknowledged_commit();
    // The primary learns of a lost connection only when it sends.
    eventually("a primary that knows it", SOON, || {
        (lab.monitor(N1).code == 191).then_some(())
    });
    lab.monitor(N1)
        .expect(191)
        .says(&["wait for 1 acknowledgements and 0 replicas acknowledge"]);
    assert_eq!(claimed(&lab), of(&["n2"], 1));
    assert!(!commit.is_finished());
    // Its node is fenced.
    lab.server(N2).crash();
    lab.transition().stop(&[N2]).carry_out();
    assert!(commit.join().unwrap().is_ok());
    assert_eq!(claimed(&lab), of(&[], 0));
}

#[test]
fn a_primary_that_ran_alone_has_no_successor_until_it_is_back() {
    let lab = Lab::serving();
    lab.transition().stop(&[N2, N3]).carry_out();
    lab.write(N1, 104);
    lab.server(N1).crash();
    lab.transition().demote(N1).stop(&[N1]).carry_out();
    lab.transition().start(&[N2, N3]).carry_out();
    let transition = lab.transition().promote(N2);
    transition
        .elect()
        .try_promote()
        .expect(1)
        .says(&["n1, the primary of epoch 1, may be the only one"]);
    lab.transition().start(&[N1]).carry_out();
    lab.transition().promote(N2).carry_out();
    assert!(lab.same_rows(&[N2, N1]).contains_key(&104), "fetched from n1");
}

#[test]
fn a_primary_that_somebody_disarmed_is_armed_again_and_the_floor_covers_what_was_confirmed_meanwhile() {
    let lab = Lab::serving();
    let enabled = family().semi_sync_enabled;
    let variable = enabled.trim_start_matches("SELECT @@");
    lab.server(N1).ask(&format!("SET GLOBAL {variable}=OFF"));
    lab.write(N1, 105);
    let unprotected = lab.server(N1).position();
    lab.monitor(N1).expect(8);
    assert_eq!(lab.server(N1).ask(enabled), "1");
    assert_eq!(claimed(&lab), of(&["n2", "n3"], 1));
    assert!(
        lab.epoch().contains(&format!("\"floor\":\"{unprotected}\"")),
        "{}",
        lab.epoch()
    );
}

/// n2 received the row while it did not acknowledge, and acknowledges only what comes next: nothing can come.
#[test]
fn commits_whose_acknowledgement_was_lost_are_released() {
    let lab = Lab::serving();
    lab.transition().stop(&[N3]).carry_out();
    let reconnect = |switch: &str| {
        lab.switch_acknowledging(N2, switch);
        lab.reconnect(N2);
    };
    reconnect("OFF");
    let commit = lab.begin_write(N1, 106);
    lab.server(N1).await_unacknowledged_commit();
    eventually("the row on n2", SOON, || lab.rows(N2).contains_key(&106).then_some(()));
    reconnect("ON");
    lab.await_ackers(N1, 1);
    assert!(
        !commit.is_finished(),
        "the server released it by itself: nothing is left to be done here"
    );
    // One look to see it, and one to see that nothing moves.
    lab.monitor(N1);
    lab.monitor(N1).expect(8);
    assert!(commit.join().unwrap().is_ok());
    assert_eq!(claimed(&lab), of(&["n2"], 1));
    lab.write(N1, 107);
    lab.same_rows(&[N1, N2]);
}

#[test]
fn a_bounded_loss_promotes_and_records_what_is_not_proven() {
    let lab = Lab::serving();
    lab.write(N1, 108);
    lab.await_received(N2, N1);
    lab.server(N3).crash();
    lab.server(N1).crash();
    let transition = lab.transition().demote(N1).stop(&[N1, N3]).promote(N2).close();
    transition.elect().try_promote().expect(1).says(&["n3 did not say"]);
    lab.loss.set("bounded");
    lab.transition().promote(N2).carry_out();
    for part in [
        r#""proven":false"#,
        "not proven: in epoch 1 commits waited for 1 of n2, n3",
    ] {
        assert!(lab.epoch().contains(part), "{}", lab.epoch());
    }
    assert!(lab.rows(N2).contains_key(&108));
}

/// Between its order to stop the receiver and the one to start it again the agent may be killed; nobody else starts it.
#[test]
fn a_receiver_that_an_interrupted_action_left_stopped_is_started_and_one_stopped_by_hand_is_not() {
    let lab = Lab::serving();
    lab.stop_receiver(N2);
    lab.monitor(N2).expect(190).says(&["was stopped by hand"]);
    let path = lab.kept(N2, "record.json");
    let mut record: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(record["restarts_receiver"], false);
    record["restarts_receiver"] = true.into();
    std::fs::write(&path, record.to_string()).unwrap();
    lab.monitor(N2);
    lab.await_receiver(N2, "Yes");
    await_claim(&lab, &["n2", "n3"], 1);
    lab.monitor(N2).expect(0);
    lab.stop_receiver(N2);
    lab.monitor(N2).expect(190).says(&["was stopped by hand"]);
}
