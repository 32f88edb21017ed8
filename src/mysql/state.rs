//! What a node can see of its server, and what the nodes tell each other: plain data.
//!
//! Invariant: no I/O here, no decisions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gtid::{Holdings, Position};
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

/// Which role this node last took, kept over restarts in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    Primary,
    Replica,
}

/// This node's own memory: one small file, durable before any change of role takes effect. Files of other versions of
/// this program must stay readable: what they do not say has its default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) role: Role,
    /// Which data it is about; empty where nobody noted it.
    pub(crate) data: String,
    /// The epoch in which this node was last promoted; 0 when never.
    pub(crate) epoch: u64,
    /// The epoch that this node was about to open, noted before the cluster was told; without a meaning once it is open.
    pub(crate) opening: u64,
    /// Whether the server was demoted in order after that. A crashed primary was not.
    pub(crate) closed: bool,
    /// What its binary log held when it was promoted then, and when it was primary no more: what it wrote in between, it
    /// wrote as primary.
    pub(crate) began_at: Position,
    pub(crate) ended_at: Option<Position>,
    /// Path of the binary logs, for the time when the server is down.
    pub(crate) binlog_base: String,
    /// The last epoch of this node that was entered in the servers' own table of reigns, or that it tried to enter.
    pub(crate) entered: u64,
    /// Whether this node was found to have what the primary does not have.
    pub(crate) held: bool,
    /// Set while the source is being changed: until that is done, what the server says it received may be gone.
    pub(crate) changing_source: bool,
    /// What this node had received when it last voted: once it is executed, a restart has lost nothing. Kept until this
    /// node follows who was elected.
    pub(crate) voted: Option<Voted>,
    /// What the primary had when this node began to follow it once more. That deleted the relay log, and with it perhaps
    /// what this node had acknowledged: it knows what it received only once all of this is here again.
    pub(crate) refetches: Option<Voted>,
    /// The primary's own copy of what it claims, so that a monitor need not ask the cluster for it.
    pub(crate) claim: Claim,
    /// How many commits had ended without an acknowledgement when the floor of the claim was last moved.
    pub(crate) unacknowledged: u64,
    /// What this server had written itself when it last followed somebody: as a replica it writes nothing more.
    pub(crate) own: Option<Position>,
    /// The last epoch in which this replica may have acknowledged anything; the highest number where nobody noted it.
    pub(crate) acknowledged_in: u64,
    /// The duty to acknowledge that this replica gave up last.
    pub(crate) resigned: Option<Resigned>,
    /// The primary ran with settings by which a kill of the server loses what is in its history.
    pub(crate) unsynced: bool,
    /// The setting by which a crash of the machine may have lost what it confirmed, if it ran with one.
    pub(crate) not_durable: Option<String>,
    /// It ended so: its history proves nothing, until its data were replaced.
    pub(crate) distrusted: bool,
    /// The run of the machine in which this node was last promoted.
    pub(crate) boot: String,
    /// The machine ended under this server while it was primary. Kept until it follows somebody.
    pub(crate) machine_crashed: bool,
    /// Crash recovery dropped what this former primary had not confirmed. Until it has followed its successor, it must
    /// be told to acknowledge, or it skips its own transactions without an error (MariaDB).
    pub(crate) dropped_tail: bool,
}

impl Record {
    /// Whether this replica may acknowledge: it was admitted in this epoch, and has not resigned since.
    pub(crate) fn may_acknowledge(&self, epoch: &Epoch, own_name: &str) -> bool {
        let admitted = epoch.claim.ackers.get(own_name);
        let resigned = self.resigned.filter(|resigned| resigned.epoch == epoch.number);
        admitted.is_some_and(|admitted| resigned.is_none_or(|resigned| resigned.admission < *admitted))
    }

    /// What a node knows that found other data than it had, for example those of a backup: nothing. It may not resume a
    /// duty, and what such a server says it received, somebody else received.
    pub(crate) fn of_new_data(&self, data: String) -> Record {
        Record {
            data,
            resigned: self.resigned,
            changing_source: true,
            ..Record::default()
        }
    }

    /// Whether somebody was promoted since this node voted, and it has not followed since.
    pub(crate) fn missed(&self, epoch: Option<&Epoch>) -> bool {
        let voted = self.voted.as_ref().zip(epoch);
        voted.is_some_and(|(voted, epoch)| epoch.number > voted.epoch)
    }
}

/// What a node had received when it voted in the election that ends `epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Voted {
    pub(crate) epoch: u64,
    pub(crate) received: Position,
}

/// A replica that gave up its duty: it does not acknowledge before it is admitted anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Resigned {
    pub(crate) epoch: u64,
    /// Of which admission it was the end.
    pub(crate) admission: u64,
}

impl Default for Record {
    fn default() -> Record {
        Record {
            role: Role::Replica,
            data: String::new(),
            epoch: 0,
            opening: 0,
            closed: true,
            began_at: Position::default(),
            ended_at: None,
            binlog_base: String::new(),
            entered: 0,
            held: false,
            changing_source: false,
            voted: None,
            refetches: None,
            claim: Claim::default(),
            unacknowledged: 0,
            own: None,
            acknowledged_in: u64::MAX,
            resigned: None,
            unsynced: false,
            not_durable: None,
            distrusted: false,
            boot: String::new(),
            machine_crashed: false,
            dropped_tail: false,
        }
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
