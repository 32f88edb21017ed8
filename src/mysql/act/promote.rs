//! promote: drain, compare with every survivor, fetch what only they have, write the epoch, arm semi-synchronous
//! replication, open for writes last, verify.
//!
//! No statement that may delete received transactions runs before everything received is executed.

use std::time::{Duration, Instant};

use super::{Resource, STEP, follow, phase};
use crate::cluster::Cluster;
use crate::error::{During, Error, Result};
use crate::mysql::decide::promote::{Promotion, next_step};
use crate::mysql::decide::score;
use crate::mysql::dialect::mariadb;
use crate::mysql::gtid::{GtidList, Holdings};
use crate::mysql::observe;
use crate::mysql::record;
use crate::mysql::sql::Connection;
use crate::mysql::state::{Epoch, Record, Role, Server, Vote};
use crate::mysql::why::Why;
use crate::ocf::{OcfCode, Outcome, log};
use crate::sys::clock;

/// How long a vote may be on its way after every survivor has ended its notification.
const VOTES: Duration = Duration::from_secs(3);

/// What this promotion knows besides the server itself.
struct Election {
    epoch: Option<Epoch>,
    survivors: Vec<String>,
    votes: Vec<(String, Vote)>,
}

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    let mut connection = resource.connect()?;
    let election = match &resource.cluster {
        Some(cluster) => phase("collect votes", || collect(resource, cluster))?,
        None => Election {
            epoch: None,
            survivors: Vec::new(),
            votes: Vec::new(),
        },
    };
    match phase("prove", || prove(resource, &mut connection, &election))? {
        Proof::Already => {}
        Proof::Refused(why) => {
            return Ok(Outcome::because(OcfCode::ErrGeneric, format!("not promoted: {why}")));
        }
        Proof::Given(evidence) => phase("open", || open(resource, &mut connection, &election, evidence))?,
    }
    if let Some(cluster) = &resource.cluster {
        cluster.set_score(Some(score::PRIMARY))?;
    }
    Ok(Outcome::SUCCESS)
}

/// Reads the epoch and waits for the vote of every survivor.
fn collect(resource: &Resource<'_>, cluster: &Cluster) -> Result<Election> {
    let instance = resource.instance();
    let epoch = record::epoch(cluster, instance)?;
    let ended = epoch.as_ref().map_or(0, |epoch| epoch.number);
    let own_name = cluster.node.as_str();
    let survivors: Vec<String> = resource
        .context
        .notify
        .survivors()
        .into_iter()
        .filter(|node| node != own_name)
        .collect();
    let deadline = resource.context.deadline.within(VOTES);
    let mut votes = Vec::new();
    // Pacemaker before 2.1.6 cannot wait until an attribute has arrived, so it may still be on its way.
    let arrived = deadline.poll("the votes of all survivors", STEP, || {
        votes = observe::votes(cluster, instance, ended)?;
        let complete = survivors
            .iter()
            .all(|node| votes.iter().any(|(voter, _)| voter == node));
        Ok(complete.then_some(()))
    });
    match arrived {
        // Who did not vote is named by the decision.
        Ok(()) | Err(Error::Timeout { .. }) => Ok(Election {
            epoch,
            survivors,
            votes,
        }),
        Err(other) => Err(other),
    }
}

enum Proof {
    Already,
    Given(String),
    Refused(Why),
}

/// Looks, decides, acts, until this server holds everything that any survivor holds, or cannot.
fn prove(resource: &Resource<'_>, connection: &mut Connection, election: &Election) -> Result<Proof> {
    let deadline = resource.context.deadline;
    let mut progress = Progress::new(resource.config.apply_stall_timeout);
    let record = record::load(resource.instance())?;
    loop {
        let server = observe::server(connection)?;
        let source = server.link.as_ref().map(|link| resource.config.node_at(&link.source));
        let Election {
            epoch,
            survivors,
            votes,
        } = election;
        let step = next_step(
            &server,
            &record,
            survivors,
            votes,
            source.as_deref(),
            epoch.as_ref(),
            resource.own_name(),
        );
        let awaited = match step {
            Promotion::Already => return Ok(Proof::Already),
            Promotion::Refuse(why) => return Ok(Proof::Refused(why)),
            Promotion::Open { evidence } => return Ok(Proof::Given(evidence)),
            Promotion::Wait { pending } => pending,
            Promotion::StartApplier => {
                connection.run(mariadb::START_APPLIER)?;
                server.holdings.pending()
            }
            Promotion::Fetch { from, lacking } => {
                log::info(&format!("{from} has up to {lacking}, which is not here: fetching it"));
                let address = resource.config.address_of(&from);
                follow::attach(resource, connection, &server, &address).during(format!("fetching from {from}"))?;
                lacking
            }
        };
        if progress.stalled(&server.holdings) {
            let limit = resource.config.apply_stall_timeout.as_secs();
            return Err(Error::State(format!(
                "no progress for {limit} s while waiting for {awaited}"
            )));
        }
        if deadline.expired() {
            return Err(deadline.timeout(format!("the execution of {awaited}")));
        }
        deadline.pause(STEP.min(Duration::from_millis(10)));
    }
}

/// Notices when what a server holds has not changed for too long.
struct Progress {
    limit: Duration,
    last: Holdings,
    since: Instant,
}

impl Progress {
    fn new(limit: Duration) -> Progress {
        Progress {
            limit,
            last: Holdings::default(),
            since: Instant::now(),
        }
    }

    fn stalled(&mut self, now: &Holdings) -> bool {
        if *now != self.last {
            self.last = now.clone();
            self.since = Instant::now();
        }
        self.since.elapsed() > self.limit
    }
}

/// Everything is executed here: detach, arm, write the epoch, open, verify.
fn open(resource: &Resource<'_>, connection: &mut Connection, election: &Election, evidence: String) -> Result<()> {
    let server = observe::server(connection)?;
    if server.link.is_some() {
        connection.run(mariadb::STOP_REPLICATION)?;
        let stopped = observe::server(connection)?;
        still_drained(&stopped)?;
        connection.run(mariadb::FORGET_SOURCE)?;
    }
    let semi_sync = resource.cluster.is_some() && resource.config.policy.semi_sync;
    if semi_sync {
        for statement in mariadb::arm_semi_sync() {
            connection.run(statement)?;
        }
    }
    let number = election.epoch.as_ref().map_or(0, |epoch| epoch.number) + 1;
    if let Some(cluster) = &resource.cluster {
        let epoch = Epoch {
            number,
            node: cluster.node.clone(),
            server_id: server.server_id,
            position: server.holdings.resume_position(),
            opened_at: clock::utc_stamp(),
            evidence,
        };
        log::info(&format!(
            "epoch {number} opens at {}: {}",
            epoch.position, epoch.evidence
        ));
        record::store_epoch(cluster, resource.instance(), &epoch).during("writing the epoch to the cluster")?;
    }
    record::store(
        resource.instance(),
        &Record {
            role: Role::Primary,
            epoch: number,
            closed: false,
            binlog_base: server.binlog_base.clone(),
            held: false,
        },
    )?;
    connection.run(mariadb::READ_ONLY_OFF)?;
    verify(&observe::server(connection)?, semi_sync)
}

/// The source may have sent more until the receiver stopped; forgetting it now would delete that.
fn still_drained(stopped: &Server) -> Result<()> {
    let pending: GtidList = stopped.holdings.pending();
    if pending.is_empty() {
        return Ok(());
    }
    Err(Error::State(format!(
        "transactions up to {pending} arrived while this node was being promoted: its former source still sends; the \
         relay log is kept"
    )))
}

fn verify(server: &Server, semi_sync: bool) -> Result<()> {
    let armed = server.semi_sync.source_enabled && server.semi_sync.after_sync;
    if server.read_only || server.link.is_some() || (semi_sync && !armed) {
        return Err(Error::State(format!(
            "the server is not the primary it should be: read_only={}, replicates={}, semi-sync armed={armed}",
            server.read_only,
            server.link.is_some()
        )));
    }
    Ok(())
}
