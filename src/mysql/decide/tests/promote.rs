use super::*;
use crate::mysql::decide::promote::*;
use crate::mysql::state::{Ballot, Vote};

fn vote(node: &str, holdings: Option<Holdings>) -> (String, Vote) {
    let ballot = holdings.map_or(Ballot::NoServer, Ballot::Holds);
    (node.to_owned(), Vote { epoch: 3, ballot })
}

fn election(server: &Server, votes: &[(String, Vote)], source: &str, epoch: Option<&Epoch>) -> Promotion {
    let survivors: Vec<String> = ["n1", "n3"]
        .iter()
        .map(|n| (*n).to_owned())
        .filter(|n| votes.iter().any(|(v, _)| v == n))
        .collect();
    next_step(
        server,
        &record(Role::Replica),
        &survivors,
        votes,
        Some(source),
        epoch,
        "n2",
    )
}

#[test]
fn a_candidate_with_everything_opens_and_says_with_whom_it_compared() {
    let votes = [vote("n3", Some(holdings("0-1-4", "0-1-4", "0-1-5")))];
    let Promotion::Open { evidence } = election(&server(), &votes, "n1", None) else {
        panic!()
    };
    assert_eq!(evidence, "holds everything that n3 received");
}

#[test]
fn what_was_received_is_executed_first() {
    let mut behind = server();
    behind.holdings = holdings("0-1-5", "0-1-5", "0-1-9");
    assert_eq!(
        election(&behind, &[], "n1", None),
        Promotion::Wait { pending: list("0-1-9") }
    );
}

#[test]
fn a_stopped_applier_is_started_only_while_the_receiver_protects_the_relay_log() {
    let with = |receiver, applier_error: Option<ThreadError>| {
        let mut s = server();
        s.holdings = holdings("0-1-5", "0-1-5", "0-1-9");
        s.link = Some(Link {
            receiver,
            applier: Thread::Stopped,
            applier_error,
            ..link()
        });
        election(&s, &[], "n1", None)
    };
    assert_eq!(with(Thread::Connecting, None), Promotion::StartApplier);
    assert_eq!(
        with(Thread::Stopped, None),
        Promotion::Refuse(Why::TailWithoutApplier(list("0-1-9")))
    );
    let error = ThreadError {
        code: 1032,
        text: "Can't find record".to_owned(),
    };
    assert_eq!(
        with(Thread::Connecting, Some(error.clone())),
        Promotion::Refuse(Why::ApplierFailed(error))
    );
}

#[test]
fn what_only_a_survivor_has_is_awaited_from_the_source_and_fetched_from_anybody_else() {
    let ahead = holdings("0-1-9", "", "");
    let lacking = list("0-1-9");
    let from_source = election(&server(), &[vote("n1", Some(ahead.clone()))], "n1", None);
    assert_eq!(
        from_source,
        Promotion::Wait {
            pending: lacking.clone()
        }
    );
    let from_sibling = election(&server(), &[vote("n3", Some(ahead))], "n1", None);
    assert_eq!(
        from_sibling,
        Promotion::Fetch {
            from: "n3".to_owned(),
            lacking
        }
    );
}

#[test]
fn a_source_that_refuses_is_no_source_to_wait_for() {
    let mut refused = server();
    let error = ThreadError {
        code: 1236,
        text: "not in the master's binlog".to_owned(),
    };
    refused.link = Some(Link {
        receiver: Thread::Stopped,
        receiver_error: Some(error.clone()),
        ..link()
    });
    let votes = [vote("n1", Some(holdings("0-1-9", "", "")))];
    assert_eq!(
        election(&refused, &votes, "n1", None),
        Promotion::Refuse(Why::ReceiverFailed(error))
    );
}

#[test]
fn diverged_survivors_are_never_united_by_force() {
    let mut mine = server();
    mine.holdings = holdings("0-1-5,0-2-6", "0-1-5", "");
    let refused = election(&mine, &[vote("n3", Some(holdings("0-1-7", "0-1-7", "")))], "n1", None);
    let Promotion::Refuse(Why::Diverged { node, theirs, ours }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((node.as_str(), theirs, ours), ("n3", list("0-1-7"), list("0-2-6")));
}

#[test]
fn a_survivor_without_a_vote_blocks_and_one_without_a_server_is_recorded() {
    let survivors = ["n3".to_owned()];
    let silent = next_step(
        &server(),
        &record(Role::Replica),
        &survivors,
        &[],
        Some("n1"),
        None,
        "n2",
    );
    assert_eq!(
        silent,
        Promotion::Refuse(Why::NoVote {
            nodes: survivors.to_vec()
        })
    );
    let Promotion::Open { evidence } = election(&server(), &[vote("n3", None)], "n1", None) else {
        panic!()
    };
    assert!(evidence.contains("not compared with n3"), "{evidence}");
}

#[test]
fn a_node_that_is_held_back_neither_feeds_nor_blocks_an_election() {
    let held = (
        "n3".to_owned(),
        Vote {
            epoch: 3,
            ballot: Ballot::Held,
        },
    );
    let Promotion::Open { evidence } = election(&server(), &[held], "n1", None) else {
        panic!()
    };
    assert!(evidence.contains("n3, which is held back"), "{evidence}");
}

#[test]
fn a_node_older_than_the_last_epoch_is_not_promoted() {
    let newer = epoch("n1", 3, "0-1-6");
    assert!(matches!(
        election(&server(), &[], "n1", Some(&newer)),
        Promotion::Refuse(Why::OlderThanEpoch { epoch: 3, .. })
    ));
    assert!(matches!(
        election(&server(), &[], "n1", Some(&epoch("n1", 3, "0-1-5"))),
        Promotion::Open { .. }
    ));
}

#[test]
fn a_restarted_replica_cannot_prove_what_it_had_received() {
    let mut restarted = server();
    restarted.link = None;
    let last = epoch("n1", 3, "0-1-5");
    assert!(matches!(
        election(&restarted, &[], "n1", Some(&last)),
        Promotion::Refuse(Why::Unproven { epoch: 3, .. })
    ));
    let own = epoch("n2", 3, "0-1-5");
    assert!(matches!(
        election(&restarted, &[], "n1", Some(&own)),
        Promotion::Open { .. }
    ));
}

#[test]
fn a_primary_is_promoted_already() {
    let mut primary = server();
    primary.read_only = false;
    let again = next_step(
        &primary,
        &record(Role::Primary),
        &["n3".to_owned()],
        &[],
        None,
        None,
        "n2",
    );
    assert_eq!(again, Promotion::Already);
}

/// All pairs of histories of two survivors: whoever opens has everything that both received.
#[test]
fn whoever_opens_holds_what_every_survivor_received() {
    let mut opened = 0;
    for (mine_applied, mine_received) in [(3, 3), (3, 5), (5, 5)] {
        for theirs in 0..8_u64 {
            for own in [0, 6] {
                let mut candidate = server();
                let own_history = if own > 0 { format!(",0-2-{own}") } else { String::new() };
                candidate.holdings = holdings(
                    &format!("0-1-{mine_applied}{own_history}"),
                    &format!("0-1-{mine_applied}"),
                    &format!("0-1-{mine_received}"),
                );
                let other = holdings("", "", &format!("0-1-{theirs}"));
                let decision = election(&candidate, &[vote("n3", Some(other.clone()))], "n1", None);
                if matches!(decision, Promotion::Open { .. }) {
                    opened += 1;
                    assert!(candidate.holdings.lacks(&other).is_empty() && candidate.holdings.pending().is_empty());
                }
            }
        }
    }
    assert!(opened > 0);
}
