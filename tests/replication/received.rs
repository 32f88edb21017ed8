//! Transactions that the candidate received and has not executed. On MariaDB, starting a thread while both are stopped
//! deletes them: none of it may happen on the way to a promotion.

use mysql::prelude::Queryable;

use crate::lab::{Lab, N1, N2, N3};

/// n2 alone has received rows 20 to 29, which n1 confirmed, and has not executed them. Its applier stands.
fn with_tail() -> Lab {
    let lab = Lab::serving();
    lab.server(N3).root().query_drop("STOP SLAVE IO_THREAD").unwrap();
    lab.server(N2).root().query_drop("STOP SLAVE SQL_THREAD").unwrap();
    for id in 20..30 {
        lab.write(N1, id);
    }
    lab.await_received(N2, N1);
    lab
}

fn has_tail(lab: &Lab) -> bool {
    let rows = lab.rows(N2);
    (20..30).all(|id| rows.contains_key(&id))
}

#[test]
fn what_was_received_and_not_executed_is_executed_before_a_promotion() {
    let lab = with_tail();
    lab.server(N1).crash();
    lab.await_status(N2, "Slave_IO_Running", "Connecting");
    assert!(!lab.rows(N2).contains_key(&20));
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    assert!(has_tail(&lab), "{:?}", lab.rows(N2));
    lab.await_follows(N3, N2);
    lab.same_rows(&[N2, N3]);
}

/// The notification may have failed after it voted, or the applier was stopped in between.
#[test]
fn a_promotion_starts_an_applier_that_was_stopped_after_the_vote() {
    let lab = with_tail();
    lab.server(N1).crash();
    lab.await_status(N2, "Slave_IO_Running", "Connecting");
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition.notify(N3, "pre", "promote");
    transition.try_promote().expect(0);
    assert!(has_tail(&lab), "{:?}", lab.rows(N2));
}

#[test]
fn with_both_threads_stopped_a_promotion_is_refused_and_the_relay_log_is_kept() {
    let lab = with_tail();
    lab.server(N2).root().query_drop("STOP SLAVE IO_THREAD").unwrap();
    lab.server(N1).crash();
    let before = lab.relay_logs(N2);
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition
        .elect()
        .try_promote()
        .expect(1)
        .says(&["received but replication is stopped", "0-11-"]);
    lab.monitor(N2).expect(190).says(&["stopped by hand"]);
    assert_eq!(lab.score(N2), None);
    assert_eq!(lab.relay_logs(N2), before);
    assert!(lab.server(N2).read_only() && lab.is_detached(N2));
    // The control: what an administrator, or an agent that does not know, would do deletes the rows.
    lab.server(N2).root().query_drop("START SLAVE").unwrap();
    lab.await_status(N2, "Slave_SQL_Running", "Yes");
    let total = |logs: &std::collections::BTreeMap<String, u64>| logs.values().sum::<u64>();
    assert!(
        total(&lab.relay_logs(N2)) < total(&before),
        "the server changed: this rule may be obsolete"
    );
    assert!(!lab.rows(N2).contains_key(&20));
}
