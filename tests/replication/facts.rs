//! What servers do by themselves, whatever the agent does: the simulated server of src/mysql/sim does the same.

use mysql::prelude::Queryable;
use nix::sys::signal::Signal;

use crate::lab::{Lab, N1, N2, N3};
use crate::support::eventually;
use crate::support::family::family;
use crate::support::server::SOON;

/// Followed by n2 alone, which acknowledges or does not.
fn followed_by_n2(acknowledging: &str) -> Lab {
    let lab = Lab::serving();
    lab.stop_receiver(N3);
    lab.switch_acknowledging(N2, acknowledging);
    lab.reconnect(N2);
    lab
}

#[track_caller]
fn await_row(lab: &Lab, node: usize, id: u64) {
    eventually("the row", SOON, || lab.rows(node).contains_key(&id).then_some(()));
}

fn disarm(lab: &Lab, node: usize) {
    let variable = family().semi_sync_enabled.trim_start_matches("SELECT @@");
    lab.server(node).ask(&format!("SET GLOBAL {variable}=OFF"));
}

#[test]
fn the_switch_of_a_replica_counts_from_its_next_connection() {
    let lab = followed_by_n2("ON");
    lab.await_ackers(N1, 1);
    lab.switch_acknowledging(N2, "OFF");
    lab.write(N1, 1001);
    lab.reconnect(N2);
    let commit = lab.begin_write(N1, 1002);
    await_row(&lab, N2, 1002);
    lab.await_ackers(N1, 0);
    lab.switch_acknowledging(N2, "ON");
    lab.server(N1).await_unacknowledged_commit();
    assert!(!commit.is_finished());
    lab.await_ackers(N1, 0);
    lab.reconnect(N2);
    lab.await_ackers(N1, 1);
}

#[test]
fn a_commit_is_confirmed_once_a_replica_received_it_and_no_sooner() {
    let lab = followed_by_n2("ON");
    lab.stop_receiver(N2);
    lab.stop_applier(N2);
    let commit = lab.begin_write(N1, 1001);
    lab.server(N1).await_unacknowledged_commit();
    assert!(!commit.is_finished());
    lab.start_receiver(N2);
    assert!(commit.join().unwrap().is_ok());
    lab.await_received(N2, N1);
    assert!(!lab.rows(N2).contains_key(&1001), "it need not be executed");
}

/// The first was received by a connection that did not acknowledge: nothing will be said of it alone.
#[test]
fn an_acknowledgement_counts_for_everything_before_it() {
    let lab = followed_by_n2("OFF");
    let first = lab.begin_write(N1, 1001);
    await_row(&lab, N2, 1001);
    lab.switch_acknowledging(N2, "ON");
    lab.reconnect(N2);
    lab.await_ackers(N1, 1);
    lab.server(N1).await_unacknowledged_commit();
    assert!(!first.is_finished());
    lab.write(N1, 1002);
    assert!(first.join().unwrap().is_ok());
}

#[test]
fn whoever_waits_is_told_ok_when_semi_sync_is_switched_off() {
    let lab = followed_by_n2("OFF");
    let commit = lab.begin_write(N1, 1001);
    lab.server(N1).await_unacknowledged_commit();
    disarm(&lab, N1);
    assert!(commit.join().unwrap().is_ok());
}

#[test]
fn a_replica_that_waits_for_acknowledgements_itself_executes_nothing() {
    let lab = Lab::serving();
    let mut root = lab.server(N2).root();
    for statement in family().arm_semi_sync {
        root.query_drop(statement).unwrap();
    }
    lab.write(N1, 1001);
    lab.await_received(N2, N1);
    lab.server(N2).await_unacknowledged_commit();
    assert!(!lab.rows(N2).contains_key(&1001));
    disarm(&lab, N2);
    await_row(&lab, N2, 1001);
}

#[test]
fn a_transaction_of_its_own_id_is_skipped_by_a_replica_that_does_not_acknowledge() {
    let lab = Lab::serving();
    lab.switch_acknowledging(N3, "OFF");
    lab.reconnect(N3);
    let id = lab.server(N3).ask("SELECT @@server_id");
    lab.write_as(N1, &id, 1001);
    lab.write(N1, 1002);
    await_row(&lab, N3, 1002);
    assert!(!lab.rows(N3).contains_key(&1001));
    await_row(&lab, N2, 1001);
}

/// By somebody who does not end the sessions first, as the agent does.
#[test]
fn an_ordinary_shutdown_keeps_what_waits_and_confirms_it_or_not() {
    let lab = followed_by_n2("OFF");
    let commit = lab.begin_write(N1, 1001);
    lab.server(N1).await_unacknowledged_commit();
    lab.server(N1).signal(Signal::SIGTERM);
    assert_eq!(commit.join().unwrap().is_ok(), family().shutdown_confirms);
    eventually("the end of the server", SOON, || {
        lab.server(N1).pid().is_none().then_some(())
    });
    lab.call(N1).run("start").expect(0);
    assert!(lab.rows(N1).contains_key(&1001));
}
