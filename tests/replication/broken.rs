//! Replication that stops by itself: reported, never repaired by a restart, never promoted over.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::lab::{ADDRESSES, Lab, N1, N2, N3};
use crate::support::family::family;

/// Changes this node alone, as its administrator.
pub(crate) fn write_unlogged(lab: &Lab, node: usize, statement: &str) {
    let mut root = lab.server(node).root();
    let locked = lab.server(node).read_only();
    let (unlock, lock) = if locked {
        (family().unbind_root, family().bind_root)
    } else {
        (&[][..], &[][..])
    };
    for statement in [unlock, &["SET sql_log_bin=0", statement], lock].concat() {
        root.query_drop(statement).unwrap();
    }
}

#[test]
fn a_duplicate_key_is_reported_and_keeps_the_replica_from_being_promoted() {
    let lab = Lab::serving();
    write_unlogged(&lab, N2, "INSERT INTO app.t (id, v) VALUES (500, 0)");
    let pid = lab.server(N2).pid();
    lab.monitor(N2).expect(0);
    lab.write(N1, 500);
    lab.await_status(N2, "Last_SQL_Errno", "1062");
    lab.await_applier(N2, "No");
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

/// Nobody waits for what will not come: while a promotion lasts, the cluster starts nothing else.
#[test]
fn a_candidate_does_not_wait_for_a_survivor_that_cannot_execute_what_it_received() {
    let lab = Lab::serving();
    lab.write(N1, 499);
    lab.same_rows(&[N1, N2, N3]);
    write_unlogged(&lab, N3, "INSERT INTO app.t (id, v) VALUES (500, 0)");
    lab.relays[0].cut();
    lab.await_receiver(N2, "Connecting");
    lab.write(N1, 500);
    lab.await_status(N3, "Last_SQL_Errno", "1062");
    lab.await_applier(N3, "No");
    lab.server(N1).crash();
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2).close();
    let words = ["n3 has received", "which this node lacks", "1062"];
    let refused = transition.elect().try_promote().expect(1).says(&words);
    assert!(refused.took < Duration::from_secs(5), "{refused:?}");
}

#[test]
fn a_password_that_is_not_right_any_more_is_reported_until_the_file_is_corrected() {
    let lab = Lab::serving();
    write_unlogged(&lab, N1, "ALTER USER replica@'%' IDENTIFIED BY 'other'");
    lab.set_password(N3, "other");
    lab.monitor(N3).expect(0);
    lab.end_dumps(N1);
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

/// The applier waits for the lock, and a server that stops may wait for the applier.
#[test]
fn a_session_with_a_global_lock_does_not_hold_up_a_stop() {
    let lab = Lab::serving();
    let mut locking = lab.server(N2).root();
    locking.query_drop("FLUSH TABLES WITH READ LOCK").unwrap();
    lab.write(N1, 10);
    lab.await_received(N2, N1);
    let began = Instant::now();
    lab.transition().stop(&[N2]).carry_out();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(lab.server(N2).pid(), None);
}

#[test]
fn a_name_server_that_keeps_silent_holds_up_no_question_to_another_node() {
    let lab = Lab::new();
    lab.set_password(N2, "wrong");
    lab.transition().promote(N1).carry_out();
    lab.set_password(N2, "replica");
    let silent = UdpSocket::bind("127.0.9.53:53").unwrap();
    lab.set_names(N2, "resolv.conf", "nameserver 127.0.9.53\n");
    for (index, ssl) in ["false", "true"].iter().enumerate() {
        let name = format!("db{index}.example");
        let monitor = lab
            .call(N2)
            .param("node_addresses", format!("n1={name}"))
            .param("replication_ssl", ssl);
        monitor.run("monitor").expect(190).within(Duration::from_secs(5));
        let logged = std::fs::read_to_string(lab.log(N2)).unwrap();
        assert!(logged.contains(&format!("looking up {name}")), "{logged}");
    }
    lab.set_names(N2, "hosts", &format!("{} db.example\n", ADDRESSES[N1]));
    let known = lab.call(N2).param("node_addresses", "n1=db.example");
    known.run("monitor").within(Duration::from_secs(5));
    let logged = std::fs::read_to_string(lab.log(N2)).unwrap();
    assert!(logged.contains("following n1 from"), "{logged}");
    drop(silent);
}
