//! Agents and replicas as accounts with exactly the privileges that docs/operations.md lists.

use mysql::prelude::Queryable;

use crate::archived::only_archived;
use crate::broken::write_unlogged;
use crate::diverged::write_as_root;
use crate::lab::{Lab, N1, N2, N3};
use crate::support::family::family;
use crate::support::server::Server;

fn administered() -> Lab {
    Lab::of(Server::administered).serve()
}

#[test]
fn the_documented_privileges_suffice_for_elections_and_archives() {
    let lab = administered();
    lab.await_ackers(N1, 2);
    lab.monitor(N1).expect(8);
    for node in [N2, N3] {
        lab.monitor(node).expect(0);
    }
    let probed = |node| lab.server(node).ask("SELECT COUNT(*) FROM baton.probe");
    assert_eq!(probed(N1), "1");
    lab.same_rows(&[N1, N2, N3]);
    lab.transition().demote(N1).promote(N2).carry_out();
    for node in [N1, N3] {
        lab.await_follows(node, N2);
    }
    lab.await_ackers(N2, 2);
    lab.monitor(N2).expect(8);
    assert_eq!(probed(N2), "1");
    lab.same_rows(&[N2, N1, N3]);
    assert_eq!(lab.server(N3).ask("SELECT COUNT(*) FROM baton.reign"), "2");
    lab.write(N2, 101);
    lab.server(N2).crash();
    lab.transition().demote(N2).stop(&[N2]).promote(N3).carry_out();
    lab.await_follows(N1, N3);
    lab.transition().start(&[N2]).carry_out();
    lab.await_rejoined(N2, N3);
    lab.same_rows(&[N3, N1, N2]);
    write_as_root(&lab, N1, 777);
    lab.transition().stop(&[N1]).carry_out();
    lab.transition().start(&[N1]).carry_out();
    lab.monitor(N1).expect(190).says(&["a copy of them is in"]);
    assert!(only_archived(&lab, N1).has_row(777));
    for node in [N1, N2, N3] {
        let log = std::fs::read_to_string(lab.log(node)).unwrap();
        assert!(!log.contains("denied"), "{log}");
    }
}

/// The agent's account may not write, so nothing would show that the disk hangs.
#[test]
fn a_disk_that_nobody_may_test_is_a_weakness_that_names_the_grant() {
    let lab = administered();
    lab.await_ackers(N1, 2);
    let mends = "GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON baton.* TO baton@localhost";
    write_unlogged(
        &lab,
        N1,
        "REVOKE CREATE, SELECT, INSERT, UPDATE, DELETE ON baton.* FROM baton@localhost",
    );
    lab.monitor(N1).expect(191).says(&["write_timeout", mends]);
    let level_10 = lab.call(N1).env("OCF_CHECK_LEVEL", "10");
    level_10.run("validate-all").expect(190).says(&[mends]);
    let log = std::fs::read_to_string(lab.log(N1)).unwrap();
    let reign = log.lines().filter(|line| line.contains("not entered in the table"));
    let reign: Vec<&str> = reign.collect();
    assert!(reign.len() == 1 && reign[0].contains(mends), "{reign:?}");
    write_unlogged(&lab, N1, mends);
    lab.monitor(N1).expect(8);
    level_10.run("validate-all").expect(0);
}

/// It counts what it leaves out as executed, so nothing else shows that it lacks something.
#[test]
fn a_replica_that_leaves_something_out_says_so() {
    let lab = Lab::serving();
    for statement in [family().stop_applier, family().leave_out, family().start_applier] {
        lab.server(N2).root().query_drop(statement).unwrap();
    }
    let says = ["replicate_wild_ignore_table=app.scratch%"];
    lab.await_applier(N2, "Yes");
    lab.monitor(N2).expect(190).says(&says);
    let level_10 = lab.call(N2).env("OCF_CHECK_LEVEL", "10");
    level_10.run("validate-all").expect(190).says(&says);
    let bounded = lab.call(N2).meta("interval", "1000").param("loss", "bounded");
    bounded.run("monitor").expect(0);
}
