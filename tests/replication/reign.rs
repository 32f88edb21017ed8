//! The table of reigns, which every server of the set has.

use mysql::prelude::Queryable;

use crate::lab::{Lab, N1, N2, N3};

/// Epoch, node, server id, what it opened and closed at.
type Row = (u64, String, u32, String, Option<String>);

fn reigns(lab: &Lab, node: usize) -> Vec<Row> {
    let columns = "epoch, node, server_id, opened_position, closed_position";
    let query = format!("SELECT {columns} FROM baton.reign ORDER BY epoch");
    lab.server(node).root().query(query).unwrap()
}

#[test]
fn a_reign_is_on_all_nodes_and_ends_where_the_next_begins() {
    let lab = Lab::serving();
    let opened = lab.server(N1).position();
    lab.monitor(N1).expect(8);
    let first = (1, "n1".to_owned(), 11, opened, None);
    lab.same_rows(&[N1, N2, N3]);
    for node in [N1, N2, N3] {
        assert_eq!(reigns(&lab, node), std::slice::from_ref(&first));
    }
    let position = lab.server(N1).position();
    lab.monitor(N1).expect(8);
    assert_eq!(lab.server(N1).position(), position, "entered once");
    lab.transition().demote(N1).promote(N2).carry_out();
    let opened = lab.server(N2).position();
    lab.await_follows(N1, N2);
    lab.await_follows(N3, N2);
    lab.monitor(N2).expect(8);
    lab.same_rows(&[N2, N1, N3]);
    let ended = (1, first.1, first.2, first.3, Some(opened.clone()));
    let second = (2, "n2".to_owned(), 12, opened, None);
    for node in [N1, N2, N3] {
        assert_eq!(reigns(&lab, node), [ended.clone(), second.clone()]);
    }
    let evidence = lab
        .server(N3)
        .ask("SELECT CONCAT(proven, evidence) FROM baton.reign WHERE epoch=2");
    assert!(evidence.starts_with("1holds everything that n"), "{evidence}");
}

/// Nobody is there who would have received it.
#[test]
fn a_reign_is_not_entered_before_a_replica_is_there() {
    let lab = Lab::new();
    lab.transition().promote(N1).elect().try_promote().expect(0);
    let position = lab.server(N1).position();
    lab.monitor(N1);
    assert_eq!(lab.server(N1).position(), position);
}

#[test]
fn a_table_that_cannot_be_written_is_reported_once_and_is_no_fault_of_the_primary() {
    let lab = Lab::serving();
    let mut root = lab.server(N1).root();
    root.query_drop("CREATE DATABASE baton").unwrap();
    root.query_drop("CREATE TABLE baton.reign (mine INT)").unwrap();
    lab.monitor(N1).expect(8);
    lab.monitor(N1).expect(8);
    let log = std::fs::read_to_string(lab.log(N1)).unwrap();
    let reports = log
        .lines()
        .filter(|line| line.contains("not entered in the table baton.reign"));
    let reports: Vec<&str> = reports.collect();
    assert!(reports.len() == 1 && reports[0].contains("epoch 1"), "{reports:?}");
    lab.write(N1, 101);
    assert!(lab.same_rows(&[N1, N2, N3]).contains_key(&101));
}

/// Its replicas went to somebody else, so it looks at the cluster's epoch. An older one was restored, and says nothing.
#[test]
fn a_primary_that_has_a_successor_fails_its_monitor_and_one_with_an_older_epoch_does_not() {
    let lab = Lab::serving();
    let own = lab.epoch();
    lab.stop_receiver(N2);
    lab.stop_receiver(N3);
    // MySQL notices that with its next heartbeat.
    lab.await_ackers(N1, 0);
    let by_n2 = own.replace(r#""node":"n1""#, r#""node":"n2""#);
    let numbered = |number: u64| by_n2.replace(r#""number":1"#, &format!(r#""number":{number}"#));
    lab.set_option("epoch", &numbered(0));
    assert_ne!(lab.monitor(N1).code, 9, "nobody was promoted since");
    lab.set_option("epoch", &numbered(2));
    lab.monitor(N1).expect(9).says(&["n2 was promoted since", "epoch 2"]);
}
