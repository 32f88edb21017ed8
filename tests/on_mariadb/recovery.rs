//! Crash recovery can drop what nobody confirmed from the end of the binary log.

use mysql::prelude::Queryable;

use crate::archived::only_archived;
use crate::lab::{Lab, N1, N2, N3};
use crate::load::Load;
use crate::support::server::shell;

#[test]
fn a_killed_primary_drops_the_tail_that_nobody_confirmed_and_keeps_a_copy() {
    let lab = Lab::serving();
    lab.write(N1, 101);
    for relay in &lab.relays {
        relay.cut();
    }
    let load = Load::on(lab.server(N1));
    lab.server(N1).await_unacknowledged_commit();
    lab.server(N1).crash();
    assert!(load.end().is_empty(), "confirmed although no replica received it");
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    lab.write(N2, 817);
    lab.transition().start(&[N1]).carry_out();
    lab.await_rejoined(N1, N2);
    let rows = lab.same_rows(&[N2, N1, N3]);
    assert!(rows.keys().all(|key| *key < 1_000_000), "{rows:?}");
    let kept = only_archived(&lab, N1);
    assert!((1..=4).any(|writer| kept.has_row(writer * 1_000_000)), "the load");
    for (name, value) in [
        ("class", "never-acknowledged"),
        ("primary", "n2"),
        (
            "found",
            "crash recovery may drop them: this node was primary when it crashed",
        ),
    ] {
        assert_eq!(kept.says(name), value);
    }
}

/// Its data are those of a backup now, which has no binary logs: there is nothing to drop, and nothing to keep a copy of.
#[test]
fn a_killed_primary_whose_binary_logs_are_gone_is_started() {
    let lab = Lab::serving();
    lab.write(N1, 101);
    lab.same_rows(&[N1, N2, N3]);
    lab.server(N1).crash();
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    lab.await_follows(N3, N2);
    lab.transition().stop(&[N3]).carry_out();
    let [old, new] = [N1, N3].map(|node| lab.server(node).datadir());
    shell("find", &[old.to_str().unwrap(), "-mindepth", "1", "-delete"]);
    shell(
        "cp",
        &[
            "--archive",
            "--no-target-directory",
            new.to_str().unwrap(),
            old.to_str().unwrap(),
        ],
    );
    shell("find", &[old.to_str().unwrap(), "-name", "binlog.*", "-delete"]);
    lab.transition().start(&[N1]).carry_out();
    assert!(!lab.kept(N1, "archive").exists());
}

/// n2 and n3 were primary since: the last epoch does not say what its primary has of what n1 wrote.
#[test]
fn what_is_dropped_after_several_promotions_is_archived_first_or_not_dropped() {
    let lab = Lab::serving();
    lab.write(N1, 101);
    for relay in &lab.relays {
        relay.cut();
    }
    let mut app = lab.server(N1).app();
    let commit = std::thread::spawn(move || app.query_drop("INSERT INTO t (id, v) VALUES (666, 666)"));
    lab.server(N1).await_unacknowledged_commit();
    lab.server(N1).crash();
    assert!(commit.join().unwrap().is_err());
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    lab.write(N2, 102);
    lab.await_follows(N3, N2);
    lab.transition().demote(N2).promote(N3).carry_out();
    lab.await_follows(N2, N3);
    let archive = lab.kept(N1, "archive");
    std::fs::write(&archive, "in the way").unwrap();
    let start = lab.transition().start(&[N1]);
    start
        .call(N1)
        .run("start")
        .expect(1)
        .says(&["keeping a copy of what crash recovery may drop", "archive"]);
    assert_eq!(lab.server(N1).pid(), None, "nothing was dropped yet");
    std::fs::remove_file(&archive).unwrap();
    start.carry_out();
    lab.await_rejoined(N1, N3);
    assert!(!lab.same_rows(&[N3, N1, N2]).contains_key(&666));
    let kept = only_archived(&lab, N1);
    assert!(kept.has_row(666) && !kept.has_row(101));
    assert_eq!(kept.says("class"), "never-acknowledged");
    assert_eq!(kept.manifest["count"], 1, "{}", kept.says("transactions"));
}
