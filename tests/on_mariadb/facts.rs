//! What MariaDB does by itself, and MySQL does not: the simulated server of src/mysql/sim does the same.

use std::process::{Command, Stdio};

use mysql::prelude::Queryable;
use nix::sys::signal::Signal;

use crate::lab::{Lab, N1, N2, N3};
use crate::support::eventually;
use crate::support::family::family;
use crate::support::program;
use crate::support::server::{SOON, Server};

#[track_caller]
fn await_row(lab: &Lab, node: usize, id: u64) {
    eventually("the row", SOON, || lab.rows(node).contains_key(&id).then_some(()));
}

/// Starts a server whose crash recovery removes what it cannot tell to be confirmed; writable.
fn launch_truncating(server: &Server) {
    let mut command = Command::new(program(family().program, family().package));
    for (option, value) in [
        ("defaults-file", server.path("my.cnf")),
        ("datadir", server.datadir()),
        ("socket", server.path("socket")),
        ("pid-file", server.path("other.pid")),
        ("log-error", server.path("other.log")),
    ] {
        command.arg(format!("--{option}={}", value.display()));
    }
    command.args(["--user=mysql", "--init-rpl-role=SLAVE", "--skip-slave-start"]);
    let mut launched = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::spawn(move || launched.wait());
    eventually("a server started by hand", SOON, || {
        server.try_connect("root", None).ok()
    });
}

fn last_of(lab: &Lab, node: usize) -> String {
    lab.server(node).ask("SELECT @@gtid_binlog_pos")
}

fn applied(lab: &Lab, node: usize) -> String {
    lab.server(node).ask("SELECT @@gtid_slave_pos")
}

/// The client was told OK. Then another transaction gets the GTID of the lost one, and a replica that has the lost one
/// never hears of the other.
#[test]
fn a_truncation_drops_even_what_was_confirmed_and_its_gtid_comes_again_unnoticed() {
    let lab = Lab::serving();
    // Otherwise what the storage engine committed may be on disk already, a second later.
    lab.server(N1).ask("SET GLOBAL innodb_flush_log_at_timeout=2700");
    lab.write(N1, 1000);
    lab.write(N1, 1001);
    lab.same_rows(&[N1, N2, N3]);
    lab.stop_receiver(N2);
    let lost = last_of(&lab, N1);
    lab.server(N1).crash();
    launch_truncating(lab.server(N1));
    assert!(!lab.rows(N1).contains_key(&1001));
    assert_ne!(last_of(&lab, N1), lost);
    lab.write(N1, 1002);
    assert_eq!(last_of(&lab, N1), lost);
    lab.start_receiver(N2);
    lab.await_follows(N2, N1);
    lab.write(N1, 1003);
    await_row(&lab, N2, 1003);
    lab.await_follows(N2, N1);
    assert_eq!(last_of(&lab, N2), last_of(&lab, N1));
    let rows = [N1, N2].map(|node| [1000, 1001, 1002].map(|id| lab.rows(node).contains_key(&id)));
    assert_eq!(rows, [[true, false, true], [true, true, false]]);
}

#[test]
fn a_truncation_drops_nothing_after_an_ordinary_shutdown() {
    let lab = Lab::serving();
    for node in [N2, N3] {
        lab.stop_receiver(node);
    }
    let commit = lab.begin_write(N1, 1001);
    lab.server(N1).await_unacknowledged_commit();
    lab.server(N1).signal(Signal::SIGTERM);
    assert!(commit.join().unwrap().is_err());
    eventually("the end of the server", SOON, || {
        lab.server(N1).pid().is_none().then_some(())
    });
    launch_truncating(lab.server(N1));
    assert!(lab.rows(N1).contains_key(&1001));
}

/// As the switch was when it connected. Of what is skipped only the position is kept.
#[test]
fn a_transaction_of_its_own_id_is_executed_by_a_replica_whose_connection_acknowledges() {
    let lab = Lab::serving();
    let id = lab.server(N3).ask("SELECT @@server_id");
    let executes = |row: u64| {
        lab.write_as(N1, &id, row);
        let own = last_of(&lab, N1);
        eventually("the position of it", SOON, || (applied(&lab, N3) == own).then_some(()));
        let has = lab.rows(N3).contains_key(&row);
        assert_eq!(has, last_of(&lab, N3) == own);
        has
    };
    assert!(executes(1001));
    lab.switch_acknowledging(N3, "OFF");
    assert!(executes(1002));
    lab.reconnect(N3);
    assert!(!executes(1003));
    lab.switch_acknowledging(N3, "ON");
    assert!(!executes(1004));
    lab.end_dumps(N1);
    lab.await_ackers(N1, 2);
    assert!(executes(1005));
}

fn ask_from(lab: &Lab, node: usize, position: &str) {
    let mut root = lab.server(node).root();
    root.query_drop("STOP SLAVE").unwrap();
    root.query_drop(format!("SET GLOBAL gtid_slave_pos='{position}'"))
        .unwrap();
    root.query_drop("START SLAVE").unwrap();
}

#[test]
fn a_source_that_lacks_the_position_refuses_and_is_not_asked_again() {
    let lab = Lab::serving();
    lab.write(N1, 1001);
    lab.same_rows(&[N1, N2, N3]);
    // Later than the last, and of another server.
    for (node, position) in [(N2, "0-11-4711"), (N3, "0-12-1")] {
        ask_from(&lab, node, position);
        lab.await_status(node, "Last_IO_Errno", "1236");
        lab.await_receiver(node, "No");
        lab.await_applier(node, "Yes");
    }
}

#[test]
fn a_source_that_wrote_nothing_yet_refuses_no_position() {
    let lab = Lab::serving();
    assert_eq!(last_of(&lab, N1), "");
    ask_from(&lab, N2, "0-11-4711");
    lab.await_follows(N2, N1);
    lab.await_status(N2, "Gtid_IO_Pos", "0-11-4711");
}

#[test]
fn an_applier_stops_at_a_transaction_that_is_out_of_order() {
    let lab = Lab::serving();
    lab.same_rows(&[N1, N2, N3]);
    let mut root = lab.server(N2).root();
    root.query_drop("INSERT INTO app.t (id, v) VALUES (1001, 1001)")
        .unwrap();
    lab.write(N1, 1002);
    lab.await_status(N2, "Last_SQL_Errno", "1950");
    lab.await_applier(N2, "No");
    lab.await_receiver(N2, "Yes");
    assert!(!lab.rows(N2).contains_key(&1002));
}
