//! Instances of a promotable clone: what is told to the cluster, and semi-synchronous replication.

use mysql::prelude::Queryable;

use crate::support::family::family;
use crate::support::server::{Server, shell};

#[test]
fn the_first_promotion_writes_an_epoch_and_the_primarys_score() {
    let server = Server::started_unpromoted();
    let call = server.promotable();
    call.run("monitor").expect(0);
    let score = format!("attribute-master-{}", server.instance);
    assert_eq!(server.told(&score).as_deref(), Some("2000"));
    call.run("promote").expect(0);
    let epoch = server.told(&format!("option-baton-{}-epoch", server.instance)).unwrap();
    assert!(
        epoch.contains("\"number\":1") && epoch.contains("\"node\":\"n1\""),
        "{epoch}"
    );
    assert_eq!(server.told(&score).as_deref(), Some("100000"));
    call.run("promote").expect(0);
    assert_eq!(
        server.told(&format!("option-baton-{}-epoch", server.instance)),
        Some(epoch)
    );
}

#[test]
fn a_probe_tells_the_cluster_nothing() {
    let server = Server::started_unpromoted();
    server.promotable().meta("interval", "0").run("monitor").expect(0);
    assert_eq!(server.told(&format!("attribute-master-{}", server.instance)), None);
}

/// Pacemaker remembers what a probe reports until the next one.
#[test]
fn a_probe_does_not_report_what_may_be_mended_before_the_next_one() {
    let server = Server::started_unpromoted();
    let call = server.promotable();
    call.run("promote").expect(0);
    call.run("monitor").expect(191).says(&["no replica acknowledges"]);
    call.meta("interval", "0").run("monitor").expect(8);
}

#[test]
fn a_notification_says_that_pacemaker_does_not_monitor_any_more() {
    let server = Server::started_unpromoted();
    let notified = || {
        let call = server.promotable().meta("notify_type", "pre");
        call.meta("notify_operation", "start").run("notify").expect(0)
    };
    let complaint = "Pacemaker has not monitored this instance";
    server.promotable().run("monitor").expect(0);
    assert!(!notified().stderr.contains(complaint));
    let noted = format!("/run/baton/{}.monitored", server.instance);
    shell("touch", &["--date", "10 minutes ago", &noted]);
    let notified = notified();
    assert!(notified.stderr.contains(complaint), "{notified:?}");
}

/// Pacemaker's daemons may fail or be busy electing while the server is well: a restart would only do harm.
#[test]
fn a_cluster_that_cannot_be_told_or_asked_does_not_fail_the_servers_monitor() {
    let server = Server::started_unpromoted();
    let garbled = |stub: &str| server.promotable().stub(stub);
    for (stub, word) in [
        ("attrd_updater:garbage", "attrd_updater"),
        ("crm_attribute:garbage", "epoch"),
    ] {
        garbled(stub).run("monitor").expect(190).says(&[word, "<%garbage%>"]);
    }
    server.promotable().run("promote").expect(0);
    let _ = std::fs::remove_file(format!("/run/baton/{}.published", server.instance));
    let ended = garbled("attrd_updater:garbage").run("monitor").expect(191);
    ended.says(&["attrd_updater", "<%garbage%>", "no replica acknowledges"]);
    server.ask("SET GLOBAL read_only=1");
    garbled("attrd_updater:garbage")
        .run("monitor")
        .expect(1)
        .says(&["read_only"]);
    server.crash();
    garbled("attrd_updater:garbage").run("monitor").expect(7);
}

#[test]
fn a_server_that_is_writable_without_promotion_is_a_failed_primary() {
    let server = Server::started_unpromoted();
    server.ask("SET GLOBAL read_only=0");
    server
        .promotable()
        .run("monitor")
        .expect(9)
        .says(&["writable", "read_only"]);
    server.promotable().run("demote").expect(0);
    assert!(server.read_only());
    server.promotable().run("monitor").expect(0);
}

#[test]
fn a_stopped_instance_withdraws_its_score() {
    let server = Server::promoted();
    server.promotable().run("stop").expect(0);
    assert_eq!(server.told(&format!("attribute-master-{}", server.instance)), None);
}

#[test]
fn a_primary_without_replicas_waits_for_nobody_and_says_so() {
    let server = Server::promoted();
    assert!(!server.read_only());
    server.app().query_drop("INSERT INTO t (v) VALUES (815)").unwrap();
    let monitor = server.promotable().run("monitor").expect(191);
    monitor.says(&["no replica acknowledges", "on this node alone"]);
}

/// As if replicas had been there.
fn arm(server: &Server) {
    for statement in family().arm_semi_sync {
        server.ask(statement);
    }
}

/// Starts a commit, and returns once it waits for an acknowledgement.
fn committing(server: &Server) -> std::thread::JoinHandle<mysql::Result<()>> {
    arm(server);
    let mut app = server.app();
    let commit = std::thread::spawn(move || app.query_drop("INSERT INTO t (v) VALUES (815)"));
    server.await_unacknowledged_commit();
    commit
}

#[test]
fn demotion_ends_a_commit_that_waits_and_never_confirms_it() {
    let server = Server::promoted();
    let pid = server.pid();
    let commit = committing(&server);
    let ended = server.promotable().run("demote").expect(0);
    assert!(ended.took.as_millis() < 3000, "{ended:?}");
    assert!(
        commit.join().unwrap().is_err(),
        "the client was told OK although no replica has it"
    );
    assert!(server.read_only());
    assert_eq!(server.pid(), pid, "the server obeyed and needed no kill");
    assert!(!server.semi_sync_enabled());
    server.promotable().run("monitor").expect(0);
}

#[test]
fn a_frozen_primary_confirms_nothing_after_its_demotion() {
    let server = Server::promoted();
    let commit = committing(&server);
    server.freeze();
    server.promotable().run("demote").expect(0);
    assert!(commit.join().unwrap().is_err());
    assert_eq!(server.pid(), None);
}

#[test]
fn a_crashed_primary_without_successor_keeps_its_data_and_starts_closed() {
    let server = Server::started();
    server.app().query_drop("INSERT INTO t (v) VALUES (4711)").unwrap();
    server.promotable().run("demote").expect(0);
    server.promotable().run("promote").expect(0);
    server.crash();
    server.promotable().run("demote").expect(0);
    server.promotable().run("stop").expect(0);
    server.promotable().run("start").expect(0);
    assert!(server.read_only());
    assert_eq!(server.ask("SELECT COUNT(*) FROM app.t WHERE v=4711"), "1");
    server.promotable().run("monitor").expect(0);
    assert_eq!(
        server.told(&format!("attribute-master-{}", server.instance)).as_deref(),
        Some("5000")
    );
}
