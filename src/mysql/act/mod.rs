//! Changes the world, one file per action. Every step has the action's deadline; after acting, the server is looked
//! at again and compared with what was meant.

pub(crate) mod demote;
pub(crate) mod follow;
pub(crate) mod notify;
pub(crate) mod promote;
pub(crate) mod start;
pub(crate) mod stop;

use std::time::{Duration, Instant};

use super::config::Config;
use super::observe;
use super::sql::Connection;
use super::state::{Answer, Seen, Server};
use crate::cluster::Cluster;
use crate::error::{Error, Result, seconds};
use crate::ocf::env::Context;
use crate::ocf::log;

/// How often a condition of the server is looked at.
const STEP: Duration = Duration::from_millis(20);

/// What every action works with.
pub(crate) struct Resource<'a> {
    pub(crate) context: &'a Context,
    pub(crate) config: Config,
    /// Only for a promotable clone: a server on its own has nobody to talk to.
    pub(crate) cluster: Option<Cluster>,
}

impl Resource<'_> {
    pub(crate) fn instance(&self) -> &str {
        &self.context.instance
    }

    /// This node's name; empty without a cluster.
    pub(crate) fn own_name(&self) -> &str {
        self.cluster.as_ref().map_or("", |cluster| cluster.node.as_str())
    }

    /// A connection whose every answer must come before the deadline.
    fn connect(&self) -> Result<Connection> {
        observe::connect(&self.config, self.context.deadline.remaining())
    }

    /// What the server says of itself; it must answer.
    fn server(&self) -> Result<Server> {
        let limit = self.config.hang_timeout.min(self.context.deadline.remaining());
        match observe::local(&self.config, limit)? {
            Seen::Running(_, Answer::Facts(server)) => Ok(*server),
            Seen::Running(_, Answer::Alive(how)) => Err(Error::State(format!("the server refuses the agent: {how}"))),
            Seen::Running(_, Answer::Silent(how)) => Err(Error::State(format!("the server does not answer: {how}"))),
            Seen::Absent => Err(Error::State(format!(
                "no server runs on {}",
                self.config.datadir.display()
            ))),
        }
    }
}

/// Runs one phase of an action and logs how long it took.
fn phase<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let result = work();
    let how = if result.is_ok() { "took" } else { "failed after" };
    log::info(&format!("phase {name}: {how} {}", seconds(started.elapsed())));
    result
}
