//! The real node: its server, its files, Pacemaker's tools. Puts together what other files do; decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::archive;
use super::closing;
use super::config::Config;
use super::daemon;
use super::data;
use super::decide::Recovery;
use super::detach;
use super::disk;
use super::gtid::Position;
use super::launch;
use super::node::{Database, Extra, Node, Source};
use super::observe;
use super::record;
use super::state::{Disk, Epoch, Liveness, Record, Seen, Server, Standing, Vote};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::ocf::env::Context;
use crate::ocf::log;
use crate::sys::files::{self, RUN_DIRECTORY};
use crate::sys::process;

/// Kept back to kill a server that would not become read-only.
const KILL_RESERVE: Duration = Duration::from_secs(5);

/// How long a reverted configuration may go unnoticed by a primary that has no other reason to look.
const COMPARISON: Duration = Duration::from_secs(60);

pub(crate) struct Host<'a> {
    context: &'a Context,
    config: &'a Config,
    /// Only for a promotable clone: a server on its own has nobody to talk to.
    cluster: Option<Cluster>,
    /// How long a connection waits for one answer.
    patience: Duration,
}

impl<'a> Host<'a> {
    /// `patience`: how long the local server may take for one answer, where that is less than the action may take.
    ///
    /// # Errors
    /// When a promotable clone cannot find out this node's name.
    pub(crate) fn open(context: &'a Context, config: &'a Config, patience: Option<Duration>) -> Result<Host<'a>> {
        Ok(Host {
            context,
            config,
            patience: patience.unwrap_or(Duration::MAX),
            cluster: context.promotable.then(|| Cluster::open(context)).transpose()?,
        })
    }

    fn instance(&self) -> &str {
        &self.context.instance
    }

    /// The private attribute of every node that can be read. One that cannot counts as none.
    fn told<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<(String, T)>> {
        let Some(cluster) = &self.cluster else {
            return Ok(Vec::new());
        };
        let all = cluster.private_of_all(name)?;
        let read = all
            .into_iter()
            .filter_map(|(node, text)| match serde_json::from_str(&text) {
                Ok(told) => Some((node, told)),
                Err(error) => {
                    log::warning(&format!("attribute {name} of {node} cannot be read ({error}): {text}"));
                    None
                }
            });
        Ok(read.collect())
    }
}

/// Name of the private attribute that carries a vote.
pub(super) fn vote_attribute(instance: &str) -> String {
    format!("baton-{instance}-vote")
}

/// Name of the private attribute by which a replica says whether it may acknowledge.
pub(super) fn standing_attribute(instance: &str) -> String {
    format!("baton-{instance}-standing")
}

fn json(told: &impl Serialize) -> Result<String> {
    serde_json::to_string(told).map_err(|error| Error::State(format!("cannot write what to tell the others: {error}")))
}

impl Node for Host<'_> {
    fn name(&self) -> &str {
        self.cluster.as_ref().map_or("", |cluster| cluster.node.as_str())
    }

    fn pause(&self, duration: Duration) -> Result<()> {
        self.context.deadline.pause(duration);
        Ok(())
    }

    fn boot(&self) -> Result<String> {
        process::boot()
    }

    fn data(&self) -> Result<String> {
        data::identity(&self.config.datadir)
    }

    fn liveness(&self) -> Result<Liveness> {
        daemon::find_living(&self.config.datadir, self.context.deadline)
    }

    fn look(&self, limit: Duration) -> Result<Seen> {
        observe::local(self.config, limit)
    }

    fn probe_disk(&self, limit: Duration) -> Result<Disk> {
        disk::probe(self.config, limit)
    }

    fn connect(&self) -> Result<Box<dyn Database>> {
        let database = observe::connect(self.config, self.patience.min(self.context.deadline.remaining()))?;
        Ok(database)
    }

    fn ask(&self, node: &str, limit: Duration) -> Result<Server> {
        observe::remote(self.config, node, limit)
    }

    fn node_at(&self, address: &str) -> String {
        self.config.node_at(address)
    }

    fn stop_replication(&self, database: &mut dyn Database) -> Result<()> {
        match self.liveness()? {
            Liveness::Running(server) => detach::stop_replication(database, server, self.config.replication.port),
            Liveness::Absent => database.stop_replication(),
        }
    }

    fn point(&self, database: &mut dyn Database, to: &str, resume: Option<&Position>, acknowledge: bool) -> Result<()> {
        let replication = &self.config.replication;
        database.follow(&Source {
            host: &self.config.address_of(to),
            port: replication.port,
            login: &replication.credentials.login()?,
            resume,
            acknowledge,
        })
    }

    fn launch(&self, recovery: Recovery) -> Result<Server> {
        launch::boot(self.context, self.config, recovery)
    }

    fn await_ready(&self) -> Result<Server> {
        launch::await_ready(self.context, self.config)
    }

    fn make_read_only(&self) -> Result<()> {
        let deadline = self.context.deadline;
        let reserve = KILL_RESERVE.min(deadline.remaining() / 2);
        let patience = deadline.keeping(reserve).within(self.config.write_timeout);
        closing::make_read_only(self.config, patience)
    }

    fn kill_server(&self) -> Result<()> {
        daemon::kill(&self.config.datadir, self.context.deadline)
    }

    fn archive(&self, extra: &Extra<'_>) -> Result<Option<PathBuf>> {
        archive::keep(self.context, self.config, self.name(), extra)
    }

    fn record(&self) -> Result<Record> {
        record::load(self.instance())
    }

    fn store_record(&self, record: &Record) -> Result<()> {
        record::store(self.instance(), record)
    }

    fn epoch(&self) -> Result<Option<Epoch>> {
        match &self.cluster {
            Some(cluster) => record::epoch(cluster, self.instance()),
            None => Ok(None),
        }
    }

    fn store_epoch(&self, epoch: &Epoch) -> Result<()> {
        match &self.cluster {
            Some(cluster) => record::store_epoch(cluster, self.instance(), epoch),
            None => Ok(()),
        }
    }

    /// Votes of other elections are left out. Whose vote is missing is named by the decision.
    fn votes(&self, epoch: u64) -> Result<Vec<(String, Vote)>> {
        let mut votes: Vec<(String, Vote)> = self.told(&vote_attribute(self.instance()))?;
        votes.retain(|(_, vote)| vote.epoch == epoch);
        Ok(votes)
    }

    fn cast_vote(&self, vote: &Vote) -> Result<()> {
        let text = json(vote)?;
        log::info(&format!("voting {text}"));
        self.cluster.as_ref().map_or(Ok(()), |cluster| {
            cluster.set_private(&vote_attribute(self.instance()), &text)
        })
    }

    fn withdraw_vote(&self) -> Result<()> {
        self.cluster.as_ref().map_or(Ok(()), |cluster| {
            cluster.delete_private(&vote_attribute(self.instance()))
        })
    }

    fn standings(&self, epoch: u64) -> Result<BTreeMap<String, Standing>> {
        let mut standings: BTreeMap<String, Standing> =
            self.told(&standing_attribute(self.instance()))?.into_iter().collect();
        standings.retain(|_, standing| standing.epoch == epoch);
        Ok(standings)
    }

    fn publish_standing(&self, standing: &Standing) -> Result<()> {
        let text = json(standing)?;
        self.cluster.as_ref().map_or(Ok(()), |cluster| {
            cluster.publish_private(&standing_attribute(self.instance()), &text)
        })
    }

    fn running(&self) -> Result<Option<BTreeSet<String>>> {
        self.cluster.as_ref().map_or(Ok(None), Cluster::running)
    }

    fn accepted_loss(&self) -> Result<Option<u64>> {
        match &self.cluster {
            Some(cluster) => record::accepted_loss(cluster, self.instance()),
            None => Ok(None),
        }
    }

    /// Kept in memory: it is of no use after a boot.
    fn stands_still(&self, position: &Position) -> Result<bool> {
        let path = Path::new(RUN_DIRECTORY).join(format!("{}.waiting", self.instance()));
        let position = position.to_string();
        let same = files::read(&path)?.is_some_and(|bytes| bytes == position.as_bytes());
        if !same {
            files::private_directory(RUN_DIRECTORY.as_ref())?;
            files::replace(&path, position.as_bytes())?;
        }
        Ok(same)
    }

    fn is_time_to_compare(&self) -> Result<bool> {
        let path = Path::new(RUN_DIRECTORY).join(format!("{}.compared", self.instance()));
        let last = std::fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        if last.is_some_and(|last| last.elapsed().is_ok_and(|age| age < COMPARISON)) {
            return Ok(false);
        }
        files::private_directory(RUN_DIRECTORY.as_ref())?;
        files::replace(&path, b"")?;
        Ok(true)
    }

    fn set_score(&self, score: Option<u32>) -> Result<()> {
        self.cluster.as_ref().map_or(Ok(()), |cluster| cluster.set_score(score))
    }

    fn set_readable(&self, readable: bool) -> Result<()> {
        let value = if readable { "1" } else { "0" };
        self.cluster.as_ref().map_or(Ok(()), |cluster| {
            cluster.set_attribute(&self.config.reader_attribute, value)
        })
    }
}
