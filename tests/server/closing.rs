//! demote against sessions that hold on to something: bounded, read-only in the end, without killing the server.

use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::support::eventually;
use crate::support::family::family;
use crate::support::server::{SOON, Server};

const BOUND: Duration = Duration::from_secs(3);

/// A promoted server on its own, on which `hold` is run by a client that then keeps its session.
fn demoted_in_spite_of(hold: &[&str]) {
    let server = Server::started();
    server.call().run("promote").expect(0);
    let pid = server.pid();
    let mut client = server.app();
    for statement in hold {
        client.query_drop(statement).unwrap();
    }
    closes(&server, pid);
    assert!(
        client.query_drop("SELECT 1").is_err(),
        "the session must be gone: it may hold writes"
    );
}

fn closes(server: &Server, pid: Option<i32>) {
    server.call().run("demote").expect(0).within(BOUND);
    assert!(server.read_only());
    assert_eq!(server.pid(), pid, "the server obeyed and needed no kill");
    let refused = server.app().query_drop("INSERT INTO t (v) VALUES (2)").unwrap_err();
    assert!(refused.to_string().contains("1290"), "{refused}");
    server.call().run("monitor").expect(0);
}

#[test]
fn locked_tables_do_not_hold_up_a_demotion() {
    demoted_in_spite_of(&["LOCK TABLES t WRITE"]);
}

#[test]
fn a_global_read_lock_does_not_hold_up_a_demotion() {
    demoted_in_spite_of(&["FLUSH TABLES WITH READ LOCK"]);
}

#[test]
fn an_open_transaction_does_not_hold_up_a_demotion() {
    demoted_in_spite_of(&["START TRANSACTION", "UPDATE t SET v=7", "SELECT * FROM t FOR UPDATE"]);
}

#[test]
fn the_locks_of_a_backup_do_not_hold_up_a_demotion() {
    demoted_in_spite_of(family().backup_locks);
}

fn in_background(mut client: Conn, statement: &'static str) -> std::thread::JoinHandle<mysql::Result<()>> {
    std::thread::spawn(move || client.query_drop(statement))
}

fn runs(server: &Server, pattern: &str) {
    let query = format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '{pattern}%'");
    eventually(pattern, SOON, || (server.ask(&query) == "1").then_some(()));
}

#[test]
fn a_long_update_does_not_hold_up_a_demotion() {
    let server = Server::started();
    server.call().run("promote").expect(0);
    let pid = server.pid();
    let update = in_background(server.app(), "UPDATE t SET v=BENCHMARK(1000000000000, SHA2('x', 512))");
    runs(&server, "UPDATE t SET");
    closes(&server, pid);
    assert!(update.join().unwrap().is_err());
    assert_eq!(server.ask("SELECT v FROM app.t"), "1");
}

#[test]
fn a_table_that_is_being_changed_does_not_hold_up_a_demotion() {
    let server = Server::started();
    server.call().run("promote").expect(0);
    let pid = server.pid();
    let mut holder = server.app();
    holder.query_drop("START TRANSACTION").unwrap();
    holder.query_drop("SELECT * FROM t").unwrap();
    let alter = in_background(server.app(), "ALTER TABLE t ADD COLUMN w INT");
    runs(&server, "ALTER TABLE");
    closes(&server, pid);
    // If its holder is sent away first, the table is changed before the server closes; a client that was told so is right.
    let told = alter.join().unwrap();
    let columns = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='app' AND TABLE_NAME='t' AND COLUMN_NAME='w'";
    let changed = server.ask(columns);
    assert!(told.is_err() || changed == "1", "{told:?}, {changed}");
}

#[test]
fn clients_that_come_back_at_once_do_not_hold_up_a_demotion() {
    let server = Server::started();
    server.call().run("promote").expect(0);
    let pid = server.pid();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let Ok(mut client) = server.try_connect("app", Some("app")) else {
                        continue;
                    };
                    while client.query_drop("INSERT INTO t (v) VALUES (3)").is_ok() {}
                }
            });
        }
        eventually("writes", SOON, || {
            (server.ask("SELECT COUNT(*) > 20 FROM app.t") == "1").then_some(())
        });
        let ended = server.call().run("demote");
        let rows = server.ask("SELECT COUNT(*) FROM app.t");
        let still = server.ask("SELECT COUNT(*) FROM app.t");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        ended.expect(0).within(BOUND);
        assert_eq!(rows, still, "a write got through after the demotion");
    });
    assert!(server.read_only());
    assert_eq!(server.pid(), pid);
}

/// docs/guarantees.md, what is not promised.
#[test]
fn a_prepared_transaction_may_be_committed_after_a_demotion_on_mysql() {
    let server = Server::started();
    server.call().run("promote").expect(0);
    let mut client = server.app();
    for statement in [
        "XA START 'x'",
        "INSERT INTO t (v) VALUES (77)",
        "XA END 'x'",
        "XA PREPARE 'x'",
    ] {
        client.query_drop(statement).unwrap();
    }
    let demoted = server.call().run("demote").expect(0);
    assert!(demoted.stderr.contains("1 prepared transactions"), "{}", demoted.stderr);
    let committed = server.app().query_drop("XA COMMIT 'x'").is_ok();
    assert_eq!(committed, family().commits_prepared_when_closed);
}
