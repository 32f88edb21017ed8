//! stop: no server on the data directory, proven. Needs no credentials, no pid file, no client program, and no valid
//! parameter except the data directory.

use std::path::Path;

use super::phase;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::mysql::daemon;
use crate::mysql::observe;
use crate::mysql::state::Liveness;
use crate::ocf::env::Context;
use crate::ocf::{Outcome, log};

pub(crate) fn run(context: &Context) -> Result<Outcome> {
    if context.promotable {
        // What the cluster thinks of this node must not keep the server running.
        let withdrawn = Cluster::open(context).and_then(|cluster| withdraw(context, &cluster));
        if let Err(error) = withdrawn {
            log::warning(&format!("cannot withdraw this node's score: {error}"));
        }
    }
    let params = context.parameters();
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
    Ok(Outcome::SUCCESS)
}

fn withdraw(context: &Context, cluster: &Cluster) -> Result<()> {
    cluster.set_score(None)?;
    if let Some(name) = context.parameters().text("reader_attribute") {
        cluster.set_attribute(name, "0")?;
    }
    cluster.delete_private(&observe::vote_attribute(&context.instance))
}
