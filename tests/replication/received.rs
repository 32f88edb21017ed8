//! Transactions that the candidate received and has not executed.

use std::path::Path;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::lab::{Lab, N1, N2, N3};
use crate::support::eventually;
use crate::support::server::SOON;

fn has_tail(lab: &Lab) -> bool {
    let rows = lab.rows(N2);
    (20..30).all(|id| rows.contains_key(&id))
}

#[test]
fn what_was_received_and_not_executed_is_executed_before_a_promotion() {
    let lab = Lab::with_tail();
    lab.server(N1).crash();
    lab.await_receiver(N2, "Connecting");
    assert!(!lab.rows(N2).contains_key(&20));
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    assert!(has_tail(&lab), "{:?}", lab.rows(N2));
    lab.await_follows(N3, N2);
    lab.same_rows(&[N2, N3]);
}

/// The notification may have failed after it voted, or the applier was stopped in between.
#[test]
fn a_promotion_starts_an_applier_that_was_stopped_after_the_vote() {
    let lab = Lab::with_tail();
    lab.server(N1).crash();
    lab.await_receiver(N2, "Connecting");
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition.notify(N3, "pre", "promote");
    transition.try_promote().expect(0);
    assert!(has_tail(&lab), "{:?}", lab.rows(N2));
}

/// Bytes in the relay logs of a data directory.
fn relay_logs(data: &Path) -> u64 {
    let entries = std::fs::read_dir(data).unwrap().flatten();
    let relay_logs = entries.filter(|entry| entry.file_name().to_string_lossy().contains("relay"));
    relay_logs.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

/// n2 has received a part of a large transaction, and its source is gone.
fn with_half_a_transaction() -> Lab {
    let lab = Lab::serving();
    let mut app = lab.server(N1).app();
    app.query_drop("CREATE TABLE large (id INT PRIMARY KEY, v LONGBLOB)")
        .unwrap();
    let received = || relay_logs(&lab.server(N2).path("data"));
    let before = received();
    let large = std::thread::spawn(move || {
        app.query_drop("START TRANSACTION").unwrap();
        let value = "x".repeat(1_000_000);
        (0..40).for_each(|id| {
            app.query_drop(format!("INSERT INTO large VALUES ({id}, '{value}')"))
                .unwrap();
        });
        app.query_drop("COMMIT")
    });
    eventually("half of it is received", SOON, || {
        (received() > before + 1_000_000).then_some(())
    });
    lab.stop_receiver(N2);
    lab.server(N1).crash();
    large.join().unwrap().ok();
    lab
}

/// An applier that waits for the rest of a transaction does not stop by itself for a minute (MySQL).
#[test]
fn half_a_transaction_in_the_relay_log_does_not_hold_up_who_follows_the_successor() {
    let lab = with_half_a_transaction();
    let began = Instant::now();
    lab.transition().demote(N1).stop(&[N1]).promote(N3).carry_out();
    lab.await_follows(N2, N3);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    lab.write(N3, 10);
    lab.same_rows(&[N3, N2]);
}

/// A receiver that runs no more does not say what it was receiving.
#[test]
fn half_a_transaction_does_not_hold_up_a_server_that_was_restarted() {
    let lab = with_half_a_transaction();
    lab.loss.set("bounded");
    lab.server(N2).crash();
    lab.transition().demote(N1).stop(&[N1, N2]).start(&[N2]).carry_out();
    let began = Instant::now();
    lab.transition().promote(N3).carry_out();
    lab.await_follows(N2, N3);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    lab.write(N3, 10);
    lab.same_rows(&[N3, N2]);
}
