//! What a node can see of its server, and what the nodes tell each other: plain data.
//!
//! Invariant: no I/O here, no decisions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gtid::{GtidList, Holdings};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    Running,
    /// The receiver has lost its source and tries again.
    Connecting,
    Stopped,
}

/// An error that a replication thread stopped with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ThreadError {
    pub(crate) code: u32,
    pub(crate) text: String,
}

/// A configured replication connection.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SemiSync {
    /// This server waits for acknowledgements before a commit returns.
    pub(crate) source_enabled: bool,
    pub(crate) replica_enabled: bool,
    /// It waits before the transaction is visible to others.
    pub(crate) after_sync: bool,
    pub(crate) timeout_ms: u64,
    /// Replicas connected that acknowledge.
    pub(crate) clients: u64,
    /// Sessions waiting for an acknowledgement right now.
    pub(crate) waiting: u64,
}

/// A server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) version: String,
    pub(crate) server_id: u32,
    pub(crate) read_only: bool,
    pub(crate) gtid_strict: bool,
    pub(crate) log_bin: bool,
    pub(crate) log_replica_updates: bool,
    /// The first setting that lets a crash of the machine lose what was confirmed, with the value it should have.
    pub(crate) not_durable: Option<String>,
    /// Path of the binary logs without their number; empty when there are none.
    pub(crate) binlog_base: String,
    /// Last transaction in the binary log, per domain.
    pub(crate) binlog_position: GtidList,
    pub(crate) holdings: Holdings,
    pub(crate) link: Option<Link>,
    pub(crate) semi_sync: SemiSync,
}

impl Server {
    /// Whether replication runs or ran since the server was started. After a restart the connection is still
    /// configured, but the server cannot say what it had received, and starting it deletes the relay log.
    pub(crate) fn is_attached(&self) -> bool {
        self.link.as_ref().is_some_and(|link| {
            let fresh = link.receiver == Thread::Stopped
                && link.applier == Thread::Stopped
                && link.receiver_error.is_none()
                && link.applier_error.is_none();
            !(fresh && self.holdings.received.is_empty())
        })
    }
}

/// Which role this node last took, kept over restarts in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    Primary,
    Replica,
}

/// This node's own memory: one small file, durable before any change of role takes effect. Files of other versions of
/// this program must stay readable: what they do not say has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) role: Role,
    /// The epoch in which this node was last promoted; 0 when never.
    pub(crate) epoch: u64,
    /// Whether the server was demoted in order after that. A crashed primary was not.
    pub(crate) closed: bool,
    /// Path of the binary logs, for the time when the server is down.
    pub(crate) binlog_base: String,
    /// Whether this node was found to have what the primary does not have.
    pub(crate) held: bool,
    /// Set while the source is being changed: until that is done, what the server says it received may be gone.
    pub(crate) changing_source: bool,
    /// What this node had received when it last voted: once it is executed, a restart has lost nothing. Kept until this
    /// node follows who was elected.
    pub(crate) voted: Option<Voted>,
}

impl Record {
    /// Whether somebody was promoted since this node voted, and it has not followed since.
    pub(crate) fn missed(&self, epoch: Option<&Epoch>) -> bool {
        let voted = self.voted.as_ref().zip(epoch);
        voted.is_some_and(|(voted, epoch)| epoch.number > voted.epoch)
    }
}

/// What a node had received when it voted in the election that ends `epoch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Voted {
    pub(crate) epoch: u64,
    pub(crate) received: GtidList,
}

impl Default for Record {
    fn default() -> Record {
        Record {
            role: Role::Replica,
            epoch: 0,
            closed: true,
            binlog_base: String::new(),
            held: false,
            changing_source: false,
            voted: None,
        }
    }
}

/// The reign of one primary, in the cluster's configuration: survives a full outage of all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    pub(crate) number: u64,
    pub(crate) node: String,
    pub(crate) server_id: u32,
    /// What the primary had executed when it was promoted.
    pub(crate) position: GtidList,
    pub(crate) opened_at: String,
    /// With what the promotion was compared.
    pub(crate) evidence: String,
    /// Whether every instance of the clone took part, the former primary excepted.
    #[serde(default)]
    pub(crate) proven: bool,
}

/// What a node tells the others before an election.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vote {
    /// The epoch that this election ends: an older vote is from another election.
    pub(crate) epoch: u64,
    pub(crate) ballot: Ballot,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ballot {
    Holds(Holdings),
    /// No server runs here, proven.
    NoServer,
    /// A server runs and does not say what it holds: it may hold what nobody else has.
    Unknown,
    /// Held back because it has transactions that the primary did not have. It acknowledged nothing since, and what
    /// it has beyond the primary must neither be fetched nor block the others.
    Held,
}
