//! The seam between the acting code and the world: one node with its server, its memory, its peers and its cluster.
//!
//! `host.rs` is the real one. The simulator in `sim/` stands in the same place, so that it runs the real actions.
//! Nothing here decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::decide::Recovery;
use super::gtid::{Holdings, Position};
use super::reign::Reign;
use super::sql::Login;
use super::state::{Disk, Epoch, Liveness, Record, Seen, Server, Standing, Vote};
use crate::error::Result;

/// Everything that an action may look at or change.
pub(crate) trait Node {
    /// This node's name; empty without a cluster.
    fn name(&self) -> &str;
    /// Lets time pass, no longer than the action's deadline, before something is looked at again.
    fn pause(&self, duration: Duration) -> Result<()>;

    /// Names this run of the machine.
    fn boot(&self) -> Result<String>;
    /// Names the data that the server works on: another name once they were replaced by others.
    fn data(&self) -> Result<String>;
    /// The process that owns the data directory, once one that is dying is gone.
    fn liveness(&self) -> Result<Liveness>;
    /// Process first, then what the server answers within `limit`.
    fn look(&self, limit: Duration) -> Result<Seen>;
    /// Whether the disk under a primary takes writes, found out by one that must be done within `limit`.
    fn probe_disk(&self, limit: Duration) -> Result<Disk>;
    /// A connection to the local server; every answer must come within the time that the action has for it.
    fn connect(&self) -> Result<Box<dyn Database>>;
    /// What the server of another node says of itself, within `limit`.
    fn ask(&self, node: &str, limit: Duration) -> Result<Server>;
    /// The node whose server has this address.
    fn node_at(&self, address: &str) -> String;
    /// Stops receiver and applier, also where their source does not answer any more.
    fn stop_replication(&self, database: &mut dyn Database) -> Result<()>;
    /// Points a stopped server to the one of another node, see [`Database::follow`].
    fn point(&self, database: &mut dyn Database, to: &str, resume: Option<&Position>, acknowledge: bool) -> Result<()>;

    /// Launches the server, closed, and waits until it answers. Drops an unconfirmed tail only where it can.
    fn launch(&self, recovery: Recovery) -> Result<Server>;
    /// Waits until a server that was found running answers.
    fn await_ready(&self) -> Result<Server>;
    /// Makes the server read-only in spite of whatever holds that up. No client is told OK that would not have been.
    fn make_read_only(&self) -> Result<()>;
    /// Kills the server; proven when this returns.
    fn kill_server(&self) -> Result<()>;

    /// Keeps a copy of transactions that only this node may have, and says where. Done once for the same ones; none
    /// where nothing can be lost.
    fn archive(&self, extra: &Extra<'_>) -> Result<Option<PathBuf>>;

    /// This node's own memory.
    fn record(&self) -> Result<Record>;
    fn store_record(&self, record: &Record) -> Result<()>;
    /// The cluster's last epoch; none when nobody was ever promoted, or without a cluster.
    fn epoch(&self) -> Result<Option<Epoch>>;
    fn store_epoch(&self, epoch: &Epoch) -> Result<()>;

    /// The votes of the election that ends `epoch`.
    fn votes(&self, epoch: u64) -> Result<Vec<(String, Vote)>>;
    fn cast_vote(&self, vote: &Vote) -> Result<()>;
    fn withdraw_vote(&self) -> Result<()>;
    /// What the replicas of this epoch say of their duty to acknowledge.
    fn standings(&self, epoch: u64) -> Result<BTreeMap<String, Standing>>;
    fn publish_standing(&self, standing: &Standing) -> Result<()>;
    /// Nodes on which a server of this resource may run, as far as the cluster knows; none without quorum.
    fn running(&self) -> Result<Option<BTreeSet<String>>>;
    /// The epoch after which the operator accepts, once, that something may be lost.
    fn accepted_loss(&self) -> Result<Option<u64>>;
    /// Whether the server's binary log ended at this position when this was asked last, by an earlier action.
    fn stands_still(&self, position: &Position) -> Result<bool>;
    /// Whether the cluster should be asked for what it was told, although nothing seems to have changed: once a minute.
    fn is_time_to_compare(&self) -> Result<bool>;
    /// How much this node wants to be promoted; none when it must not be.
    fn set_score(&self, score: Option<u32>) -> Result<()>;
    /// Whether readers may be sent here.
    fn set_readable(&self, readable: bool) -> Result<()>;
}

/// A connected server, in words that every family has. One implementation per family, in `dialect/`.
pub(crate) trait Database {
    /// Everything that decisions need.
    fn observe(&mut self) -> Result<Server>;
    /// What an account may see that is only good for replication: of the server's own replication only what it received,
    /// and that only if it may.
    fn observe_as_peer(&mut self) -> Result<Server>;
    /// Path of the relay logs without their number; none when the server follows nobody.
    fn relay_log_base(&mut self) -> Result<Option<String>>;
    /// Lets the applier run, and leaves the receiver alone.
    fn start_applier(&mut self) -> Result<()>;
    /// Starts receiver and applier as they are configured. Where the relay log does not survive that, it deletes what was
    /// received and not executed.
    fn start_replication(&mut self) -> Result<()>;
    /// Stops receiver and applier.
    fn stop_replication(&mut self) -> Result<()>;
    /// Points the stopped server to a source and starts it. Deletes what was received and not executed.
    fn follow(&mut self, source: &Source<'_>) -> Result<()>;
    /// Enters this primary's reign in a table of its server, which closes the one before. A transaction like any other:
    /// replicated, and acknowledged. Waits no longer than a second for locks.
    fn record_reign(&mut self, epoch: &Epoch, server_uuid: &str) -> Result<()>;
    /// What that table says; nothing where there is none, or where this account may not read it.
    fn reigns(&mut self) -> Result<Vec<Reign>>;
    /// Writes a row that is not replicated. Waits no longer than a second for locks.
    fn write_locally(&mut self) -> Result<()>;
    /// Ends what would hold up a server that is told to stop.
    fn make_way_for_stop(&mut self) -> Result<()>;
    /// Forgets the source, keeps the position. Deletes what was received and not executed.
    fn forget_source(&mut self) -> Result<()>;
    /// From now on a commit returns only once so many replicas have received it.
    fn arm(&mut self, acknowledgements: usize) -> Result<()>;
    /// Commits wait no more. Whoever waits is told OK.
    fn disarm(&mut self) -> Result<()>;
    /// Begins or ends to acknowledge what this replica receives: at once where nothing received is lost by that, else
    /// when it connects to its source again.
    fn acknowledge(&mut self, on: bool) -> Result<()>;
    /// Accepts writes.
    fn open(&mut self) -> Result<()>;
    /// A server that was made read-only accepts clients again that read.
    fn let_readers_in(&mut self) -> Result<()>;
    /// Events write with the privileges of their definer, read-only or not: they run on the primary alone.
    fn run_events(&mut self, on: bool) -> Result<()>;
    /// The server's name for this connection.
    fn session(&self) -> u64;
    /// Accepts no write any more. Waits up to `limit` for those in progress and for whoever holds locks; new ones wait
    /// behind it.
    fn make_read_only(&mut self, limit: Duration) -> Result<()>;
    /// How many transactions are prepared for a commit that somebody else decides (XA). They outlive their session, and
    /// may be committed later, on a MySQL server even while it is read-only.
    fn prepared_transactions(&mut self) -> Result<usize>;
    /// Ends client sessions, except those with the given ids, without telling any of them OK.
    fn end_sessions(&mut self, except: &[u64]) -> Result<()>;
}

/// Transactions that only this node may have.
#[derive(Debug)]
pub(crate) struct Extra<'a> {
    pub(crate) place: Place<'a>,
    /// What the primary has executed; none where that is not known.
    pub(crate) primary_has: Option<Holdings>,
    pub(crate) record: &'a Record,
    /// That of the primary which does not have them.
    pub(crate) epoch: &'a Epoch,
}

/// Where they are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// In a server that runs and is held: `beyond` is how the comparison named them.
    Running { server: &'a Server, beyond: &'a Position },
    /// At the end of the binary logs of a crashed primary, from which crash recovery may drop them.
    Stopped,
}

/// Where a replica gets its transactions from.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) login: &'a Login,
    /// The position from which to go on, where it is not the one that the server would take by itself.
    pub(crate) resume: Option<&'a Position>,
    /// Whether the replica acknowledges what it receives.
    pub(crate) acknowledge: bool,
}
