//! A former primary with a transaction that its successor does not have.

use mysql::prelude::Queryable;

use crate::lab::{Lab, N1, N2, N3};
use crate::support::server::Server;

/// n1 committed a row that nobody received, was demoted in order, and is away; n2 is primary and has written. Returns
/// the transaction.
fn with_extra() -> (Lab, String) {
    let lab = Lab::serving();
    lab.write(N1, 101);
    for node in [N2, N3] {
        lab.await_received(node, N1);
        lab.server(node).root().query_drop("STOP SLAVE IO_THREAD").unwrap();
    }
    let commit = unconfirmed(lab.server(N1));
    let transition = lab.transition().demote(N1).stop(&[N1]).promote(N2);
    crate::failover::await_waiting(&lab);
    let extra = lab.server(N1).ask("SELECT @@gtid_binlog_pos");
    let transition = transition.close();
    let record = std::fs::read_to_string(lab.kept(N1, "record.json")).unwrap();
    assert!(
        record.contains(r#""closed":true"#),
        "demoted by a kill, after which the row may be dropped: {record}"
    );
    transition.carry_out_promotion();
    assert!(
        commit.join().unwrap().is_err(),
        "confirmed although no replica received it"
    );
    lab.await_follows(N3, N2);
    lab.write(N2, 102);
    (lab, extra)
}

fn unconfirmed(server: &Server) -> std::thread::JoinHandle<mysql::Result<()>> {
    let mut app = server.app();
    std::thread::spawn(move || app.query_drop("INSERT INTO t (id, v) VALUES (666, 666)"))
}

#[test]
fn a_diverged_former_primary_is_held_and_names_the_transaction() {
    let (lab, extra) = with_extra();
    lab.transition().start(&[N1]).carry_out();
    lab.monitor(N1).expect(190).says(&[&extra, "primary n2 does not have"]);
    assert!(lab.is_detached(N1));
    assert_eq!(lab.score(N1), None);
    assert!(lab.server(N1).read_only());
    assert!(lab.rows(N1).contains_key(&666), "nothing is dropped from it");
    assert!(!lab.rows(N2).contains_key(&666));
}

#[test]
fn a_held_node_does_not_block_a_later_election() {
    let (lab, _) = with_extra();
    lab.transition().start(&[N1]).carry_out();
    lab.server(N2).crash();
    let transition = lab.transition().demote(N2).stop(&[N2]).promote(N3).close();
    transition.elect();
    let vote = lab.vote(N1).unwrap();
    assert!(vote.contains("held"), "{vote}");
    transition.carry_out_promotion();
    assert!(lab.epoch().contains("n1, which is held back"), "{}", lab.epoch());
    lab.transition().start(&[N2]).carry_out();
    lab.await_follows(N2, N3);
    assert!(lab.is_detached(N1));
    lab.monitor(N1).expect(190).says(&["n3 does not have"]);
    assert!(!lab.same_rows(&[N3, N2]).contains_key(&666));
}

/// Nobody knows whether n3 has more: what n1 has may be the only copy of what was confirmed.
#[test]
fn a_killed_primary_keeps_its_tail_where_not_every_replica_was_asked() {
    let lab = Lab::serving();
    lab.transition().stop(&[N3]).carry_out();
    lab.relays[0].cut();
    let commit = unconfirmed(lab.server(N1));
    crate::failover::await_waiting(&lab);
    lab.server(N1).crash();
    assert!(commit.join().unwrap().is_err());
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    assert!(lab.epoch().contains(r#""proven":false"#), "{}", lab.epoch());
    lab.transition().start(&[N1]).carry_out();
    assert!(lab.rows(N1).contains_key(&666));
    lab.monitor(N1).expect(190).says(&["primary n2 does not have"]);
}
