use super::*;
use crate::mysql::decide::monitor::*;
use crate::mysql::state::ThreadError;
use crate::ocf::OcfCode;

fn view<'a>(seen: &'a Seen, record: &'a Record) -> View<'a> {
    View {
        own_name: "n2",
        policy: POLICY,
        seen,
        record,
        epoch: None,
        held: None,
        source_node: None,
    }
}

fn look(seen: &Seen, role: Role) -> Verdict {
    report(view(seen, &record(role)))
}

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
                    server.unprovable = bit(1).then(|| "log_bin".to_owned());
                    server.semi_sync.most = usize::from(bit(2));
                    server.semi_sync.source_enabled = bit(3);
                    server.semi_sync.clients = usize::from(bit(4));
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
    let stopped = server.link.as_ref().is_some_and(|l| {
        let (applier, receiver) = (l.applier == Thread::Stopped, l.receiver == Thread::Stopped);
        let failed = (applier && l.applier_error.is_some()) || (receiver && l.receiver_error.is_some());
        failed || (applier && receiver)
    });
    if server.read_only && stopped {
        assert_eq!(
            verdict.score,
            Score::Withdraw,
            "broken replication is not promotable: {what}"
        );
    }
    if server.read_only && server.unprovable.is_some() {
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
    let score = |epoch: Option<&Epoch>| {
        report(View {
            epoch,
            ..view(&alone, &record(Role::Replica))
        })
        .score
    };
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
    let verdict = report(View {
        own_name: "",
        policy: plain,
        ..view(&open, &Record::default())
    });
    assert_eq!((verdict.code, verdict.score), (OcfCode::Success, Score::Withdraw));
}

#[test]
fn a_probe_reports_where_and_as_what_the_server_runs_and_no_degradation() {
    let codes = [
        (OcfCode::Degraded, OcfCode::Success),
        (OcfCode::DegradedPromoted, OcfCode::RunningPromoted),
        (OcfCode::FailedPromoted, OcfCode::FailedPromoted),
        (OcfCode::NotRunning, OcfCode::NotRunning),
    ];
    for (code, reported) in codes {
        let reported_by_monitor = Verdict {
            code,
            why: Some(Why::HeldBack),
            score: Score::Keep,
            readable: true,
        };
        let probed = reported_by_monitor.probed();
        assert_eq!((probed.code, probed.why.is_none()), (reported, code != reported));
    }
}

#[test]
fn a_replica_that_was_found_ahead_says_so_whatever_its_threads_do() {
    let why = Why::AheadOfPrimary {
        primary: "n1".to_owned(),
        extra: list("0-2-6"),
    };
    let verdict = report(View {
        held: Some(why.clone()),
        ..view(&seen(server()), &record(Role::Replica))
    });
    assert_eq!(
        (verdict.code, verdict.score, verdict.why),
        (OcfCode::Degraded, Score::Withdraw, Some(why))
    );
}

#[test]
fn a_writable_server_of_an_older_epoch_is_not_the_primary() {
    let open = seen(Server {
        read_only: false,
        link: None,
        ..server()
    });
    let probe = |epoch: Epoch| {
        report(View {
            epoch: Some(&epoch),
            ..view(&open, &record(Role::Primary))
        })
        .code
    };
    assert_ne!(probe(epoch("n2", 3, "")), OcfCode::FailedPromoted);
    assert_eq!(probe(epoch("n1", 4, "")), OcfCode::FailedPromoted);
}

#[test]
fn a_replica_that_the_primary_refuses_is_degraded_and_not_promotable() {
    let with = |code| {
        let mut replica = server();
        replica.link = Some(Link {
            receiver: Thread::Connecting,
            receiver_error: Some(ThreadError {
                code,
                text: "Access denied".to_owned(),
            }),
            ..link()
        });
        look(&seen(replica), Role::Replica)
    };
    assert_eq!(
        (with(1045).code, with(1045).score),
        (OcfCode::Degraded, Score::Withdraw)
    );
    assert_eq!(
        with(2003).code,
        OcfCode::Success,
        "the primary is away: every survivor looks like this"
    );
}

#[test]
fn settings_that_survive_no_crash_are_reported_and_do_not_forbid_a_promotion() {
    let weak = seen(Server {
        not_durable: Some("sync_binlog=1".to_owned()),
        ..server()
    });
    let verdict = look(&weak, Role::Replica);
    assert_eq!(
        (verdict.code, verdict.score),
        (OcfCode::Degraded, Score::Set(score::REPLICA_ACKNOWLEDGING))
    );
    assert!(verdict.why.unwrap().to_string().contains("sync_binlog=1"));
}

#[test]
fn what_the_account_may_not_do_for_a_protection_is_a_weakness_and_no_failure() {
    let untested = on(Disk::Untested("GRANT this".to_owned()), Role::Primary);
    assert_eq!(
        (untested.code, untested.score),
        (OcfCode::DegradedPromoted, Score::Set(score::PRIMARY))
    );
    let weak = Server {
        disk: Disk::Untested("GRANT this".to_owned()),
        ..server()
    };
    assert!(weakness(&weak, POLICY).unwrap().to_string().contains("GRANT this"));
    let blind = Server {
        bypassing: None,
        ..server()
    };
    assert_eq!(weakness(&blind, POLICY), Some(Why::BypassUnknown));
    let bounded = Policy {
        loss: Loss::Bounded,
        ..POLICY
    };
    assert_eq!(weakness(&blind, bounded), None);
}

fn on(disk: Disk, role: Role) -> Verdict {
    let mut server = server();
    server.read_only = role == Role::Replica;
    server.link = (role == Role::Replica).then(link);
    server.disk = disk;
    look(&seen(server), role)
}

#[test]
fn a_primary_whose_disk_takes_no_writes_is_replaced() {
    let verdict = on(Disk::Stuck("no answer in time".to_owned()), Role::Primary);
    assert_eq!((verdict.code, verdict.score), (OcfCode::ErrGeneric, Score::Withdraw));
    assert!(verdict.why.unwrap().to_string().contains("no answer in time"));
}

#[test]
fn a_full_primary_prefers_whoever_is_whole_and_else_stays() {
    let verdict = on(Disk::Full("/data has 0 MiB left".to_owned()), Role::Primary);
    assert_eq!(verdict.code, OcfCode::DegradedPromoted);
    let Score::Set(full) = verdict.score else {
        panic!("it withdrew: {verdict:?}");
    };
    assert!((score::REPLICA_STOPPED..score::REPLICA_LAGGING).contains(&full));
    let replica = on(Disk::Full("/data has 0 MiB left".to_owned()), Role::Replica);
    assert_eq!((replica.code, replica.score), (OcfCode::Degraded, Score::Withdraw));
}

#[test]
fn a_primary_that_was_reinstalled_or_crashed_without_its_tail_is_no_candidate() {
    let look = |record: &Record, not_durable: Option<&str>| {
        let server = Server {
            link: None,
            not_durable: not_durable.map(str::to_owned),
            ..server()
        };
        let replica = Record {
            role: Role::Replica,
            ..record.clone()
        };
        report(View {
            epoch: Some(&epoch("n2", 3, "")),
            ..view(&seen(server), &replica)
        })
    };
    let crashed = Record {
        machine_crashed: true,
        ..record(Role::Primary)
    };
    for (record, not_durable, says) in [
        (Record::default(), None, "it has no record of that"),
        (
            crashed,
            Some("sync_binlog=1"),
            "its machine crashed while it ran without sync_binlog=1",
        ),
    ] {
        let verdict = look(&record, not_durable);
        assert_eq!((verdict.code, verdict.score), (OcfCode::Degraded, Score::Withdraw));
        assert!(verdict.why.unwrap().to_string().contains(says));
    }
    let whole = look(&record(Role::Primary), Some("sync_binlog=1"));
    assert_eq!(whole.score, Score::Set(score::LAST_PRIMARY));
}
