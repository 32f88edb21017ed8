use super::*;
use crate::mysql::state::{SemiSync, ThreadError};
use crate::sys::process::Process;

const POLICY: Policy = Policy {
    promotable: true,
    semi_sync: true,
    max_lag: Duration::from_secs(60),
};

fn list(text: &str) -> GtidList {
    GtidList::parse(text).unwrap()
}

fn holdings(history: &str, applied: &str, received: &str) -> Holdings {
    Holdings {
        history: list(history),
        applied: list(applied),
        received: list(received),
    }
}

fn link() -> Link {
    Link {
        source: "n1".to_owned(),
        receiver: Thread::Running,
        applier: Thread::Running,
        receiver_error: None,
        applier_error: None,
        lag: Some(Duration::ZERO),
    }
}

/// A healthy replica of n1 that executed everything it received.
fn server() -> Server {
    Server {
        version: "11.8.6-MariaDB".to_owned(),
        server_id: 2,
        read_only: true,
        gtid_strict: true,
        log_bin: true,
        log_replica_updates: true,
        binlog_base: "/var/lib/mysql/binlog".to_owned(),
        binlog_position: list("0-1-5"),
        holdings: holdings("0-1-5", "0-1-5", "0-1-5"),
        link: Some(link()),
        semi_sync: SemiSync {
            source_enabled: false,
            replica_enabled: true,
            after_sync: true,
            timeout_ms: NO_FALLBACK_MS,
            clients: 0,
            waiting: 0,
        },
    }
}

fn seen(server: Server) -> Seen {
    Seen::Running(me(), Answer::Facts(Box::new(server)))
}

fn me() -> Process {
    Process::find(std::process::id().cast_signed()).unwrap()
}

fn record(role: Role) -> Record {
    Record {
        role,
        epoch: 3,
        closed: role == Role::Replica,
        ..Record::default()
    }
}

fn epoch(node: &str, number: u64, position: &str) -> Epoch {
    Epoch {
        number,
        node: node.to_owned(),
        server_id: 1,
        position: list(position),
        opened_at: String::new(),
        evidence: String::new(),
    }
}

fn look(seen: &Seen, role: Role) -> Verdict {
    monitor(seen, &record(role), None, None, "n2", POLICY)
}

// ---- monitor

/// Every combination of what a server can look like; the invariants hold for each.
#[test]
fn no_state_of_a_server_breaks_the_rules_of_monitor() {
    let threads = [Thread::Running, Thread::Connecting, Thread::Stopped];
    let error = || {
        Some(ThreadError {
            code: 1062,
            text: "Duplicate entry".to_owned(),
        })
    };
    let mut looked_at = 0;
    for bits in 0..256_u32 {
        let bit = |index: u32| bits & (1 << index) != 0;
        for receiver in threads {
            for applier in threads {
                for lag in [None, Some(0), Some(61)] {
                    let mut server = server();
                    server.read_only = bit(0);
                    server.gtid_strict = bit(1);
                    server.log_bin = bit(2);
                    server.semi_sync.source_enabled = bit(3);
                    server.semi_sync.clients = u64::from(bit(4));
                    server.link = bit(5).then(|| Link {
                        receiver,
                        applier,
                        receiver_error: if bit(6) { error() } else { None },
                        applier_error: if bit(6) { error() } else { None },
                        lag: lag.map(Duration::from_secs),
                        ..link()
                    });
                    let role = if bit(7) { Role::Primary } else { Role::Replica };
                    check(&server, role, &look(&seen(server.clone()), role));
                    looked_at += 1;
                }
            }
        }
    }
    assert_eq!(looked_at, 6912);
}

fn check(server: &Server, role: Role, verdict: &Verdict) {
    let what = format!("{server:?} {role:?} {verdict:?}");
    let promoted = matches!(verdict.code, OcfCode::RunningPromoted | OcfCode::DegradedPromoted);
    assert_eq!(
        promoted,
        !server.read_only && role == Role::Primary,
        "promoted is writable and recorded: {what}"
    );
    assert_ne!(verdict.code, OcfCode::NotRunning, "a server that answers runs: {what}");
    let quiet = matches!(verdict.code, OcfCode::Success | OcfCode::RunningPromoted);
    assert_eq!(quiet, verdict.why.is_none(), "everything else has a reason: {what}");
    if promoted {
        assert_eq!(
            verdict.score,
            Score::Set(score::PRIMARY),
            "the primary owns the maximum: {what}"
        );
    } else {
        assert!(
            !matches!(verdict.score, Score::Set(score) if score >= score::PRIMARY),
            "nobody else does: {what}"
        );
    }
    let stopped = server
        .link
        .as_ref()
        .is_some_and(|l| l.applier == Thread::Stopped || l.receiver == Thread::Stopped);
    if server.read_only && stopped {
        assert_eq!(
            verdict.score,
            Score::Withdraw,
            "broken replication is not promotable: {what}"
        );
    }
    if server.read_only && !(server.gtid_strict && server.log_bin) {
        assert_eq!(
            verdict.score,
            Score::Withdraw,
            "what cannot be proven is not promotable: {what}"
        );
    }
}

#[test]
fn only_a_proven_absence_is_not_running() {
    assert_eq!(look(&Seen::Absent, Role::Replica).code, OcfCode::NotRunning);
    let silent = Seen::Running(me(), Answer::Silent("no answer in time".to_owned()));
    for role in [Role::Primary, Role::Replica] {
        let verdict = look(&silent, role);
        assert_eq!((verdict.code, verdict.score), (OcfCode::ErrGeneric, Score::Withdraw));
    }
}

#[test]
fn a_full_server_is_alive_in_its_last_known_role() {
    let full = Seen::Running(me(), Answer::Alive("too many connections".to_owned()));
    let primary = look(&full, Role::Primary);
    assert_eq!(
        (primary.code, primary.score),
        (OcfCode::DegradedPromoted, Score::Set(score::PRIMARY))
    );
    let replica = look(&full, Role::Replica);
    assert_eq!((replica.code, replica.score), (OcfCode::Degraded, Score::Keep));
}

#[test]
fn a_writable_replica_and_a_closed_primary_are_failures() {
    let writable = seen(Server {
        read_only: false,
        ..server()
    });
    assert_eq!(look(&writable, Role::Replica).code, OcfCode::FailedPromoted);
    assert_eq!(look(&seen(server()), Role::Primary).code, OcfCode::ErrGeneric);
}

#[test]
fn a_replica_that_lost_its_primary_keeps_its_score() {
    let connected = look(&seen(server()), Role::Replica);
    let mut lost = server();
    lost.link = Some(Link {
        receiver: Thread::Connecting,
        lag: None,
        ..link()
    });
    let orphaned = look(&seen(lost), Role::Replica);
    assert_eq!((orphaned.code, orphaned.score), (OcfCode::Success, connected.score));
    assert!(connected.readable && !orphaned.readable);
}

#[test]
fn a_replica_stopped_by_a_duplicate_key_is_degraded_and_not_promotable() {
    let mut broken = server();
    broken.link = Some(Link {
        applier: Thread::Stopped,
        applier_error: Some(ThreadError {
            code: 1062,
            text: "Duplicate entry '5'".to_owned(),
        }),
        ..link()
    });
    let verdict = look(&seen(broken), Role::Replica);
    assert_eq!(
        (verdict.code, verdict.score, verdict.readable),
        (OcfCode::Degraded, Score::Withdraw, false)
    );
    assert!(verdict.why.unwrap().to_string().contains("1062: Duplicate entry '5'"));
}

#[test]
fn after_a_cold_start_only_the_last_primary_or_anyone_of_a_new_cluster_may_be_promoted() {
    let alone = seen(Server { link: None, ..server() });
    let score = |epoch: Option<&Epoch>| monitor(&alone, &record(Role::Replica), epoch, None, "n2", POLICY).score;
    assert_eq!(score(None), Score::Set(score::FIRST_START));
    assert_eq!(score(Some(&epoch("n2", 3, ""))), Score::Set(score::LAST_PRIMARY));
    assert_eq!(score(Some(&epoch("n1", 4, ""))), Score::Withdraw);
}

#[test]
fn a_server_on_its_own_has_no_role() {
    let plain = Policy {
        promotable: false,
        ..POLICY
    };
    let open = seen(Server {
        read_only: false,
        link: None,
        ..server()
    });
    let verdict = monitor(&open, &Record::default(), None, None, "", plain);
    assert_eq!((verdict.code, verdict.score), (OcfCode::Success, Score::Withdraw));
}

// ---- start

#[test]
fn only_a_crashed_primary_with_an_elected_successor_drops_its_tail() {
    let crashed = Record {
        closed: false,
        ..record(Role::Primary)
    };
    let successor = epoch("n1", 4, "");
    let truncate = Starting::Launch(Recovery::Truncate);
    let commit = Starting::Launch(Recovery::Commit);
    assert_eq!(start(&Seen::Absent, &crashed, Some(&successor), "n2"), truncate);
    assert_eq!(start(&Seen::Absent, &crashed, None, "n2"), commit, "no successor");
    assert_eq!(
        start(&Seen::Absent, &crashed, Some(&epoch("n2", 3, "")), "n2"),
        commit,
        "own epoch"
    );
    assert_eq!(
        start(&Seen::Absent, &crashed, Some(&epoch("n1", 2, "")), "n2"),
        commit,
        "an older epoch"
    );
    assert_eq!(
        start(&Seen::Absent, &record(Role::Replica), Some(&successor), "n2"),
        commit,
        "demoted in order"
    );
    assert_eq!(
        start(&seen(server()), &crashed, Some(&successor), "n2"),
        Starting::Adopt
    );
}

// ---- promote

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
    promote(
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
    let silent = promote(
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
fn a_replica_that_was_found_ahead_says_so_whatever_its_threads_do() {
    let why = Why::AheadOfPrimary {
        primary: "n1".to_owned(),
        extra: list("0-2-6"),
    };
    let verdict = monitor(
        &seen(server()),
        &record(Role::Replica),
        None,
        Some(why.clone()),
        "n2",
        POLICY,
    );
    assert_eq!(
        (verdict.code, verdict.score, verdict.why),
        (OcfCode::Degraded, Score::Withdraw, Some(why))
    );
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
    let again = promote(
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

// ---- follow

#[test]
fn a_node_follows_only_who_has_everything_it_executed() {
    let primary = holdings("0-1-5,0-2-9", "0-1-5", "");
    assert_eq!(
        follow(&holdings("0-1-5", "0-1-5", ""), &primary, "n2"),
        Following::Attach
    );
    assert_eq!(
        follow(&holdings("0-1-5", "0-1-5", "0-1-8"), &primary, "n2"),
        Following::Attach,
        "unexecuted is discarded"
    );
    let Following::Hold(why) = follow(&holdings("0-1-6", "", ""), &primary, "n2") else {
        panic!()
    };
    assert!(
        why.to_string().contains("0-1-6") && why.to_string().contains("n2"),
        "{why}"
    );
}
