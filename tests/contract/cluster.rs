//! The tools of the cluster as an agent meets them: missing, talking nonsense, hanging.

use std::time::Duration;

use crate::Idle;

#[test]
fn a_missing_tool_is_named() {
    let idle = Idle::new();
    let without_tools = idle.promotable().env("HA_SBIN_DIR", "/no/such/directory");
    let ended = without_tools.run("monitor").expect(7);
    ended.says(&["/no/such/directory/attrd_updater", "not installed"]);
    let ended = without_tools.meta("on_node", "").run("monitor").expect(5);
    ended.says(&["/no/such/directory/crm_node", "not installed"]);
}

#[test]
fn a_server_on_its_own_needs_no_cluster() {
    let idle = Idle::new();
    idle.call()
        .env("HA_SBIN_DIR", "/no/such/directory")
        .run("monitor")
        .expect(7);
}

#[test]
fn stop_does_not_depend_on_the_cluster() {
    let idle = Idle::new();
    let without_tools = idle.promotable().env("HA_SBIN_DIR", "/no/such/directory");
    let ended = without_tools.run("stop").expect(0);
    assert!(ended.stderr.contains("attrd_updater"), "{}", ended.stderr);
    for stub in ["attrd_updater:garbage", "crm_node:garbage"] {
        idle.promotable().meta("on_node", "").stub(stub).run("stop").expect(0);
    }
}

#[test]
fn garbage_from_a_tool_is_shown() {
    let idle = Idle::new();
    let garbled = |stub: &str| idle.promotable().meta("on_node", "").stub(stub);
    let ended = garbled("attrd_updater:garbage").run("monitor").expect(7);
    ended.says(&["attrd_updater", "exit status: 1", "<%garbage%>"]);
    let ended = garbled("crm_node:garbage").run("monitor").expect(1);
    ended.says(&["crm_node", "<%garbage"]);
    let vote = garbled("crm_attribute:garbage")
        .meta("notify_type", "pre")
        .meta("notify_operation", "promote");
    let ended = vote.run("notify").expect(1);
    ended.says(&["epoch", "<%garbage%>"]);
}

#[test]
fn a_cluster_that_cannot_be_asked_is_not_one_without_a_past() {
    let idle = Idle::new();
    let vote = idle
        .promotable()
        .stub("crm_attribute:unconfigured")
        .meta("notify_type", "pre")
        .meta("notify_operation", "promote");
    vote.run("notify").expect(1).says(&["crm_attribute", "exit status: 6"]);
}

#[test]
fn an_action_whose_tool_hangs_ends_before_its_timeout() {
    let idle = Idle::new();
    let limit = Duration::from_secs(3);
    let hanging = |stub: &str| idle.promotable().meta("on_node", "").meta("timeout", "3000").stub(stub);
    for (tool, code) in [("attrd_updater", 7), ("crm_node", 1)] {
        let ended = hanging(&format!("{tool}:hang"))
            .run("monitor")
            .expect(code)
            .within(limit);
        ended.says(&[tool, "did not end within"]);
    }
    let vote = hanging("crm_attribute:hang")
        .meta("notify_type", "pre")
        .meta("notify_operation", "promote");
    vote.run("notify")
        .expect(1)
        .within(limit)
        .says(&["crm_attribute", "did not end within"]);
}

#[test]
fn stop_with_a_hanging_tool_still_proves_its_result_in_time() {
    let idle = Idle::new();
    let hanging = idle.promotable().meta("timeout", "4000").stub("attrd_updater:hang");
    hanging.run("stop").expect(0).within(Duration::from_secs(4));
}
