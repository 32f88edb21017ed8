//! Every reason that a decision can give, with its one English sentence.
//!
//! The same sentence appears in the exit reason, in the log and in `crm_mon`. `thiserror` only writes the `Display` here:
//! a reason is a value that a decision returns, never an `Err`. Invariant: no I/O here.

use std::time::Duration;

use super::gtid::Position;
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
    #[error("the server is writable although {node} was promoted since, in epoch {epoch}: it must be demoted")]
    HasSuccessor { node: String, epoch: u64 },
    #[error("accounts with CONNECTION_ADMIN may write: SET GLOBAL super_read_only=ON")]
    NotClosed,
    #[error("the primary is read-only; somebody switched read_only on")]
    ReadOnlyPrimary,
    #[error(
        "the primary does not wait for acknowledgements as it should (wait point AFTER_SYNC, timeout {NO_FALLBACK_MS}, \
         also without replicas): somebody changed that; what was acknowledged since may be on this node alone"
    )]
    SemiSyncNotArmed,
    #[error("the server answers and writes nothing: {0}")]
    DiskStuck(String),
    #[error("the disk is full: {0}; make room, for example with PURGE BINARY LOGS")]
    DiskFull(String),
    #[error("whether the disk takes writes is not found out, so write_timeout is without effect: {0}")]
    DiskUntested(String),
    #[error("commits wait for {needed} acknowledgements and {clients} replicas acknowledge")]
    TooFewAckers { needed: usize, clients: usize },
    #[error(
        "no replica acknowledges: what is committed now is on this node alone, and no other can follow it unproven"
    )]
    Alone,
    #[error("the histories of servers prove nothing without {0}: set it in the server's configuration file")]
    Unprovable(String),
    #[error(
        "semi-synchronous replication is not installed, so nothing that is acknowledged is known to be on another node: \
         INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so', and rpl_semi_sync_replica likewise (before MySQL \
         8.0.26: rpl_semi_sync_master, 'semisync_master.so', rpl_semi_sync_slave)"
    )]
    NoSemiSync,
    #[error(
        "a crash of the machine may lose confirmed transactions: SET GLOBAL {0}, and set it in the server's \
         configuration file"
    )]
    NotDurable(String),
    #[error(
        "{} may write to a read-only server, and so to one that is no longer the primary: REVOKE READ ONLY ADMIN, SUPER \
         ON *.* from them, drop the role that gives it, or name them in trusted_accounts", .0.join(", ")
    )]
    MayBypass(Vec<String>),
    #[error(
        "nobody looks for accounts that may write to a read-only server, as admin_user may not ask for them: GRANT SELECT ON \
         mysql.global_priv and GRANT SELECT ON mysql.roles_mapping to it"
    )]
    BypassUnknown,
    #[error(
        "this replica leaves out a part of what is committed ({0}), and no election notices what is missing: remove that from \
         the server's configuration file, and rebuild this node from a backup of the primary if it ever mattered"
    )]
    Filtered(String),

    // The state of replication.
    #[error("the replica cannot receive: error {}: {}", .0.code, .0.text)]
    ReceiverFailed(ThreadError),
    #[error("the replica cannot apply: error {}: {}; repair the data, then START REPLICA SQL_THREAD", .0.code, .0.text)]
    ApplierFailed(ThreadError),
    #[error("this node cannot follow primary {primary}: {how}")]
    CannotFollow { primary: String, how: String },
    #[error("a replication thread was stopped by hand; while the primary is up, START REPLICA resumes it")]
    ReplicationStopped,
    #[error("the replica is {} s behind, the limit is {} s", .lag.as_secs(), .limit.as_secs())]
    Lagging { lag: Duration, limit: Duration },
    /// This node executed what the primary does not have.
    #[error(
        "this node has transactions up to {extra} that primary {primary} does not have; it is held as it is: compare \
         the data, then rebuild this node from a backup of the primary"
    )]
    AheadOfPrimary { primary: String, extra: Position },
    /// This node received what the primary does not have, and could not execute it.
    #[error(
        "this node received transactions up to {extra}, which primary {primary} does not have, and has not executed \
         them; its relay log is kept: repair the applier, or extract them with mariadb-binlog"
    )]
    ReceivedBeyondPrimary { primary: String, extra: Position },
    #[error(
        "transactions up to {extra} were written on this replica, and primary {primary} does not have them: compare the \
         data, then rebuild this node from a backup of the primary"
    )]
    WrittenHere { primary: String, extra: Position },
    #[error(
        "this node is held: its server was killed while it ran with innodb_flush_log_at_trx_commit=0, so its tables may lack \
         what its history says that it has, and nothing would show it; rebuild it from a backup of the primary"
    )]
    LostInCrash,
    #[error(
        "this node is held: it lacks transactions that it wrote itself, as if its data were restored from a backup, and a \
         server of this kind skips its own when it receives them; rebuild it from a backup of primary {0}"
    )]
    LacksOwn(String),
    /// What was found then is in the log: the primary with which it was compared is away.
    #[error(
        "this node is held: when it was compared with the last primary it had transactions too many, or too few of its own, or \
         a crash had made its data untrustworthy; its log says which, and it is compared again once there is a primary"
    )]
    HeldBack,
    #[error("{why}; a copy of them is in {archive}")]
    Archived { why: Box<Why>, archive: String },
    #[error("{why}; there is no copy of them yet: {how}")]
    NotArchived { why: Box<Why>, how: String },

    // What forbids a promotion.
    #[error(
        "this node lacks transactions that it wrote itself and {0} has, and would skip them if it received them now: {0} must \
         be promoted in its place"
    )]
    LostOwn(String),
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
    #[error("{}", not_proven(*.epoch, .primary, *.needed, .ackers, .missing, *.restarted))]
    NotProven {
        epoch: u64,
        primary: String,
        /// How many of the ackers have whatever was acknowledged; 0: perhaps none.
        needed: usize,
        ackers: Vec<String>,
        /// Ackers that did not say what they had received.
        missing: Vec<String>,
        /// This node is one of them.
        restarted: bool,
    },
    #[error(
        "this node and {node} diverged: {node} has up to {theirs}, this node has up to {ours}; decide which is right \
         and rebuild the other"
    )]
    Diverged {
        node: String,
        theirs: Position,
        ours: Position,
    },
    #[error(
        "the cluster's configuration says epoch {epoch}, and this node had a part in epoch {later}: somebody put an older \
         configuration in its place; put back the option baton-RESOURCE-epoch that it had last"
    )]
    EpochReverted { epoch: u64, later: u64 },
    #[error(
        "the cluster's configuration knows of no epoch, and this node had a part in epoch {part}: put back the option \
         baton-RESOURCE-epoch, or start the servers of all nodes, so that they can be compared; \
         /usr/share/doc/baton/docs/operations.md says how to go on without one of them"
    )]
    EpochForgotten { part: u64 },
    /// The floor of a claim may cover what nobody was told yet.
    #[error(
        "this node lacks something up to {position}, which {node}, the primary of epoch {epoch}, had, and clients may have \
         been told of: start {node}, or whoever received that"
    )]
    OlderThanEpoch {
        epoch: u64,
        node: String,
        position: Position,
    },
    #[error(
        "{node} has received transactions up to {lacking}, which this node lacks, and does not execute them: {how}"
    )]
    SurvivorStuck {
        node: String,
        lacking: Position,
        how: Box<Why>,
    },
    #[error(
        "transactions up to {0} were received but replication is stopped; starting it now would delete them from the \
         relay log"
    )]
    TailWithoutApplier(Position),
    /// A replica that restarted while the primary was away.
    #[error(
        "this node restarted without reaching {node}, the primary of epoch {epoch}, so what it had received is \
         unknown: start {node}; if its data are lost for good, /usr/share/doc/baton/docs/operations.md says how to go on \
         without it"
    )]
    Unproven { epoch: u64, node: String },
    #[error("{why} (now: {how})")]
    NotFollowing { why: Box<Why>, how: String },
    /// A former primary that is not what it was.
    #[error(
        "this node was the primary of epoch {epoch}, and may lack what clients were told since: {how}; rebuild it from \
         another node, or see /usr/share/doc/baton/docs/operations.md for how to go on without a proof"
    )]
    NotItself { epoch: u64, how: String },
}

fn not_proven(
    epoch: u64,
    primary: &str,
    needed: usize,
    ackers: &[String],
    missing: &[String],
    restarted: bool,
) -> String {
    let missing = missing.join(", ");
    let proof = if needed == 0 {
        format!(
            "{primary}, the primary of epoch {epoch}, may be the only one that has what clients were told: start it"
        )
    } else {
        let what = if restarted {
            "did not say what they had received, or restarted since, this node among them"
        } else {
            "did not say what they had received, or restarted since"
        };
        let ackers = ackers.join(", ");
        format!(
            "in epoch {epoch} commits waited for {needed} of {ackers}, and {missing} {what}: start {primary}, or what is \
             missing"
        )
    };
    format!("{proof}; /usr/share/doc/baton/docs/operations.md says how to go on without it")
}
