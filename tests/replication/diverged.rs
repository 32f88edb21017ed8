//! A former primary with a transaction that its successor does not have.

use mysql::prelude::Queryable;

use crate::archived::{archived, only_archived};
use crate::lab::{Lab, N1, N2, N3};
use crate::support::family::family;
use crate::support::server::Server;

/// n1 committed a row that nobody received, was demoted in order, and is away; n2 is primary and has written.
fn with_extra() -> Lab {
    let lab = Lab::serving();
    lab.write(N1, 101);
    for node in [N2, N3] {
        lab.await_received(node, N1);
        lab.stop_receiver(node);
    }
    let commit = unconfirmed(lab.server(N1));
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2);
    lab.server(N1).await_unacknowledged_commit();
    let transition = transition.close();
    let record = std::fs::read_to_string(lab.kept(N1, "record.json")).unwrap();
    assert!(
        record.contains(r#""role":"replica""#),
        "demoted by a kill, after which the row may be dropped: {record}"
    );
    transition.carry_out_promotion();
    assert!(
        commit.join().unwrap().is_err(),
        "confirmed although no replica received it"
    );
    lab.await_follows(N3, N2);
    lab.write(N2, 102);
    lab
}

fn unconfirmed(server: &Server) -> std::thread::JoinHandle<mysql::Result<()>> {
    let mut app = server.app();
    std::thread::spawn(move || app.query_drop("INSERT INTO t (id, v) VALUES (666, 666)"))
}

#[test]
fn a_diverged_former_primary_is_held_and_names_the_transaction() {
    let lab = with_extra();
    lab.transition().start(&[N1]).carry_out();
    let extra = lab.beyond(N1, N2);
    lab.monitor(N1).expect(190).says(&[&extra, "primary n2 does not have"]);
    assert!(lab.is_detached(N1));
    assert_eq!(lab.score(N1), None);
    assert!(lab.server(N1).read_only());
    assert!(lab.rows(N1).contains_key(&666), "nothing is dropped from it");
    assert!(!lab.rows(N2).contains_key(&666));
}

#[test]
fn what_a_held_former_primary_has_is_archived_once_as_never_acknowledged() {
    let lab = with_extra();
    lab.transition().start(&[N1]).carry_out();
    let extra = lab.beyond(N1, N2);
    let monitor = lab.monitor(N1).expect(190);
    let kept = only_archived(&lab, N1);
    monitor.says(&[
        &extra,
        "a copy of them is in",
        kept.path.file_name().unwrap().to_str().unwrap(),
    ]);
    assert!(kept.has_row(666));
    assert!(!kept.has_row(101), "what n2 has is not copied");
    for (name, value) in [
        ("class", "never-acknowledged"),
        ("transactions", &extra),
        ("node", "n1"),
        ("primary", "n2"),
        ("resource", &lab.server(N1).instance),
        (
            "reason",
            "n1 wrote them as primary of epoch 1, and every promotion since was proven to have all that clients were told of",
        ),
    ] {
        assert_eq!(kept.says(name), value);
    }
    let numbers = ["server_id", "epoch", "own_epoch", "count"].map(|name| kept.manifest[name].as_u64().unwrap());
    assert_eq!(numbers, [11, 2, 1, 1]);
    let manifest = std::fs::metadata(kept.path.join("manifest.json")).unwrap();
    lab.monitor(N1)
        .expect(190)
        .says(&[kept.path.to_str().unwrap().rsplit_once("/lib/").unwrap().1]);
    let again = only_archived(&lab, N1);
    let unchanged = std::fs::metadata(again.path.join("manifest.json")).unwrap();
    assert_eq!(manifest.modified().unwrap(), unchanged.modified().unwrap());
}

#[test]
fn a_row_that_somebody_writes_on_a_replica_is_archived_as_errant() {
    let lab = Lab::serving();
    lab.write(N1, 101);
    lab.await_received(N3, N1);
    write_as_root(&lab, N3, 777);
    let extra = lab.beyond(N3, N1);
    lab.transition().stop(&[N3]).carry_out();
    lab.transition().start(&[N3]).carry_out();
    lab.monitor(N3)
        .expect(190)
        .says(&[&extra, "primary n1 does not have", "a copy"]);
    let kept = only_archived(&lab, N3);
    assert!(kept.has_row(777));
    assert_eq!(kept.says("class"), "errant");
    let reason = kept.says("reason");
    assert!(
        reason.contains("was written by n3, which was never primary"),
        "{reason}"
    );
    // More is more: it is archived too, and what was archived stays as it is.
    write_as_root(&lab, N3, 778);
    lab.monitor(N3).expect(190);
    lab.monitor(N3).expect(190);
    let all = archived(&lab, N3);
    let rows: Vec<_> = all.iter().map(|kept| (kept.has_row(777), kept.has_row(778))).collect();
    assert!(
        all.len() == 2 && rows.contains(&(true, false)) && rows.contains(&(true, true)),
        "{rows:?}"
    );
}

/// A row of an administrator, whom `read_only` does not bind.
pub(crate) fn write_as_root(lab: &Lab, node: usize, id: u64) {
    let mut root = lab.server(node).root();
    for statement in family().unbind_root {
        root.query_drop(statement).unwrap();
    }
    root.query_drop(format!("INSERT INTO app.t (id, v) VALUES ({id}, {id})"))
        .unwrap();
    for statement in family().bind_root {
        root.query_drop(statement).unwrap();
    }
}

/// n3 alone acknowledged, cannot execute it, and is taken for dead while n2 is promoted in spite of that.
#[test]
fn what_a_replica_received_and_could_not_execute_is_archived_from_its_relay_log() {
    let lab = Lab::serving();
    lab.monitor(N1).expect(8);
    lab.same_rows(&[N1, N2, N3]);
    lab.stop_receiver(N2);
    lab.stop_applier(N3);
    lab.write(N1, 555);
    lab.await_received(N3, N1);
    lab.server(N1).crash();
    lab.primary.set(None);
    lab.set_active([false, true, false]);
    let transition = lab.transition().promote(N2);
    transition.elect().try_promote().expect(1).says(&["n3 did not say"]);
    lab.set_option("accept-loss", "1");
    lab.transition().promote(N2).carry_out();
    assert!(!lab.rows(N2).contains_key(&555));
    lab.transition().start(&[N3]).carry_out();
    lab.monitor(N3)
        .expect(190)
        .says(&["received transactions up to", "n2 does not have", "a copy"]);
    lab.monitor(N3).expect(190);
    let kept = only_archived(&lab, N3);
    assert!(kept.has_row(555));
    assert!(
        kept.files()
            .iter()
            .all(|file| file["name"].as_str().unwrap().starts_with("relay."))
    );
    assert_eq!(kept.says("class"), "errant");
    let reason = kept.says("reason");
    let words = [
        "was not written by n3 but by n1, the server with",
        "as primary of epoch 1",
    ];
    assert!(words.iter().all(|words| reason.contains(words)), "{reason}");
}

#[test]
fn a_held_node_does_not_block_a_later_election() {
    let lab = with_extra();
    lab.transition().start(&[N1]).carry_out();
    lab.server(N2).crash();
    let transition = lab.transition().demote(N2).stop(&[N2]).promote(N3).close();
    transition.elect();
    let vote = lab.vote(N1).unwrap();
    assert!(vote.contains("held"), "{vote}");
    transition.carry_out_promotion();
    assert!(lab.epoch().contains("n1, which is held back"), "{}", lab.epoch());
    lab.transition().start(&[N2]).carry_out();
    lab.await_rejoined(N2, N3);
    assert!(lab.is_detached(N1));
    lab.monitor(N1).expect(190).says(&["n3 does not have"]);
    assert!(!lab.same_rows(&[N3, N2]).contains_key(&666));
}

/// n3 acknowledged and is not asked: what n1 has may be the only copy of what was confirmed. n2 is primary all the same.
fn with_accepted_loss() -> Lab {
    let lab = Lab::serving();
    lab.server(N3).crash();
    lab.relays[0].cut();
    let commit = unconfirmed(lab.server(N1));
    lab.server(N1).await_unacknowledged_commit();
    lab.server(N1).crash();
    assert!(commit.join().unwrap().is_err());
    let transition = lab.transition().demote(N1).stop(&[N1, N3]).promote(N2).close();
    let refused = transition.elect().try_promote().expect(1);
    refused.says(&["in epoch 1 commits waited for 1 of n2, n3", "n3 did not say"]);
    lab.set_option("accept-loss", "1");
    lab.transition().promote(N2).carry_out();
    for part in [r#""proven":false"#, "the operator accepted that in epoch 1"] {
        assert!(lab.epoch().contains(part), "{}", lab.epoch());
    }
    lab
}

#[test]
fn a_killed_primary_keeps_its_tail_where_the_election_was_not_proven() {
    let lab = with_accepted_loss();
    lab.transition().start(&[N1]).carry_out();
    assert!(lab.rows(N1).contains_key(&666));
    lab.monitor(N1).expect(190).says(&["primary n2 does not have"]);
}

#[test]
fn a_later_election_that_is_proven_does_not_make_up_for_one_that_was_not() {
    let lab = with_accepted_loss();
    lab.transition().start(&[N3]).carry_out();
    lab.await_rejoined(N3, N2);
    lab.transition().demote(N2).promote(N3).carry_out();
    assert!(lab.epoch().contains(r#""proven":true"#), "{}", lab.epoch());
    lab.transition().start(&[N1]).carry_out();
    assert!(lab.rows(N1).contains_key(&666));
    lab.monitor(N1).expect(190).says(&["primary n3 does not have"]);
}

/// What its binary log has may be missing in its tables: as a replica it would look complete for ever.
#[test]
fn a_primary_that_was_killed_while_it_did_not_write_through_is_held() {
    let lab = Lab::serving();
    lab.server(N1).ask("SET GLOBAL innodb_flush_log_at_trx_commit=0");
    lab.monitor(N1).expect(191).says(&["innodb_flush_log_at_trx_commit=1"]);
    lab.write(N1, 101);
    lab.server(N1).crash();
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    lab.transition().start(&[N1]).carry_out();
    for _ in 0..2 {
        lab.monitor(N1)
            .expect(190)
            .says(&["this node is held", "its tables may lack"]);
    }
    assert!(lab.is_detached(N1));
    assert_eq!(lab.score(N1), None);
}
