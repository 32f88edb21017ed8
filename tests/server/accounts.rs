//! The agent as an account with exactly the privileges that docs/operations.md lists.

use mysql::prelude::Queryable;

use crate::support::family::family;
use crate::support::server::Server;
use crate::support::write;

#[test]
fn the_documented_privileges_suffice_for_the_life_of_a_server() {
    let server = Server::with("sync_binlog=1\nsync_relay_log=1").administered();
    let log = server.path("agent.log");
    write(&log, "", 0o600);
    let call = server.promotable().param("event_scheduler", "true");
    let call = call.env("HA_LOGFILE", log.to_str().unwrap()).env("HA_debug", "1");
    let level_10 = call.clone().env("OCF_CHECK_LEVEL", "10");
    let scheduler = || server.ask("SELECT @@event_scheduler");
    call.run("start").expect(0);
    call.run("monitor").expect(0);
    level_10.run("validate-all").expect(0);
    call.run("promote").expect(0);
    call.run("monitor").expect(191).says(&["no replica acknowledges"]);
    assert_eq!(server.ask("SELECT COUNT(*) FROM baton.probe"), "1");
    assert_eq!(scheduler(), "ON");
    level_10.run("validate-all").expect(0);
    let pid = server.pid();
    // The session to end is of somebody who has all privileges.
    let mut holder = server.root();
    for statement in family().backup_locks {
        holder.query_drop(*statement).unwrap();
    }
    call.run("demote").expect(0);
    assert!(server.read_only());
    assert_eq!(server.pid(), pid, "it was closed, not killed");
    assert_eq!(scheduler(), "OFF");
    call.run("monitor").expect(0);
    call.run("stop").expect(0);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("denied"), "{log}");
}
