//! What a node can see of its server, and what the nodes tell each other: plain data.
//!
//! Invariant: no I/O here, no decisions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gtid::{Holdings, Position};
pub(crate) use super::memory::{Record, Resigned, Role, Voted};
use super::why::NO_FALLBACK_MS;
use crate::sys::process::Process;

/// The server process that owns the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// Proven: nobody holds the data directory's lock and no server works in it.
    Absent,
    Running(Process),
}

/// How the server answered a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Facts(Box<Server>),
    /// It answered and let us not in (too many connections, wrong account): alive, and nothing more is known.
    Alive(String),
    /// No answer within the time given, or nobody listens.
    Silent(String),
}

/// One look at the local server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Absent,
    Running(Process, Answer),
}

/// The state of one replication thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Thread {
    Running,
    /// The receiver has lost its source and tries again.
    Connecting,
    Stopped,
}

/// An error that a replication thread stopped with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ThreadError {
    pub(crate) code: u32,
    pub(crate) text: String,
}

/// A configured replication connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    /// Address of the source, as configured.
    pub(crate) source: String,
    pub(crate) receiver: Thread,
    pub(crate) applier: Thread,
    pub(crate) receiver_error: Option<ThreadError>,
    pub(crate) applier_error: Option<ThreadError>,
    /// Unknown while the receiver is not connected.
    pub(crate) lag: Option<Duration>,
    /// The first setting by which the applier leaves out a part of what it receives.
    pub(crate) filter: Option<String>,
}

/// Semi-synchronous replication, both sides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SemiSync {
    /// This server waits for acknowledgements before a commit returns.
    pub(crate) source_enabled: bool,
    /// It waits before the transaction is visible to others, also where no replica is connected.
    pub(crate) strict: bool,
    pub(crate) timeout_ms: u64,
    /// It gave up waiting, and goes on without.
    pub(crate) fell_back: bool,
    /// For how many acknowledgements a commit waits.
    pub(crate) acknowledgements: usize,
    /// For how many this server can be made to wait; 0: it knows nothing of acknowledgements.
    pub(crate) most: usize,
    /// Replicas connected that acknowledge.
    pub(crate) clients: usize,
    /// Replicas connected, whether they acknowledge or not.
    pub(crate) connected: usize,
    /// Sessions waiting for an acknowledgement right now.
    pub(crate) waiting: u64,
    /// Commits that ended without one although the server waits: each may have been told OK.
    pub(crate) unacknowledged: u64,
    /// The replica is told to acknowledge, from the next time that it connects.
    pub(crate) replica_enabled: bool,
    /// The replica does acknowledge.
    pub(crate) replica_acknowledges: bool,
}

impl SemiSync {
    /// How many replicas have received whatever a client is told; 0 where that is not certain.
    pub(crate) fn waits_for(&self) -> usize {
        let certain = self.source_enabled && self.strict && self.timeout_ms >= NO_FALLBACK_MS && !self.fell_back;
        if certain { self.acknowledgements } else { 0 }
    }
}

/// Whether what the server stores its data on takes writes, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Disk {
    Fine,
    /// There is hardly any room left, where and how much.
    Full(String),
    /// A write was not done in time, or failed.
    Stuck(String),
    /// The agent's account may not write: how it was refused, and what mends that.
    Untested(String),
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) version: String,
    pub(crate) server_id: u32,
    /// Empty where servers have none.
    pub(crate) server_uuid: String,
    /// Applications cannot write.
    pub(crate) read_only: bool,
    /// It is as closed as this kind of server can be.
    pub(crate) closed: bool,
    /// The first setting without which positions prove nothing, with the value it must have.
    pub(crate) unprovable: Option<String>,
    /// The first setting that lets a crash of the machine lose what was confirmed, with the value it should have.
    pub(crate) not_durable: Option<String>,
    /// Whether a killed server has executed all that is in its binary log. Otherwise its tables may lack what its history
    /// says that it has.
    pub(crate) survives_kill: bool,
    pub(crate) disk: Disk,
    /// Accounts, beside the administrator's, that may write to a read-only server; None: the agent may not ask.
    pub(crate) bypassing: Option<Vec<String>>,
    /// Path of the binary logs without their number; empty when there are none.
    pub(crate) binlog_base: String,
    /// Last transaction in the binary log, per domain.
    pub(crate) binlog_position: Position,
    pub(crate) holdings: Holdings,
    /// It never takes its own transactions back from another server: it skips what has its number.
    pub(crate) skips_own: bool,
    /// What was received and not executed survives a restart of the server.
    pub(crate) keeps_received: bool,
    pub(crate) link: Option<Link>,
    pub(crate) semi_sync: SemiSync,
}

impl Server {
    /// The transactions that this server wrote itself.
    pub(crate) fn own_transactions(&self) -> Position {
        self.holdings.written_by(self.server_id, &self.server_uuid)
    }

    /// Whether this server lost transactions of its own that `other` has, executed or not. A receiver skips them without an error, unless
    /// it acknowledges (MariaDB).
    pub(crate) fn lost_own(&self, other: &Holdings) -> bool {
        !self.holdings.has_own(other, self.server_id, &self.server_uuid)
    }

    /// Whether replication runs or ran since the server was started. After a restart the connection is still configured,
    /// and where the relay log does not survive the server cannot say what it had received: starting it deletes that.
    pub(crate) fn is_attached(&self) -> bool {
        self.link.as_ref().is_some_and(|link| {
            let fresh = link.receiver == Thread::Stopped
                && link.applier == Thread::Stopped
                && link.receiver_error.is_none()
                && link.applier_error.is_none();
            !(fresh && (self.keeps_received || self.holdings.is_received_empty()))
        })
    }
}

/// The reign of one primary, in the cluster's configuration: survives a full outage of all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Epoch {
    pub(crate) number: u64,
    pub(crate) node: String,
    pub(crate) server_id: u32,
    /// What the primary had executed when it was promoted.
    pub(crate) position: Position,
    pub(crate) opened_at: String,
    /// With what the promotion was compared.
    pub(crate) evidence: String,
    /// Whether it was proven that nothing acknowledged is missing.
    #[serde(default)]
    pub(crate) proven: bool,
    /// The last epoch before this one whose promotion was not proven; 0 when all were.
    #[serde(default)]
    pub(crate) doubted: u64,
    #[serde(flatten)]
    pub(crate) claim: Claim,
}

impl Epoch {
    /// The last epoch up to this one whose promotion was not proven; 0 when all were.
    pub(crate) fn last_doubted(&self) -> u64 {
        if self.proven { self.doubted } else { self.number }
    }

    /// Whether this epoch came after `earlier`, and every promotion since was proven: then its primary has all that was
    /// acknowledged in the earlier one.
    pub(crate) fn succeeds(&self, earlier: u64) -> bool {
        self.number > earlier && self.last_doubted() <= earlier
    }
}

/// Who has what clients were told: every transaction that was acknowledged in an epoch is covered by `floor`, or at
/// least `needed` of `ackers` have received it. See `decide/durability.rs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Claim {
    /// The replicas that may acknowledge, each with the number of its admission.
    pub(crate) ackers: BTreeMap<String, u64>,
    /// 0: perhaps only the primary has it.
    pub(crate) needed: usize,
    pub(crate) floor: Position,
    /// The number of the last change. An admission has the number of the change that brought it.
    pub(crate) admissions: u64,
}

/// What a replica tells the primary about its duty to acknowledge, in an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) epoch: u64,
    /// It follows the primary, is whole and not far behind.
    pub(crate) ready: bool,
    /// The admission that it gave up: it acknowledges nothing on the strength of this or an earlier one.
    pub(crate) resigned: Option<u64>,
}

impl Standing {
    pub(crate) fn has_resigned(&self, admission: u64) -> bool {
        self.resigned.is_some_and(|resigned| resigned >= admission)
    }
}

/// What a node tells the others before an election.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Vote {
    /// The epoch that this election ends: an older vote is from another election.
    pub(crate) epoch: u64,
    pub(crate) ballot: Ballot,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ballot {
    Holds(Holdings),
    /// This node has executed this, and cannot say what else it had received: it restarted since.
    Restarted(Holdings),
    /// No server runs here, proven.
    NoServer,
    /// A server runs and does not say what it holds: it may hold what nobody else has.
    Unknown,
    /// Held back because it has transactions that the primary did not have. It acknowledged nothing since, and what
    /// it has beyond the primary must neither be fetched nor block the others.
    Held,
}
