//! stop: no server on the data directory, proven. Needs no pid file, no client program, and no valid parameter except the
//! data directory; with the administrator's credentials it may be faster.

use std::path::Path;
use std::time::Duration;

use super::phase;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::mysql::config::Config;
use crate::mysql::daemon;
use crate::mysql::host;
use crate::mysql::observe;
use crate::mysql::ownership;
use crate::mysql::state::Liveness;
use crate::ocf::env::Context;
use crate::ocf::params::Strictness;
use crate::ocf::{Outcome, log};

/// A server that does not answer within this time is not asked for anything more.
const ANSWER: Duration = Duration::from_secs(3);

pub(crate) fn run(context: &Context) -> Result<Outcome> {
    if context.promotable {
        // What the cluster thinks of this node must not keep the server running.
        let withdrawn = Cluster::open(context).and_then(|cluster| withdraw(context, &cluster));
        if let Err(error) = withdrawn {
            log::warning(&format!("cannot withdraw this node's score: {error}"));
        }
    }
    let params = context.parameters(Strictness::DefaultForReloadable);
    let datadir = Path::new(params.text("datadir").unwrap_or_default());
    if !datadir.is_absolute() {
        let shown = datadir.display();
        return Err(Error::State(format!(
            "datadir=\"{shown}\" is not an absolute path: cannot prove that it is stopped"
        )));
    }
    if let Liveness::Running(server) = daemon::find(datadir)? {
        if !server.is_frozen() && !server.is_ending() {
            make_way(context);
        }
        phase("stop server", || daemon::stop(datadir, context.deadline))?;
    }
    if let Err(error) = ownership::release(datadir) {
        log::warning(&error.to_string());
    }
    Ok(Outcome::SUCCESS)
}

/// Whatever goes wrong here, the server is asked to stop.
fn make_way(context: &Context) {
    let ended = Config::from(context, Strictness::DefaultForReloadable)
        .and_then(|config| observe::connect(&config, ANSWER.min(context.deadline.remaining() / 4)))
        .and_then(|mut database| database.make_way_for_stop());
    if let Err(error) = ended {
        log::debug(&format!("sessions and replication end with the server: {error}"));
    }
}

/// Tries all of it, and reports the first that failed.
fn withdraw(context: &Context, cluster: &Cluster) -> Result<()> {
    let params = context.parameters(Strictness::DefaultForReloadable);
    let score = cluster.set_score(None);
    let reader = params
        .text("reader_attribute")
        .map_or(Ok(()), |name| cluster.set_attribute(name, "0"));
    let vote = cluster.delete_private(&host::vote_attribute(&context.instance));
    let standing = cluster.withdraw_private(&host::standing_attribute(&context.instance));
    score.and(reader).and(vote).and(standing)
}
