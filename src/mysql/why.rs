//! Every reason that a decision can give, with its one English sentence.
//!
//! The same sentence appears in the exit reason, in the log and in `crm_mon`. `thiserror` only writes the `Display` here:
//! a reason is a value that a decision returns, never an `Err`. Invariant: no I/O here.

use std::time::Duration;

use super::gtid::GtidList;
use super::state::ThreadError;

/// The largest timeout that every version takes: 49.7 days. There is no "infinite".
pub(crate) const NO_FALLBACK_MS: u64 = 4_294_967_295;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    // The state of a server.
    #[error("the server process runs but does not answer: {0}")]
    NotAnswering(String),
    #[error("the server is alive but refuses the agent's connection: {0}")]
    NoLogin(String),
    #[error("the server is writable although the cluster did not promote it; somebody switched read_only off")]
    WritableReplica,
    #[error("the primary is read-only; somebody switched read_only on")]
    ReadOnlyPrimary,
    #[error(
        "semi-synchronous replication is not armed on the primary: acknowledged writes may be lost; set \
         rpl_semi_sync_master_enabled=ON, wait_point=AFTER_SYNC, timeout={NO_FALLBACK_MS}"
    )]
    SemiSyncNotArmed,
    #[error("no replica acknowledges: commits wait until one is connected again")]
    NoAcknowledgingReplica,
    #[error("gtid_strict_mode is off: set it in the server's configuration file")]
    NotStrict,
    #[error("log_bin or log_slave_updates is off: a promotion cannot be proven; set both in the configuration file")]
    NoBinaryLog,
    #[error("a crash of the machine may lose confirmed transactions: the server should have {0}")]
    NotDurable(String),

    // The state of replication.
    #[error("the replica cannot receive: error {}: {}", .0.code, .0.text)]
    ReceiverFailed(ThreadError),
    #[error("the replica cannot apply: error {}: {}; repair the data, then START SLAVE SQL_THREAD", .0.code, .0.text)]
    ApplierFailed(ThreadError),
    #[error("this node cannot follow primary {primary}: {how}")]
    CannotFollow { primary: String, how: String },
    #[error("a replication thread was stopped by hand; START SLAVE resumes it")]
    ReplicationStopped,
    #[error("the replica is {} s behind, the limit is {} s", .lag.as_secs(), .limit.as_secs())]
    Lagging { lag: Duration, limit: Duration },
    /// This node executed what the primary does not have.
    #[error(
        "this node has transactions up to {extra} that primary {primary} does not have; it is held as it is: compare \
         the data, then rebuild this node from a backup of the primary"
    )]
    AheadOfPrimary { primary: String, extra: GtidList },
    /// This node received what the primary does not have, and could not execute it.
    #[error(
        "this node received transactions up to {extra}, which primary {primary} does not have, and has not executed \
         them; its relay log is kept: repair the applier, or extract them with mariadb-binlog"
    )]
    ReceivedBeyondPrimary { primary: String, extra: GtidList },
    #[error("this node is held back: it has transactions that the last primary did not have")]
    HeldBack,

    // What forbids a promotion.
    #[error(
        "the cluster did not say that it promotes this node and who survives: only Pacemaker may promote, and the \
         clone needs the meta attribute notify=true"
    )]
    NotInTransition,
    #[error("{0} is primary: set the meta attribute promoted-max=1, there can be only one")]
    OtherPrimary(String),
    #[error("{0}, the former primary, still answers and is writable: it was not demoted or fenced as it should be")]
    FormerPrimaryServes(String),
    #[error("{} did not say what they received, so nothing proves that this node has everything", .nodes.join(", "))]
    NoVote { nodes: Vec<String> },
    #[error(
        "this node and {node} diverged: {node} has up to {theirs}, this node has up to {ours}; decide which is right \
         and rebuild the other"
    )]
    Diverged {
        node: String,
        theirs: GtidList,
        ours: GtidList,
    },
    #[error("this node is older than epoch {epoch}: {node} was promoted with {position}, which is not all here")]
    OlderThanEpoch {
        epoch: u64,
        node: String,
        position: GtidList,
    },
    #[error(
        "transactions up to {0} were received but replication is stopped; starting it now would delete them from the \
         relay log"
    )]
    TailWithoutApplier(GtidList),
    /// A replica that restarted while the primary was away.
    #[error(
        "this node restarted without reaching {node}, the primary of epoch {epoch}, so what it had received is \
         unknown: start {node}; if its data are lost for good, docs/operations.md says how to go on without it"
    )]
    Unproven { epoch: u64, node: String },
}
