use super::*;
use crate::mysql::decide::promote::*;
use crate::mysql::state::{Ballot, Vote};

pub(super) fn vote(node: &str, holdings: Option<Holdings>) -> (String, Vote) {
    let ballot = holdings.map_or(Ballot::NoServer, Ballot::Holds);
    (node.to_owned(), Vote { epoch: 3, ballot })
}

pub(super) fn with_votes(votes: &[(String, Vote)], epoch: Option<&Epoch>) -> Election {
    Election {
        own_name: "n2".to_owned(),
        epoch: epoch.cloned(),
        survivors: votes.iter().map(|(node, _)| node.clone()).collect(),
        votes: votes.to_vec(),
        instances: Some(3),
        ..Election::alone(POLICY)
    }
}

fn election(server: &Server, votes: &[(String, Vote)], source: &str, epoch: Option<&Epoch>) -> Promotion {
    next_step(server, &record_in(epoch), Some(source), &with_votes(votes, epoch))
}

fn refusal(change: impl FnOnce(&mut Election)) -> Option<Why> {
    let mut election = with_votes(
        &[vote("n3", Some(holdings("", "", "")))],
        Some(&epoch("n1", 3, "0-1-5")),
    );
    change(&mut election);
    match next_step(&server(), &record(Role::Replica), Some("n1"), &election) {
        Promotion::Refuse(why) => Some(why),
        Promotion::Open(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_but_an_ordered_promotion_of_the_only_primary_opens() {
    assert_eq!(refusal(|_| {}), None);
    assert_eq!(refusal(|e| e.ordered = false), Some(Why::NotInTransition));
    assert_eq!(
        refusal(|e| e.other_primary = Some("n3".to_owned())),
        Some(Why::OtherPrimary("n3".to_owned()))
    );
    assert_eq!(
        refusal(|e| e.former_serves = true),
        Some(Why::FormerPrimaryServes("n1".to_owned()))
    );
}

#[test]
fn a_node_that_is_held_back_or_proves_nothing_is_not_promoted() {
    let election = with_votes(&[], None);
    let held = Record {
        held: true,
        ..record(Role::Replica)
    };
    assert_eq!(
        next_step(&server(), &held, None, &election),
        Promotion::Refuse(Why::HeldBack)
    );
    let loose = Server {
        unprovable: Some("log_bin".to_owned()),
        ..server()
    };
    let refused = next_step(&loose, &record(Role::Replica), None, &election);
    assert_eq!(refused, Promotion::Refuse(Why::Unprovable("log_bin".to_owned())));
}

#[test]
fn a_candidate_with_everything_opens_and_says_with_whom_it_compared() {
    let votes = [vote("n3", Some(holdings("0-1-4", "0-1-4", "0-1-5")))];
    let Promotion::Open(Proof { evidence, .. }) = election(&server(), &votes, "n1", None) else {
        panic!()
    };
    assert_eq!(
        evidence,
        "not compared with every instance; holds everything that n3 received"
    );
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
        Promotion::Await {
            from: "n1".to_owned(),
            lacking: lacking.clone(),
            refused: false,
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

/// n2 wrote 0-2-6 itself. Whether the survivor has executed it, or received it: it would be skipped on the way back.
#[test]
fn what_this_server_wrote_itself_and_lost_is_not_fetched() {
    for theirs in [
        holdings("0-1-5,0-2-6", "0-2-6", "0-2-6"),
        holdings("0-1-7,0-2-6", "", ""),
        holdings("0-1-5", "0-1-5", "0-2-6"),
    ] {
        let step = election(&server(), &[vote("n3", Some(theirs))], "n1", None);
        assert_eq!(step, Promotion::Refuse(Why::LostOwn("n3".to_owned())));
    }
}

#[test]
fn a_sibling_that_received_more_and_executed_less_has_not_diverged() {
    let mut mine = server();
    mine.holdings = holdings("0-1-7", "0-1-7", "0-1-7");
    let slow = vote("n3", Some(holdings("0-1-5", "0-1-5", "0-1-9")));
    let fetch = Promotion::Fetch {
        from: "n3".to_owned(),
        lacking: list("0-1-9"),
    };
    assert_eq!(election(&mine, &[slow], "n1", None), fetch);
}

#[test]
fn what_the_source_still_sends_is_not_fetched_from_somebody_else() {
    let ahead = || Some(holdings("0-1-9", "", ""));
    let both = [vote("n1", ahead()), vote("n3", ahead())];
    for source in ["n1", "n3"] {
        let awaited = Promotion::Await {
            from: source.to_owned(),
            lacking: list("0-1-9"),
            refused: false,
        };
        assert_eq!(election(&server(), &both, source, None), awaited, "{source}");
    }
}

#[test]
fn a_source_that_refuses_is_asked_again_only_where_it_may_have_the_rest_later() {
    let refused = |code| {
        let error = ThreadError {
            code,
            text: "refused".to_owned(),
        };
        let mut refused = server();
        refused.link = Some(Link {
            receiver: Thread::Stopped,
            receiver_error: Some(error),
            ..link()
        });
        let votes = [vote("n1", Some(holdings("0-1-9", "", "")))];
        election(&refused, &votes, "n1", None)
    };
    let lacking = list("0-1-9");
    let from = "n1".to_owned();
    let awaited = Promotion::Await {
        from,
        lacking,
        refused: true,
    };
    assert_eq!(refused(1236), awaited);
    let Promotion::Refuse(Why::ReceiverFailed(error)) = refused(1593) else {
        panic!("no refusal")
    };
    assert_eq!(error.code, 1593);
}

/// A survivor whose replication somebody stopped sends what it has executed all the same.
#[test]
fn a_survivor_with_a_stopped_applier_is_waited_for_only_where_it_has_executed_the_rest() {
    let stopped = |executed: &str| Server {
        holdings: holdings(executed, executed, "0-1-9"),
        link: Some(Link {
            receiver: Thread::Stopped,
            applier: Thread::Stopped,
            ..link()
        }),
        ..server()
    };
    let lacking = list("0-1-9");
    assert_eq!(hindered(&stopped("0-1-9"), "n3", &lacking), None);
    let Some(Why::SurvivorStuck { how, .. }) = hindered(&stopped("0-1-8"), "n3", &lacking) else {
        panic!("it was waited for")
    };
    assert_eq!(*how, Why::ReplicationStopped);
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
fn a_survivor_that_cannot_say_what_it_holds_blocks_and_one_without_a_server_is_recorded() {
    let silent = Election {
        survivors: vec!["n3".to_owned()],
        ..with_votes(&[], None)
    };
    let refused = Promotion::Refuse(Why::NoVote {
        nodes: vec!["n3".to_owned()],
    });
    assert_eq!(
        next_step(&server(), &record(Role::Replica), Some("n1"), &silent),
        refused
    );
    let unknown = Vote {
        epoch: 3,
        ballot: Ballot::Unknown,
    };
    assert_eq!(election(&server(), &[("n3".to_owned(), unknown)], "n1", None), refused);
    let Promotion::Open(Proof { evidence, .. }) = election(&server(), &[vote("n3", None)], "n1", None) else {
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
    let Promotion::Open(Proof { evidence, .. }) = election(&server(), &[held], "n1", None) else {
        panic!()
    };
    assert!(evidence.contains("n3, which is held back"), "{evidence}");
}

#[test]
fn a_node_older_than_the_last_epoch_is_not_promoted() {
    let n3 = [vote("n3", Some(holdings("0-1-5", "0-1-5", "")))];
    let newer = epoch("n1", 3, "0-1-6");
    assert!(matches!(
        election(&server(), &n3, "n1", Some(&newer)),
        Promotion::Refuse(Why::OlderThanEpoch { epoch: 3, .. })
    ));
    assert!(matches!(
        election(&server(), &n3, "n1", Some(&epoch("n1", 3, "0-1-5"))),
        Promotion::Open(_)
    ));
}

#[test]
fn only_the_primary_of_the_last_epoch_is_promoted_already() {
    let open = Server {
        read_only: false,
        link: None,
        ..server()
    };
    let again = |epoch: Epoch| next_step(&open, &record(Role::Primary), None, &with_votes(&[], Some(&epoch)));
    assert_eq!(again(epoch("n2", 3, "0-1-5")), Promotion::Already);
    assert_ne!(again(epoch("n1", 4, "0-1-5")), Promotion::Already);
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
                if matches!(decision, Promotion::Open(_)) {
                    opened += 1;
                    assert!(candidate.holdings.lacks(&other).is_empty() && candidate.holdings.pending().is_empty());
                }
            }
        }
    }
    assert!(opened > 0);
}

/// Somebody set the cluster up anew: who remembers an epoch knows that something may have been confirmed since.
#[test]
fn without_an_epoch_a_node_that_remembers_one_must_be_compared_with_all() {
    let part = Record {
        acknowledged_in: 7,
        ..record_in(None)
    };
    let votes = [vote("n3", Some(holdings("0-1-5", "0-1-5", "0-1-5")))];
    let elected = |record: &Record, change: fn(&mut Election)| {
        let mut election = Election {
            instances: Some(3),
            ..with_votes(&votes, None)
        };
        change(&mut election);
        next_step(&server(), record, None, &election)
    };
    let refused = Promotion::Refuse(Why::EpochForgotten { part: 7 });
    assert_eq!(elected(&part, |_| {}), refused);
    let opens = |promotion: Promotion| matches!(promotion, Promotion::Open(_));
    assert!(opens(elected(&record_in(None), |_| {})), "a new cluster");
    assert!(opens(elected(&part, |election| election.instances = Some(2))));
    assert!(opens(elected(&part, |election| election.loss_accepted = true)));
}
