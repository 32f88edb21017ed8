//! Every reason that a decision can give, with its one English sentence.
//!
//! The same sentence appears in the exit reason, in the log and in `crm_mon`. Invariant: no I/O here.

use std::fmt;
use std::time::Duration;

use super::gtid::GtidList;
use super::state::ThreadError;

/// The largest timeout that every version takes: 49.7 days. There is no "infinite".
pub(crate) const NO_FALLBACK_MS: u64 = 4_294_967_295;

/// One sentence for the exit reason, the log and the documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    NotAnswering(String),
    NoLogin(String),
    WritableReplica,
    ReadOnlyPrimary,
    SemiSyncNotArmed,
    NoAcknowledgingReplica,
    NotStrict,
    NoBinaryLog,
    ReceiverFailed(ThreadError),
    ApplierFailed(ThreadError),
    ReplicationStopped,
    Lagging {
        lag: Duration,
        limit: Duration,
    },
    /// This node executed what the primary does not have.
    AheadOfPrimary {
        primary: String,
        extra: GtidList,
    },
    /// This node received what the primary does not have, and could not execute it.
    ReceivedBeyondPrimary {
        primary: String,
        extra: GtidList,
    },
    NotDurable(String),
    HeldBack,
    NotInTransition,
    OtherPrimary(String),
    FormerPrimaryServes(String),
    NoVote {
        nodes: Vec<String>,
    },
    Diverged {
        node: String,
        theirs: GtidList,
        ours: GtidList,
    },
    OlderThanEpoch {
        epoch: u64,
        node: String,
        position: GtidList,
    },
    TailWithoutApplier(GtidList),
    /// A replica that restarted while the primary was away.
    Unproven {
        epoch: u64,
        node: String,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NotAnswering(how) => write!(f, "the server process runs but does not answer: {how}"),
            Why::NoLogin(how) => write!(f, "the server is alive but refuses the agent's connection: {how}"),
            Why::WritableReplica => write!(
                f,
                "the server is writable although the cluster did not promote it; somebody switched read_only off"
            ),
            Why::ReadOnlyPrimary => write!(f, "the primary is read-only; somebody switched read_only on"),
            Why::SemiSyncNotArmed => write!(
                f,
                "semi-synchronous replication is not armed on the primary: acknowledged writes may be lost; set \
                 rpl_semi_sync_master_enabled=ON, wait_point=AFTER_SYNC, timeout={NO_FALLBACK_MS}"
            ),
            Why::NoAcknowledgingReplica => {
                write!(f, "no replica acknowledges: commits wait until one is connected again")
            }
            Why::NotStrict => write!(f, "gtid_strict_mode is off: set it in the server's configuration file"),
            Why::NoBinaryLog => write!(
                f,
                "log_bin or log_slave_updates is off: a promotion cannot be proven; set both in the configuration file"
            ),
            Why::ReceiverFailed(e) => write!(f, "the replica cannot receive: error {}: {}", e.code, e.text),
            Why::ApplierFailed(e) => write!(
                f,
                "the replica cannot apply: error {}: {}; repair the data, then START SLAVE SQL_THREAD",
                e.code, e.text
            ),
            Why::ReplicationStopped => write!(f, "a replication thread was stopped by hand; START SLAVE resumes it"),
            Why::Lagging { lag, limit } => {
                write!(
                    f,
                    "the replica is {} s behind, the limit is {} s",
                    lag.as_secs(),
                    limit.as_secs()
                )
            }
            Why::AheadOfPrimary { primary, extra } => write!(
                f,
                "this node has transactions up to {extra} that primary {primary} does not have; it is held as it is: \
                 compare the data, then rebuild this node from a backup of the primary"
            ),
            Why::ReceivedBeyondPrimary { primary, extra } => write!(
                f,
                "this node received transactions up to {extra}, which primary {primary} does not have, and has not \
                 executed them; its relay log is kept: repair the applier, or extract them with mariadb-binlog"
            ),
            Why::NotDurable(setting) => {
                write!(
                    f,
                    "a crash of the machine may lose confirmed transactions: the server should have {setting}"
                )
            }
            Why::HeldBack => write!(
                f,
                "this node is held back: it has transactions that the last primary did not have"
            ),
            Why::NotInTransition => write!(
                f,
                "the cluster did not say that it promotes this node and who survives: only Pacemaker may promote, and \
                 the clone needs the meta attribute notify=true"
            ),
            Why::OtherPrimary(node) => {
                write!(
                    f,
                    "{node} is primary: set the meta attribute promoted-max=1, there can be only one"
                )
            }
            Why::FormerPrimaryServes(node) => write!(
                f,
                "{node}, the former primary, still answers and is writable: it was not demoted or fenced as it should be"
            ),
            Why::NoVote { nodes } => write!(
                f,
                "{} did not say what they received, so nothing proves that this node has everything",
                nodes.join(", ")
            ),
            Why::Diverged { node, theirs, ours } => write!(
                f,
                "this node and {node} diverged: {node} has up to {theirs}, this node has up to {ours}; decide which is \
                 right and rebuild the other"
            ),
            Why::OlderThanEpoch { epoch, node, position } => write!(
                f,
                "this node is older than epoch {epoch}: {node} was promoted with {position}, which is not all here"
            ),
            Why::Unproven { epoch, node } => write!(
                f,
                "this node restarted without reaching {node}, the primary of epoch {epoch}, so what it had received is \
                 unknown: start {node}; if its data are lost for good, docs/operations.md says how to go on without it"
            ),
            Why::TailWithoutApplier(tail) => write!(
                f,
                "transactions up to {tail} were received but replication is stopped; starting it now would delete \
                 them from the relay log"
            ),
        }
    }
}
