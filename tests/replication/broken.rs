//! Replication that stops by itself: reported, never repaired by a restart, never promoted over.

use mysql::prelude::Queryable;

use crate::lab::{Lab, N1, N2, N3};

#[test]
fn a_duplicate_key_is_reported_and_keeps_the_replica_from_being_promoted() {
    let lab = Lab::serving();
    let mut root = lab.server(N2).root();
    root.query_drop("SET sql_log_bin=0").unwrap();
    root.query_drop("INSERT INTO app.t (id, v) VALUES (500, 0)").unwrap();
    let pid = lab.server(N2).pid();
    lab.monitor(N2).expect(0);
    lab.write(N1, 500);
    lab.await_status(N2, "Last_SQL_Errno", "1062");
    lab.await_status(N2, "Slave_SQL_Running", "No");
    lab.monitor(N2)
        .expect(190)
        .says(&["cannot apply", "1062", "Duplicate entry '500'"]);
    assert_eq!(lab.score(N2), None);
    assert_eq!(lab.server(N2).pid(), pid);
    lab.server(N1).crash();
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    transition
        .elect()
        .try_promote()
        .expect(1)
        .says(&["cannot apply", "1062"]);
    assert_eq!(lab.server(N2).pid(), pid);
    lab.transition().promote(N3).carry_out();
    assert_eq!(lab.rows(N3).get(&500), Some(&500));
}

#[test]
fn a_password_that_is_not_right_any_more_is_reported_until_the_file_is_corrected() {
    let lab = Lab::serving();
    let mut root = lab.server(N1).root();
    root.query_drop("SET sql_log_bin=0").unwrap();
    root.query_drop("ALTER USER replica@'%' IDENTIFIED BY 'other'").unwrap();
    lab.set_password(N3, "other");
    lab.monitor(N3).expect(0);
    end_dumps(&lab);
    lab.await_status(N2, "Last_IO_Errno", "1045");
    lab.monitor(N2).expect(190).says(&["cannot receive", "1045"]);
    assert_eq!(lab.score(N2), None);
    lab.await_status(N3, "Last_IO_Errno", "1045");
    lab.monitor(N3).expect(0);
    lab.await_follows(N3, N1);
    lab.set_password(N2, "other");
    lab.monitor(N2).expect(0);
    lab.await_follows(N2, N1);
    lab.write(N1, 3);
    lab.same_rows(&[N1, N2, N3]);
}

/// Ends what n1 sends to its replicas: they log in again.
fn end_dumps(lab: &Lab) {
    let mut root = lab.server(N1).root();
    let dumps: Vec<u64> = root
        .query("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND='Binlog Dump'")
        .unwrap();
    assert_eq!(dumps.len(), 2);
    for dump in dumps {
        root.query_drop(format!("KILL {dump}")).unwrap();
    }
}

#[test]
fn a_password_that_never_was_right_is_named_by_the_monitor() {
    let lab = Lab::new();
    lab.set_password(N2, "wrong");
    lab.transition().promote(N1).carry_out();
    lab.await_follows(N3, N1);
    lab.monitor(N2).expect(190).says(&["1045", "n1"]);
    assert_eq!(lab.score(N2), None);
    lab.set_password(N2, "replica");
    lab.monitor(N2).expect(0);
    lab.await_follows(N2, N1);
}
