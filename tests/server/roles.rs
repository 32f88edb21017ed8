//! The role cases of PAF's test for ocft, for a server on its own: each action is repeated without harm.

use crate::support::family::family;
use crate::support::server::Server;

#[test]
fn a_promoted_server_is_writable_and_its_monitor_says_8() {
    let server = Server::started();
    server.call().run("promote").expect(0);
    server.call().run("monitor").expect(8);
    assert!(!server.read_only());
}

#[test]
fn promoting_twice_is_fine() {
    let server = Server::started();
    server.call().run("promote").expect(0);
    server.call().run("promote").expect(0);
    server.call().run("monitor").expect(8);
}

#[test]
fn a_demoted_server_is_read_only_and_its_monitor_says_0() {
    let server = Server::started();
    server.call().run("promote").expect(0);
    server.call().run("demote").expect(0);
    server.call().run("monitor").expect(0);
    assert!(server.read_only());
}

#[test]
fn demoting_twice_is_fine_and_demoting_a_dead_server_too() {
    let server = Server::started();
    server.call().run("promote").expect(0);
    let pid = server.pid();
    server.call().run("demote").expect(0);
    server.call().run("demote").expect(0);
    assert_eq!(server.pid(), pid, "a server that obeys is not killed");
    server.crash();
    server.call().run("demote").expect(0);
}

#[test]
fn a_primary_that_somebody_made_read_only_fails_its_monitor() {
    let server = Server::promoted();
    let monitor = server.promotable();
    monitor.run("monitor").expect(191).says(&["no replica acknowledges"]);
    assert_eq!(server.ask("SET GLOBAL read_only=1"), "");
    monitor.run("monitor").expect(1).says(&["read-only", "read_only"]);
}

#[test]
fn a_started_server_validates_and_an_unprovable_one_says_which_setting_is_missing() {
    let server = Server::with("sync_binlog=1\nsync_relay_log=1");
    server.call().run("start").expect(0);
    let level_10 = server.call().env("OCF_CHECK_LEVEL", "10");
    level_10.run("validate-all").expect(0);
    server.ask("SET GLOBAL sync_binlog=0");
    level_10
        .run("validate-all")
        .expect(190)
        .says(&["SET GLOBAL sync_binlog=1"]);
    let (change, setting) = family().unprovable;
    server.ask(change);
    level_10.run("validate-all").expect(6).says(&[setting]);
}

#[test]
fn reloading_changes_nothing_on_the_server() {
    let server = Server::started();
    let pid = server.pid();
    server.call().param("max_lag", "5s").run("reload-agent").expect(0);
    assert_eq!(server.pid(), pid);
    assert!(!server.read_only());
}

/// An event writes with the privileges of its definer, whatever read_only says.
#[test]
fn events_run_on_a_primary_that_wants_them_and_end_with_its_demotion() {
    let server = Server::with("event_scheduler=ON");
    let call = server.promotable().param("event_scheduler", "true");
    let scheduler = || server.ask("SELECT @@event_scheduler");
    call.run("start").expect(0);
    assert_eq!(scheduler(), "OFF");
    call.run("promote").expect(0);
    assert_eq!(scheduler(), "ON");
    call.run("demote").expect(0);
    assert_eq!(scheduler(), "OFF");
}
