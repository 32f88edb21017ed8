//! How long an election takes where every node has a history of ten thousand intervals.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::promote::with_votes;
use super::*;
use crate::mysql::decide::promote::*;
use crate::mysql::gtid::mysql::GtidSet;
use crate::mysql::state::{Ballot, Vote};

/// The numbers `1-2`, `4-5` and so on of one server, and `own` of another.
fn holdings_with(own: u64) -> Holdings {
    let mut text = String::from("3e11fa47-71ca-11e1-9e33-c80aa9429562");
    for index in 0..10_000 {
        let _ = write!(text, ":{}-{}", 3 * index + 1, 3 * index + 2);
    }
    let _ = write!(text, ",4e11fa47-71ca-11e1-9e33-c80aa9429562:1-{own}");
    Holdings::MySql(crate::mysql::gtid::mysql::Holdings {
        executed: GtidSet::parse(&text).unwrap(),
        received: GtidSet::default(),
    })
}

#[test]
fn an_election_of_five_nodes_with_ten_thousand_intervals_is_quick() {
    let node = |index: usize| format!("n{index}");
    let written: Vec<(String, String)> = (1..=5)
        .filter(|index| *index != 2)
        .map(|index| {
            let ballot = Ballot::Holds(holdings_with(10));
            (node(index), serde_json::to_string(&Vote { epoch: 3, ballot }).unwrap())
        })
        .collect();
    assert!(
        written.iter().all(|(_, vote)| vote.len() < 60_000),
        "they fit into an attribute"
    );
    let mut candidate = Server {
        holdings: holdings_with(20),
        ..server()
    };
    candidate.link = None;
    let ended = Epoch {
        position: candidate.holdings.resume_position(),
        ..epoch("n9", 3, "")
    };
    let began = Instant::now();
    let votes: Vec<(String, Vote)> = written
        .iter()
        .map(|(node, vote)| (node.clone(), serde_json::from_str(vote).unwrap()))
        .collect();
    let election = with_votes(&votes, Some(&ended));
    let step = next_step(&candidate, &record(Role::Replica), None, &election);
    let took = began.elapsed();
    assert!(matches!(&step, Promotion::Open(proof) if proof.proven), "{step:?}");
    println!("election of five nodes with 10,000 intervals each: {took:?}");
    let bound = if cfg!(debug_assertions) { 2000 } else { 100 };
    assert!(took < Duration::from_millis(bound), "{took:?}");
}
