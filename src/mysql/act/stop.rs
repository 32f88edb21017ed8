//! stop: no server on the data directory, proven. Needs no credentials, no pid file, no client program, and no valid
//! parameter except the data directory.

use std::path::Path;

use super::phase;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::mysql::daemon;
use crate::mysql::observe;
use crate::mysql::ownership;
use crate::mysql::state::Liveness;
use crate::ocf::env::Context;
use crate::ocf::params::Strictness;
use crate::ocf::{Outcome, log};

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
    if daemon::find(datadir)? != Liveness::Absent {
        phase("stop server", || daemon::stop(datadir, context.deadline))?;
    }
    if let Err(error) = ownership::release(datadir) {
        log::warning(&error.to_string());
    }
    Ok(Outcome::SUCCESS)
}

/// Tries all of it, and reports the first that failed.
fn withdraw(context: &Context, cluster: &Cluster) -> Result<()> {
    let params = context.parameters(Strictness::DefaultForReloadable);
    let score = cluster.set_score(None);
    let reader = params
        .text("reader_attribute")
        .map_or(Ok(()), |name| cluster.set_attribute(name, "0"));
    let vote = cluster.delete_private(&observe::vote_attribute(&context.instance));
    score.and(reader).and(vote)
}
