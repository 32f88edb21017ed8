//! A healthy replica and what can be changed about it; the decisions of start and follow.

mod archive;
mod durability;
mod large;
mod monitor;
mod promote;
mod proof;
mod received;

use super::*;
use crate::mysql::gtid::Position;
use crate::mysql::gtid::mariadb::{self, GtidList};
use crate::mysql::state::{Answer, Disk, Link, Thread};
use crate::mysql::state::{Claim, SemiSync, ThreadError};
use crate::mysql::why::NO_FALLBACK_MS;
use crate::sys::process::Process;

pub(super) const POLICY: Policy = Policy {
    promotable: true,
    semi_sync: true,
    loss: Loss::Never,
    max_lag: Duration::from_secs(60),
};

pub(super) fn list(text: &str) -> Position {
    Position::parse(text).unwrap()
}

pub(super) fn holdings(history: &str, applied: &str, received: &str) -> Holdings {
    let list = |text| GtidList::parse(text).unwrap();
    Holdings::MariaDb(mariadb::Holdings {
        history: list(history),
        applied: list(applied),
        received: list(received),
    })
}

pub(super) fn link() -> Link {
    Link {
        source: "n1".to_owned(),
        receiver: Thread::Running,
        applier: Thread::Running,
        receiver_error: None,
        applier_error: None,
        lag: Some(Duration::ZERO),
        filter: None,
    }
}

/// A healthy replica of n1 that executed everything it received.
pub(super) fn server() -> Server {
    Server {
        version: "11.8.6-MariaDB".to_owned(),
        server_id: 2,
        read_only: true,
        closed: true,
        server_uuid: String::new(),
        unprovable: None,
        not_durable: None,
        survives_kill: true,
        disk: Disk::Fine,
        skips_own: false,
        bypassing: Some(Vec::new()),
        binlog_base: "/var/lib/mysql/binlog".to_owned(),
        binlog_position: list("0-1-5"),
        holdings: holdings("0-1-5", "0-1-5", "0-1-5"),
        keeps_received: false,
        link: Some(link()),
        semi_sync: SemiSync {
            source_enabled: false,
            strict: true,
            timeout_ms: NO_FALLBACK_MS,
            fell_back: false,
            acknowledgements: 1,
            most: 1,
            clients: 0,
            connected: 0,
            waiting: 0,
            unacknowledged: 0,
            replica_enabled: true,
            replica_acknowledges: true,
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
        ..Record::default()
    }
}

/// Of a replica that had a part in something only where there was an epoch.
pub(super) fn record_in(epoch: Option<&Epoch>) -> Record {
    let record = record(Role::Replica);
    Record {
        epoch: epoch.map_or(0, |_| record.epoch),
        ..record
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
        doubted: 0,
        claim: claim(&["n2", "n3"], 1, position),
    }
}

/// The ackers, each admitted by the first change.
pub(super) fn claim(ackers: &[&str], needed: usize, floor: &str) -> Claim {
    Claim {
        ackers: ackers.iter().map(|node| ((*node).to_owned(), 1)).collect(),
        needed,
        floor: list(floor),
        admissions: 1,
    }
}

#[test]
fn only_a_crashed_primary_with_a_proven_successor_drops_its_tail() {
    let crashed = record(Role::Primary);
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
    let later = |doubted| Epoch {
        doubted,
        ..epoch("n1", 6, "")
    };
    assert_eq!(
        boot(&crashed, Some(&later(5))),
        commit,
        "an election in between lost it"
    );
    assert_eq!(boot(&crashed, Some(&later(3))), truncate, "the doubt is older");
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

#[test]
fn a_reign_is_entered_once_and_as_soon_as_somebody_receives_it() {
    let primary = Server {
        read_only: false,
        link: None,
        ..server()
    };
    let serving = Server {
        semi_sync: SemiSync {
            source_enabled: true,
            clients: 1,
            connected: 1,
            ..primary.semi_sync.clone()
        },
        ..primary.clone()
    };
    let record = record(Role::Primary);
    assert!(reign_is_due(&serving, &record));
    let entered = Record {
        entered: 3,
        ..record.clone()
    };
    assert!(!reign_is_due(&serving, &entered));
    assert!(!reign_is_due(&primary, &record), "no replica is there");
    let deaf = Server {
        semi_sync: SemiSync {
            clients: 0,
            ..serving.semi_sync.clone()
        },
        ..serving.clone()
    };
    assert!(!reign_is_due(&deaf, &record), "the commit would wait");
    let closed = Server {
        read_only: true,
        ..serving
    };
    assert!(!reign_is_due(&closed, &record));
}

#[test]
fn a_promotion_that_was_not_proven_is_remembered_by_later_epochs() {
    let doubtful = Epoch {
        proven: false,
        ..epoch("n1", 4, "")
    };
    let next = |last: &Epoch| Epoch {
        doubted: last.last_doubted(),
        ..epoch("n3", last.number + 1, "")
    };
    let (fifth, sixth) = (next(&doubtful), next(&next(&doubtful)));
    assert_eq!((fifth.last_doubted(), sixth.last_doubted()), (4, 4));
    assert!(!sixth.succeeds(3) && sixth.succeeds(4) && sixth.succeeds(5) && !sixth.succeeds(6));
}

fn with(holdings: Holdings) -> Server {
    Server { holdings, ..server() }
}

/// It would skip them, and go on without them.
#[test]
fn a_server_that_skips_its_own_transactions_does_not_follow_who_has_some_that_it_lacks() {
    let mut mine = server();
    mine.server_id = 1;
    mine.holdings = holdings("0-1-3", "0-1-3", "0-1-3");
    assert_eq!(follow(&mine, &server(), "n1", None), Following::Attach);
    mine.skips_own = true;
    let held = follow(&mine, &server(), "n1", None);
    assert_eq!(held, Following::Hold(Why::LacksOwn("n1".to_owned())));
    mine.holdings = holdings("0-1-5", "0-1-5", "0-1-5");
    assert_eq!(follow(&mine, &server(), "n1", None), Following::Attach);
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
        unprovable: Some("gtid_strict_mode=ON".to_owned()),
        ..server()
    };
    assert_eq!(
        follow(&loose, &server(), "n1", None),
        Following::Hold(Why::Unprovable("gtid_strict_mode=ON".to_owned()))
    );
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
