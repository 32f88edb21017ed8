//! `ocf:baton:mysql`: a promotable MariaDB server.
//!
//! Pacemaker decides who is promoted and when; this agent proves that the promotion loses nothing, and refuses
//! otherwise. It never starts a server writable, never decides by a pid file, and never restarts a server because
//! its replication is broken.

mod act;
mod config;
mod credentials;
mod daemon;
mod decide;
mod dialect;
mod gtid;
mod monitor;
mod observe;
mod record;
mod sql;
mod state;
mod validate;
mod why;

use crate::cluster::Cluster;
use crate::error::Result;
use crate::ocf::env::Context;
use crate::ocf::{Action, Agent, Outcome};
use act::Resource;
use config::Config;

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
    if action == Action::Stop {
        return act::stop::run(context);
    }
    let config = Config::from(context)?;
    if action == Action::ValidateAll {
        return validate::run(context, &config);
    }
    let resource = Resource {
        context,
        config,
        cluster: context.promotable.then(|| Cluster::open(context)).transpose()?,
    };
    match action {
        Action::Start => act::start::run(&resource),
        Action::Monitor => monitor::run(&resource),
        Action::Promote => act::promote::run(&resource),
        Action::Demote => act::demote::run(&resource),
        Action::Notify => act::notify::run(&resource),
        // Every action reads the parameters anew: there is nothing running that would have to be told.
        Action::ReloadAgent | Action::ValidateAll | Action::Stop | Action::MetaData => Ok(Outcome::SUCCESS),
    }
}
