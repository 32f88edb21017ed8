//! `ocf:baton:mysql`: a promotable MySQL or MariaDB server.
//!
//! Pacemaker decides who is promoted and when; this agent proves that the promotion loses nothing, and refuses
//! otherwise. It never starts a server writable, never decides by a pid file, and never restarts a server because
//! its replication is broken.

mod act;
mod archive;
mod binlog;
mod closing;
mod config;
mod credentials;
mod daemon;
mod data;
mod decide;
mod detach;
mod dialect;
mod disk;
mod gtid;
mod host;
mod launch;
mod memory;
mod monitor;
mod monitored;
mod node;
mod observe;
mod ownership;
mod record;
mod reign;
mod sql;
pub(crate) mod sql_fence;
mod state;
mod validate;
mod why;

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::ocf::env::Context;
use crate::ocf::params::Strictness;
use crate::ocf::{Action, Agent, OcfCode, Outcome, log};
use act::Resource;
use config::Config;
use host::Host;

pub(crate) const AGENT: Agent = Agent {
    name: "mysql",
    metadata: include_str!("../../ocf-metadata/mysql.xml"),
    params: config::PARAMS,
    actions: &[
        Action::Start,
        Action::Stop,
        Action::Monitor,
        Action::Promote,
        Action::Demote,
        Action::Notify,
        Action::ValidateAll,
        Action::ReloadAgent,
        Action::MetaData,
    ],
    run,
};

fn run(action: Action, context: &Context) -> Result<Outcome> {
    if let Some(outcome) = foreign(action, context)? {
        return Ok(outcome);
    }
    if action == Action::Stop {
        return act::stop::run(context);
    }
    let config = Config::from(context, strictness(action))?;
    if action == Action::ValidateAll {
        return validate::run(context, &config);
    }
    let resource = Resource {
        context,
        config: &config,
        node: &Host::open(context, &config, patience(action, &config))?,
    };
    match action {
        Action::Start => {
            launch::check_host(context, &config)?;
            let _lock = ownership::take(&config.datadir, &context.instance)?;
            monitored::note(context);
            act::start::run(&resource)
        }
        Action::Monitor => {
            if !context.probe {
                monitored::note(context);
            }
            monitor::run(&resource)
        }
        Action::Promote => act::promote::run(&resource),
        Action::Demote => act::demote::run(&resource),
        Action::Notify => {
            monitored::complain(context);
            act::notify::run(&resource)
        }
        // Every action reads the parameters anew: there is nothing running that would have to be told.
        Action::ReloadAgent | Action::ValidateAll | Action::Stop | Action::MetaData => Ok(Outcome::SUCCESS),
    }
}

/// A monitor must find a server that hangs, also one that begins to hang while it works with it. What a monitor asks for
/// is quick; stopping a receiver takes a second when its source is dead.
fn patience(action: Action, config: &Config) -> Option<Duration> {
    (action == Action::Monitor).then(|| config.hang_timeout.max(Duration::from_secs(2)))
}

/// A wrong threshold must be refused where it is set, and must not stop what runs well with it.
fn strictness(action: Action) -> Strictness {
    match action {
        Action::Start | Action::ValidateAll => Strictness::RefuseAll,
        Action::Stop
        | Action::Monitor
        | Action::Promote
        | Action::Demote
        | Action::Notify
        | Action::ReloadAgent
        | Action::MetaData => Strictness::DefaultForReloadable,
    }
}

/// What to answer where another resource runs its server on this data directory: from this resource's point of view
/// nothing runs, and the other's server is left alone.
fn foreign(action: Action, context: &Context) -> Result<Option<Outcome>> {
    let params = context.parameters(Strictness::DefaultForReloadable);
    let Some(datadir) = params.text("datadir").map(Path::new).filter(|path| path.is_absolute()) else {
        return Ok(None);
    };
    let Some(owner) = ownership::other_owner(datadir, &context.instance)? else {
        return Ok(None);
    };
    let shown = datadir.display();
    let why = format!("datadir {shown}: resource {owner} runs a server on it; every resource needs one of its own");
    Ok(match action {
        Action::Start | Action::Promote => return Err(Error::State(why)),
        Action::Monitor => Some(Outcome::because(OcfCode::NotRunning, why)),
        Action::Stop | Action::Demote | Action::Notify => {
            log::warning(&why);
            Some(Outcome::SUCCESS)
        }
        Action::ValidateAll | Action::ReloadAgent | Action::MetaData => None,
    })
}

#[cfg(test)]
mod sim;
