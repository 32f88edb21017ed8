//! A healthy replica and what can be changed about it; the decisions of start and follow.

mod monitor;
mod promote;

use super::*;
use crate::mysql::gtid::GtidList;
use crate::mysql::state::{Answer, Link, Thread};
use crate::mysql::state::{SemiSync, ThreadError};
use crate::mysql::why::NO_FALLBACK_MS;
use crate::sys::process::Process;

pub(super) const POLICY: Policy = Policy {
    promotable: true,
    semi_sync: true,
    max_lag: Duration::from_secs(60),
};

pub(super) fn list(text: &str) -> GtidList {
    GtidList::parse(text).unwrap()
}

pub(super) fn holdings(history: &str, applied: &str, received: &str) -> Holdings {
    Holdings {
        history: list(history),
        applied: list(applied),
        received: list(received),
    }
}

pub(super) fn link() -> Link {
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
pub(super) fn server() -> Server {
    Server {
        version: "11.8.6-MariaDB".to_owned(),
        server_id: 2,
        read_only: true,
        gtid_strict: true,
        log_bin: true,
        log_replica_updates: true,
        not_durable: None,
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

pub(super) fn seen(server: Server) -> Seen {
    Seen::Running(me(), Answer::Facts(Box::new(server)))
}

pub(super) fn me() -> Process {
    Process::find(std::process::id().cast_signed()).unwrap()
}

pub(super) fn record(role: Role) -> Record {
    Record {
        role,
        epoch: 3,
        closed: role == Role::Replica,
        ..Record::default()
    }
}

pub(super) fn epoch(node: &str, number: u64, position: &str) -> Epoch {
    Epoch {
        number,
        node: node.to_owned(),
        server_id: 1,
        position: list(position),
        opened_at: String::new(),
        evidence: String::new(),
        proven: true,
    }
}

#[test]
fn only_a_crashed_primary_with_a_proven_successor_drops_its_tail() {
    let crashed = Record {
        closed: false,
        ..record(Role::Primary)
    };
    let boot = |record: &Record, epoch: Option<&Epoch>| start(&Seen::Absent, record, epoch, "n2", POLICY);
    let truncate = Starting::Launch(Recovery::Truncate);
    let commit = Starting::Launch(Recovery::Commit);
    let successor = epoch("n1", 4, "");
    assert_eq!(boot(&crashed, Some(&successor)), truncate);
    assert_eq!(boot(&crashed, None), commit, "no successor");
    assert_eq!(boot(&crashed, Some(&epoch("n2", 3, ""))), commit, "own epoch");
    assert_eq!(boot(&crashed, Some(&epoch("n1", 2, ""))), commit, "an older epoch");
    assert_eq!(
        boot(&record(Role::Replica), Some(&successor)),
        commit,
        "demoted in order"
    );
    let unproven = Epoch {
        proven: false,
        ..successor.clone()
    };
    assert_eq!(
        boot(&crashed, Some(&unproven)),
        commit,
        "this node may have the only copy"
    );
    let asynchronous = Policy {
        semi_sync: false,
        ..POLICY
    };
    assert_eq!(
        start(&Seen::Absent, &crashed, Some(&successor), "n2", asynchronous),
        commit,
        "nobody else confirmed"
    );
    assert_eq!(
        start(&seen(server()), &crashed, Some(&successor), "n2", POLICY),
        Starting::Adopt
    );
}

fn with(holdings: Holdings) -> Server {
    Server { holdings, ..server() }
}

#[test]
fn a_node_follows_only_who_has_everything_it_executed() {
    let primary = with(holdings("0-1-5,0-2-9", "0-1-5", ""));
    let go = |mine: Holdings| follow(&with(mine), &primary, "n2", None);
    assert_eq!(go(holdings("0-1-5", "0-1-5", "0-1-5")), Following::Attach);
    let Following::Hold(why) = go(holdings("0-1-6", "", "")) else {
        panic!()
    };
    assert!(
        why.to_string().contains("0-1-6") && why.to_string().contains("n2"),
        "{why}"
    );
}

#[test]
fn a_relay_log_with_what_the_primary_lacks_is_kept() {
    let primary = with(holdings("0-1-5,0-2-9", "0-1-5", ""));
    let held = follow(&with(holdings("0-1-5", "0-1-5", "0-1-8")), &primary, "n2", None);
    let why = Why::ReceivedBeyondPrimary {
        primary: "n2".to_owned(),
        extra: list("0-1-8"),
    };
    assert_eq!(held, Following::Hold(why));
}

#[test]
fn a_node_whose_settings_prove_nothing_is_not_attached() {
    let loose = Server {
        gtid_strict: false,
        ..server()
    };
    assert_eq!(follow(&loose, &server(), "n1", None), Following::Hold(Why::NotStrict));
}

#[test]
fn a_primary_that_was_rebuilt_has_what_it_was_promoted_with() {
    let rebuilt = with(holdings("0-2-120", "0-2-101", ""));
    let mine = with(holdings("0-1-5", "0-1-5", ""));
    assert!(matches!(follow(&mine, &rebuilt, "n2", None), Following::Hold(_)));
    let epoch = Epoch {
        server_id: 2,
        ..epoch("n2", 3, "0-1-5")
    };
    assert_eq!(follow(&mine, &rebuilt, "n2", Some(&epoch)), Following::Attach);
}
