//! Changes the world, one file per action. Every step has the action's deadline; after acting, the server is looked
//! at again and compared with what was meant.

pub(crate) mod ackers;
pub(crate) mod archive;
pub(crate) mod demote;
pub(crate) mod follow;
pub(crate) mod notify;
pub(crate) mod promote;
pub(crate) mod reign;
mod replication;
pub(crate) mod start;
pub(crate) mod stop;

use std::time::{Duration, Instant};

use super::config::Config;
use super::node::Node;
use super::state::{Answer, Record, Seen, Server};
use crate::error::{Error, Result, seconds};
use crate::ocf::env::Context;
use crate::ocf::log;

/// How often a condition of the server or the cluster is looked at.
const STEP: Duration = Duration::from_millis(20);

/// What every action works with.
pub(crate) struct Resource<'a> {
    pub(crate) context: &'a Context,
    pub(crate) config: &'a Config,
    pub(crate) node: &'a dyn Node,
}

impl Resource<'_> {
    /// Whether there is a cluster to talk to. A server on its own has nobody.
    pub(crate) fn is_clustered(&self) -> bool {
        self.context.promotable
    }

    /// What the server says of itself; it must answer.
    fn server(&self) -> Result<Server> {
        let limit = self.config.hang_timeout.min(self.context.deadline.remaining());
        match self.node.look(limit)? {
            Seen::Running(_, Answer::Facts(server)) => Ok(*server),
            Seen::Running(_, Answer::Alive(how)) => Err(Error::State(format!("the server refuses the agent: {how}"))),
            Seen::Running(_, Answer::Silent(how)) => Err(Error::State(format!("the server does not answer: {how}"))),
            Seen::Absent => Err(Error::State(format!(
                "no server runs on {}",
                self.config.datadir.display()
            ))),
        }
    }

    /// The node that this server is configured to follow.
    pub(crate) fn source_of(&self, server: &Server) -> Option<String> {
        server.link.as_ref().map(|link| self.node.node_at(&link.source))
    }

    /// Changes this node's record, if that makes a difference.
    pub(crate) fn remember(&self, change: impl FnOnce(&mut Record)) -> Result<()> {
        let old = self.node.record()?;
        let mut new = old.clone();
        change(&mut new);
        if new == old {
            Ok(())
        } else {
            self.node.store_record(&new)
        }
    }

    /// Asks `look` until it finds something.
    ///
    /// # Errors
    /// [`Error::Timeout`] naming `waiting_for` after `limit` or at the action's deadline.
    fn wait<T>(&self, waiting_for: &str, limit: Duration, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let deadline = self.context.deadline.within(limit);
        deadline.poll_pausing(waiting_for, STEP, look, |pause| self.node.pause(pause))
    }
}

/// Runs one phase of an action and logs how long it took.
pub(super) fn phase<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let result = work();
    let how = if result.is_ok() { "took" } else { "failed after" };
    log::info(&format!("phase {name}: {how} {}", seconds(started.elapsed())));
    result
}
