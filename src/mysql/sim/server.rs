//! A stand-in for one MariaDB server: what it has, and what its statements do.
//!
//! Every behaviour here is one that real servers showed, in the test that is named beside it: a file under `tests/`, and
//! where that has many, the test in it.
//! What happens between two servers is in `flow.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::world::NAMES;
use crate::mysql::decide::Recovery;
use crate::mysql::gtid::mariadb::{self, GtidList};
use crate::mysql::gtid::{Holdings, Position};
use crate::mysql::state::{self, Disk, SemiSync, Thread, ThreadError};
use crate::mysql::why::NO_FALLBACK_MS;

/// `0-server-sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Gtid {
    pub(super) server: u32,
    pub(super) sequence: u64,
}

/// A transaction: `key` is what it wrote. Two transactions may have one GTID, where a server gave it out again after it
/// lost the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Transaction {
    pub(super) gtid: Gtid,
    pub(super) key: char,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Process {
    Absent,
    Running,
    /// Stopped by a signal: does not answer, and loses nothing.
    Frozen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Receiver {
    Stopped,
    /// The source said that it does not have what was asked for: error 1236, not tried again: on_mariadb/facts.rs.
    Refused,
    Connecting,
    Connected,
    /// The other end is gone; what it sent may still arrive.
    Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Applier {
    Stopped,
    Running,
    /// A transaction is out of order: error 1950: on_mariadb/facts.rs.
    Failed,
}

/// In the relay log. A transaction of the server's own is not queued, only its position is: on_mariadb/facts.rs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Relayed {
    pub(super) transaction: Transaction,
    pub(super) skipped: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) source: usize,
    pub(super) receiver: Receiver,
    pub(super) applier: Applier,
    /// Gtid_IO_Pos.
    pub(super) received: Option<Gtid>,
    pub(super) relay: Vec<Relayed>,
    /// On the way from the source.
    pub(super) sent: Vec<Transaction>,
    /// This connection acknowledges. The switch counts from the next connection on: replication/facts.rs; also from one
    /// that is made again by itself: on_mariadb/facts.rs.
    pub(super) acknowledges: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Fake {
    pub(super) id: u32,
    /// The number of its data: another after a restore.
    pub(super) data: u64,
    pub(super) process: Process,
    pub(super) read_only: bool,
    /// The source's side of semi-synchronous replication, with the number of acknowledgements.
    pub(super) armed: Option<usize>,
    /// The switch of the replica's side.
    pub(super) replica_enabled: bool,
    pub(super) binlog: Vec<Transaction>,
    /// So many at the end of the binary log wait for an acknowledgement.
    pub(super) waiting: usize,
    /// Rpl_semi_sync_master_no_tx: how often commits ended without an acknowledgement.
    pub(super) unacknowledged: u64,
    /// Up to where each replica acknowledged, as long as somebody waits for more than one of them.
    pub(super) acknowledged: BTreeMap<usize, usize>,
    /// So many at its end are removed by a crash recovery that truncates. Also the last one that a client was told of:
    /// on_mariadb/recovery.rs, on_mariadb/facts.rs.
    pub(super) doubtful: usize,
    /// gtid_slave_pos.
    pub(super) applied: Option<Gtid>,
    pub(super) link: Option<Link>,
    /// It is further behind than the limit.
    pub(super) lags: bool,
}

impl Fake {
    pub(super) fn new(node: usize) -> Fake {
        Fake {
            id: u32::try_from(node + 1).unwrap(),
            data: 1,
            process: Process::Absent,
            read_only: true,
            armed: None,
            replica_enabled: false,
            binlog: Vec::new(),
            waiting: 0,
            unacknowledged: 0,
            acknowledged: BTreeMap::new(),
            doubtful: 0,
            applied: None,
            link: None,
            lags: false,
        }
    }

    pub(super) fn has(&self, key: char) -> bool {
        self.binlog.iter().any(|transaction| transaction.key == key)
    }

    /// Has it, executed or not.
    pub(super) fn holds(&self, key: char) -> bool {
        let relay = self.link.iter().flat_map(|link| &link.relay);
        let mut relayed = relay.filter(|relayed| !relayed.skipped);
        self.has(key) || relayed.any(|relayed| relayed.transaction.key == key)
    }

    /// Commits whose clients were told nothing yet.
    pub(super) fn waiting(&self) -> &[Transaction] {
        &self.binlog[self.binlog.len() - self.waiting..]
    }

    /// Whoever waits, waits no more.
    pub(super) fn end_waiting(&mut self) {
        self.unacknowledged += u64::from(self.waiting > 0);
        self.waiting = 0;
        self.acknowledged.clear();
    }

    /// A replica acknowledged everything up to `place`: returns whose clients are told OK by that.
    pub(super) fn count(&mut self, replica: usize, place: usize) -> Vec<char> {
        let Some(needed) = self.armed else { return Vec::new() };
        let before = self.binlog.len() - self.waiting;
        self.acknowledged.insert(replica, place + 1);
        let mut places: Vec<usize> = self.acknowledged.values().copied().collect();
        places.sort_unstable_by(|one, other| other.cmp(one));
        let everybody = places.get(needed.saturating_sub(1)).copied().unwrap_or_default();
        let freed: Vec<char> = self.binlog[before..everybody.max(before)]
            .iter()
            .map(|t| t.key)
            .collect();
        self.waiting -= freed.len();
        if self.waiting == 0 {
            self.acknowledged.clear();
        }
        freed
    }

    /// The GTID that the next commit gets: after a truncation one that was given out before: on_mariadb/facts.rs.
    pub(super) fn next_gtid(&self) -> Gtid {
        let last = self.binlog.last().map_or(0, |last| last.gtid.sequence);
        let applied = self.applied.map_or(0, |applied| applied.sequence);
        Gtid {
            server: self.id,
            sequence: last.max(applied) + 1,
        }
    }

    /// The process ends without warning. Commits that waited are told nothing: on_mariadb/recovery.rs.
    pub(super) fn crash(&mut self, loses_last: bool) {
        if self.process == Process::Absent {
            return;
        }
        self.doubtful = (self.waiting + usize::from(loses_last)).min(self.binlog.len());
        self.end();
    }

    /// An ordinary shutdown: what waited is committed, its clients are told nothing, and no truncation drops it later:
    /// on_mariadb/facts.rs.
    pub(super) fn shut_down(&mut self) {
        if self.process != Process::Absent {
            self.doubtful = 0;
            self.end();
        }
    }

    fn end(&mut self) {
        self.process = Process::Absent;
        self.read_only = true;
        self.lags = false;
        self.waiting = 0;
        self.unacknowledged = 0;
        self.acknowledged.clear();
        self.armed = None;
        self.replica_enabled = false;
        if let Some(link) = &mut self.link {
            link.receiver = Receiver::Stopped;
            link.applier = Applier::Stopped;
            // It is still on disk; but no start of replication leaves it there: on_mariadb/relay_log.rs.
            link.relay.clear();
            link.sent.clear();
            link.received = None;
            link.acknowledges = false;
        }
    }

    /// Up, closed, following nobody yet: server/start.rs. The tail is dropped: on_mariadb/recovery.rs; or kept:
    /// replication/diverged.rs::a_killed_primary_keeps_its_tail_where_the_election_was_not_proven.
    pub(super) fn launch(&mut self, recovery: Recovery) {
        if recovery == Recovery::Truncate {
            let kept = self.binlog.len() - self.doubtful;
            let lost = self.binlog.split_off(kept);
            // The position of what was applied is written in the same transaction.
            if self
                .applied
                .is_some_and(|applied| lost.iter().any(|gone| gone.gtid == applied))
            {
                let replicated = self
                    .binlog
                    .iter()
                    .rev()
                    .find(|transaction| transaction.gtid.server != self.id);
                self.applied = replicated.map(|transaction| transaction.gtid);
            }
        }
        self.doubtful = 0;
        self.process = Process::Running;
        self.read_only = true;
    }

    /// START SLAVE. With both threads stopped it deletes the relay log: on_mariadb/relay_log.rs.
    pub(super) fn start_replication(&mut self) {
        self.begin_where_nothing_runs();
        if let Some(link) = &mut self.link {
            link.applier = Applier::Running;
            if matches!(link.receiver, Receiver::Stopped | Receiver::Refused) {
                link.receiver = Receiver::Connecting;
            }
        }
    }

    /// START SLAVE SQL_THREAD. Where a receiver runs, what was received is executed: replication/received.rs; with both
    /// stopped it is deleted: on_mariadb/relay_log.rs.
    pub(super) fn start_applier(&mut self) {
        self.begin_where_nothing_runs();
        if let Some(link) = &mut self.link {
            link.applier = Applier::Running;
        }
    }

    /// START SLAVE IO_THREAD: on_mariadb/relay_log.rs.
    pub(super) fn start_receiver(&mut self) {
        self.begin_where_nothing_runs();
        if let Some(link) = &mut self.link {
            link.receiver = Receiver::Connecting;
        }
    }

    fn begin_where_nothing_runs(&mut self) {
        let applied = self.applied;
        if let Some(link) = self.link.as_mut().filter(|link| {
            link.applier != Applier::Running && matches!(link.receiver, Receiver::Stopped | Receiver::Refused)
        }) {
            link.relay.clear();
            link.received = applied;
        }
    }

    /// STOP SLAVE. What was received is still known, and still there: on_mariadb/relay_log.rs.
    pub(super) fn stop_replication(&mut self) {
        self.stop_receiver();
        if let Some(link) = self.link.as_mut().filter(|link| link.applier == Applier::Running) {
            link.applier = Applier::Stopped;
        }
    }

    pub(super) fn stop_receiver(&mut self) {
        if let Some(link) = self.link.as_mut().filter(|link| link.receiver != Receiver::Refused) {
            link.receiver = Receiver::Stopped;
            link.sent.clear();
            link.acknowledges = false;
        }
    }

    /// CHANGE MASTER TO: deletes the relay log: on_mariadb/relay_log.rs.
    pub(super) fn change_source(&mut self, source: usize) {
        self.link = Some(Link {
            source,
            receiver: Receiver::Stopped,
            applier: Applier::Stopped,
            received: None,
            relay: Vec::new(),
            sent: Vec::new(),
            acknowledges: false,
        });
    }

    /// What `Database::observe` reads. The counts of replicas are the world's.
    pub(super) fn observe(&self, replicas: &[bool], most: usize) -> state::Server {
        let list = |gtid: Option<Gtid>| gtid.map(entry).into_iter().collect::<GtidList>();
        let last = self.binlog.last().map(|last| last.gtid);
        state::Server {
            version: String::new(),
            server_id: self.id,
            server_uuid: String::new(),
            read_only: self.read_only,
            closed: self.read_only,
            unprovable: None,
            not_durable: None,
            survives_kill: true,
            disk: Disk::Fine,
            skips_own: false,
            bypassing: Some(Vec::new()),
            binlog_base: String::new(),
            binlog_position: Position::MariaDb(list(last)),
            holdings: Holdings::MariaDb(mariadb::Holdings {
                history: self.binlog.iter().map(|transaction| entry(transaction.gtid)).collect(),
                applied: list(self.applied),
                received: list(self.link.as_ref().and_then(|link| link.received)),
            }),
            keeps_received: false,
            link: self.link.as_ref().map(|link| self.observe_link(link)),
            semi_sync: SemiSync {
                source_enabled: self.armed.is_some(),
                strict: true,
                timeout_ms: NO_FALLBACK_MS,
                fell_back: false,
                acknowledgements: self.armed.unwrap_or(1),
                most,
                clients: replicas.iter().filter(|acknowledges| **acknowledges).count(),
                connected: replicas.len(),
                unacknowledged: self.unacknowledged,
                waiting: u64::try_from(self.waiting).unwrap(),
                replica_enabled: self.replica_enabled,
                replica_acknowledges: self.link.as_ref().is_some_and(|link| link.acknowledges),
            },
        }
    }

    fn observe_link(&self, link: &Link) -> state::Link {
        let error = |code| ThreadError {
            code,
            text: String::new(),
        };
        let running = matches!(link.receiver, Receiver::Connected | Receiver::Ending);
        let lag = if self.lags {
            Duration::from_secs(3600)
        } else {
            Duration::ZERO
        };
        state::Link {
            source: NAMES[link.source].to_owned(),
            receiver: match link.receiver {
                Receiver::Stopped | Receiver::Refused => Thread::Stopped,
                Receiver::Connecting => Thread::Connecting,
                Receiver::Connected | Receiver::Ending => Thread::Running,
            },
            applier: match link.applier {
                Applier::Running => Thread::Running,
                Applier::Stopped | Applier::Failed => Thread::Stopped,
            },
            receiver_error: (link.receiver == Receiver::Refused).then(|| error(1236)),
            applier_error: (link.applier == Applier::Failed).then(|| error(1950)),
            lag: (running && link.applier == Applier::Running).then_some(lag),
            filter: None,
        }
    }
}

fn entry(gtid: Gtid) -> mariadb::Gtid {
    mariadb::Gtid {
        domain: 0,
        server: gtid.server,
        sequence: gtid.sequence,
    }
}

/// The GTID in a position of one domain.
pub(super) fn gtid(position: &Position) -> Option<Gtid> {
    let text = position.to_string();
    let (_, rest) = text.split_once('-')?;
    let (server, sequence) = rest.split_once('-')?;
    Some(Gtid {
        server: server.parse().ok()?,
        sequence: sequence.parse().ok()?,
    })
}
