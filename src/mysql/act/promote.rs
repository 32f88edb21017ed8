//! promote: drain, compare with every survivor, fetch what only they have, write the epoch, arm semi-synchronous
//! replication, open for writes last, verify.
//!
//! No statement that may delete received transactions runs before everything received is executed.

use std::time::{Duration, Instant};

use super::{Resource, STEP, follow, phase};
use crate::cluster::Cluster;
use crate::error::{During, Error, Result};
use crate::mysql::decide::promote::{Election, Promotion, is_proven, next_step};
use crate::mysql::decide::{self, score};
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
/// How often a drain is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long the former primary may take to answer, if it did not vote: it should be off.
const FORMER: Duration = Duration::from_millis(200);

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    let mut connection = resource.connect()?;
    let election = match &resource.cluster {
        Some(cluster) => phase("collect votes", || collect(resource, cluster, &mut connection))?,
        // A server on its own has nobody to compare with, and nobody to be compared by.
        None => Election {
            ordered: true,
            knows_what_it_received: true,
            ..Election::default()
        },
    };
    match phase("prove", || prove(resource, &mut connection, &election))? {
        Proof::Already => {}
        Proof::Refused(why) => {
            return Ok(Outcome::because(OcfCode::ErrGeneric, format!("not promoted: {why}")));
        }
        Proof::Given(evidence) => phase("open", || open(resource, &mut connection, &election, evidence))?,
    }
    if let Some(cluster) = &resource.cluster
        && let Err(error) = cluster.set_score(Some(score::PRIMARY))
    {
        // The server is the primary; the next monitor tells the cluster so.
        log::warning(&format!("cannot set the primary's promotion score yet: {error}"));
    }
    Ok(Outcome::SUCCESS)
}

/// Reads the epoch and waits for the vote of every survivor.
fn collect(resource: &Resource<'_>, cluster: &Cluster, connection: &mut Connection) -> Result<Election> {
    let instance = resource.instance();
    let notify = &resource.context.notify;
    let own_name = cluster.node.clone();
    let epoch = record::epoch(cluster, instance)?;
    let survivors: Vec<String> = notify
        .survivors()
        .into_iter()
        .filter(|node| *node != own_name)
        .collect();
    let votes = collect_votes(
        resource,
        cluster,
        &survivors,
        epoch.as_ref().map_or(0, |epoch| epoch.number),
    )?;
    let server = observe::server(connection)?;
    let source = source_node(resource, &server);
    let record = record::load(instance)?;
    Ok(Election {
        ordered: resource.context.notifies && notify.promotes(&own_name),
        other_primary: notify.primary_now().filter(|node| *node != own_name).map(str::to_owned),
        former_serves: former_serves(resource, epoch.as_ref(), &own_name, &survivors),
        knows_what_it_received: epoch
            .as_ref()
            .is_none_or(|epoch| decide::knows_what_it_received(&server, &record, source.as_deref(), epoch, &own_name)),
        instances: resource.context.instances,
        own_name,
        epoch,
        survivors,
        votes,
    })
}

fn collect_votes(
    resource: &Resource<'_>,
    cluster: &Cluster,
    survivors: &[String],
    ended: u64,
) -> Result<Vec<(String, Vote)>> {
    let mut votes = Vec::new();
    // Pacemaker before 2.1.6 cannot wait until an attribute has arrived, so it may still be on its way.
    let arrived = resource
        .context
        .deadline
        .within(VOTES)
        .poll("the votes of all survivors", STEP, || {
            votes = observe::votes(cluster, resource.instance(), ended)?;
            let complete = survivors
                .iter()
                .all(|node| votes.iter().any(|(voter, _)| voter == node));
            Ok(complete.then_some(()))
        });
    match arrived {
        // Who did not vote is named by the decision.
        Ok(()) | Err(Error::Timeout { .. }) => Ok(votes),
        Err(other) => Err(other),
    }
}

/// Pacemaker says that the former primary is off. One short question finds the fencing device that switched off
/// something else.
fn former_serves(resource: &Resource<'_>, epoch: Option<&Epoch>, own_name: &str, survivors: &[String]) -> bool {
    let former = epoch
        .map(|epoch| &epoch.node)
        .filter(|node| *node != own_name && !survivors.contains(node));
    former.is_some_and(|node| observe::remote(&resource.config, node, FORMER).is_ok_and(|server| !server.read_only))
}

fn source_node(resource: &Resource<'_>, server: &Server) -> Option<String> {
    server.link.as_ref().map(|link| resource.config.node_at(&link.source))
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
        let source = source_node(resource, &server);
        let awaited = match next_step(&server, &record, source.as_deref(), election) {
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
                fetch(resource, connection, server.clone(), &from).during(format!("fetching from {from}"))?;
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
        deadline.pause(LOOK_AGAIN);
    }
}

/// Replicates from a sibling that has more. Only with nothing left in the relay log, which this deletes.
fn fetch(resource: &Resource<'_>, connection: &mut Connection, server: Server, from: &str) -> Result<()> {
    let server = follow::stopped(connection, server)?;
    still_drained(&server)?;
    follow::point(resource, connection, &server, &resource.config.address_of(from))
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

/// Everything is executed here: stop, write the epoch, detach, arm, open, verify. The epoch comes before the first
/// statement that cannot be taken back.
fn open(resource: &Resource<'_>, connection: &mut Connection, election: &Election, evidence: String) -> Result<()> {
    let server = observe::server(connection)?;
    let server = follow::stopped(connection, server)?;
    still_drained(&server)?;
    let number = election.epoch.as_ref().map_or(0, |epoch| epoch.number) + 1;
    if let Some(cluster) = &resource.cluster {
        let epoch = Epoch {
            number,
            node: cluster.node.clone(),
            server_id: server.server_id,
            position: server.holdings.resume_position(),
            opened_at: clock::utc_stamp(),
            proven: is_proven(election),
            evidence,
        };
        let strength = if epoch.proven {
            "proven"
        } else {
            "not proven for every instance"
        };
        log::info(&format!(
            "epoch {number} opens at {}: {} ({strength})",
            epoch.position, epoch.evidence
        ));
        record::store_epoch(cluster, resource.instance(), &epoch).during("writing the epoch to the cluster")?;
    }
    follow::remember(resource, |record| {
        *record = Record {
            role: Role::Primary,
            epoch: number,
            closed: false,
            binlog_base: server.binlog_base.clone(),
            ..Record::default()
        }
    })?;
    if server.link.is_some() {
        connection.run(mariadb::FORGET_SOURCE)?;
    }
    let semi_sync = resource.cluster.is_some() && resource.config.policy.semi_sync;
    if semi_sync {
        for statement in mariadb::arm_semi_sync() {
            connection.run(statement)?;
        }
    }
    connection.run(mariadb::READ_ONLY_OFF)?;
    if resource.config.event_scheduler {
        connection.run(mariadb::EVENTS_ON)?;
    }
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
