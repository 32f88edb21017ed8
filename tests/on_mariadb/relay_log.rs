//! Starting a thread of replication while both are stopped deletes what was received and not executed: none of it may
//! happen on the way to a promotion.

use std::collections::BTreeMap;

use mysql::prelude::Queryable;

use crate::lab::{Lab, N1, N2, N3};

/// The relay logs of n2, and their sizes.
fn relay_logs(lab: &Lab) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(lab.server(N2).datadir()).unwrap();
    let files = entries.map(|entry| entry.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len()))
        .filter(|(name, _)| name.starts_with("relay.0"))
        .collect()
}

#[test]
fn with_both_threads_stopped_a_promotion_is_refused_and_the_relay_log_is_kept() {
    let lab = Lab::with_tail();
    lab.stop_receiver(N2);
    lab.server(N1).crash();
    let before = relay_logs(&lab);
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition
        .elect()
        .try_promote()
        .expect(1)
        .says(&["received but replication is stopped", "0-11-"]);
    lab.monitor(N2).expect(190).says(&["stopped by hand"]);
    assert_eq!(lab.score(N2), None);
    assert_eq!(relay_logs(&lab), before);
    assert!(lab.server(N2).read_only() && lab.is_detached(N2));
    // The control: what an administrator, or an agent that does not know, would do deletes the rows.
    lab.server(N2).root().query_drop("START SLAVE").unwrap();
    lab.await_applier(N2, "Yes");
    assert!(
        relay_logs(&lab).values().sum::<u64>() < before.values().sum::<u64>(),
        "the server changed: this rule may be obsolete"
    );
    assert!(!lab.rows(N2).contains_key(&20));
}

/// What n2 has received and not executed is fetched again, and both threads are stopped after that.
fn receive_again(lab: &Lab) {
    lab.start_receiver(N2);
    lab.await_received(N2, N1);
    let received = total(lab);
    lab.server(N2).root().query_drop("STOP SLAVE").unwrap();
    assert_eq!(total(lab), received, "it is still there");
    assert_eq!(lab.status(N2, "Gtid_IO_Pos"), lab.server(N1).position(), "and known");
}

fn total(lab: &Lab) -> u64 {
    relay_logs(lab).values().sum()
}

/// The fewest bytes that ten rows take.
const TAIL: u64 = 1000;

#[test]
fn every_statement_that_starts_a_thread_while_both_are_stopped_deletes_the_relay_log() {
    let lab = Lab::with_tail();
    let mut n2 = lab.server(N2).root();
    let mut deletes = |statement: &str| {
        let before = total(&lab);
        n2.query_drop(statement).unwrap();
        assert!(total(&lab) + TAIL < before, "{statement}");
    };
    receive_again(&lab);
    deletes("CHANGE MASTER TO MASTER_CONNECT_RETRY=1");
    receive_again(&lab);
    deletes("START SLAVE SQL_THREAD");
    lab.await_applier(N2, "Yes");
    assert!(!lab.rows(N2).contains_key(&20));
    lab.stop_applier(N2);
    receive_again(&lab);
    lab.server(N1).crash();
    deletes("START SLAVE IO_THREAD");
    let applied = lab.server(N2).ask("SELECT @@gtid_slave_pos");
    assert_eq!(lab.status(N2, "Gtid_IO_Pos"), applied, "it asks for them again");
    lab.server(N2).root().query_drop("START SLAVE").unwrap();
    lab.await_applier(N2, "Yes");
    assert!(!lab.rows(N2).contains_key(&20));
}

/// What it had received was in the relay log, which MariaDB deletes at the next start of replication.
#[test]
fn a_replica_restarted_while_the_primary_is_away_is_not_promoted() {
    let lab = Lab::serving();
    lab.write(N1, 7);
    lab.server(N1).crash();
    lab.transition().demote(N1).stop(&[N1, N2]).carry_out();
    lab.transition().start(&[N2]).carry_out();
    lab.monitor(N2)
        .expect(190)
        .says(&["restarted without reaching n1", "epoch 1"]);
    assert_eq!(lab.score(N2), None);
    let transition = lab.transition().promote(N2);
    transition
        .elect()
        .try_promote()
        .expect(1)
        .says(&["commits waited for 1 of n2, n3", "this node among them"]);
    assert!(lab.server(N2).read_only());
    lab.set_option("accept-loss", "1");
    lab.monitor(N2).expect(190);
    assert_eq!(lab.score(N2).as_deref(), Some("500"));
    lab.set_option("accept-loss", "0");
    // What n2 had acknowledged may be nowhere else now but on n1.
    let transition = lab.transition().promote(N3);
    transition
        .elect()
        .try_promote()
        .expect(1)
        .says(&["and n2 did not say", "start n1"]);
    lab.transition().start(&[N1]).carry_out();
    lab.transition().promote(N1).carry_out();
    lab.await_rejoined(N2, N1);
    lab.await_follows(N3, N1);
    assert!(lab.same_rows(&[N1, N2, N3]).contains_key(&7));
}
