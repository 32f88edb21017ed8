//! A healthy replica and what can be changed about it; the decisions of start and follow.

mod monitor;
mod promote;

use super::*;
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
    }
}

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
