//! promote: drain, compare with every survivor, fetch what only they have, write the epoch, arm semi-synchronous
//! replication, open for writes last, verify.
//!
//! No statement that may delete received transactions runs before everything received is executed.

use std::time::{Duration, Instant};

use super::{Resource, phase, replication};
use crate::error::{During, Error, Result};
use crate::mysql::decide::promote::{Election, Promotion, Proof, hindered, next_step};
use crate::mysql::decide::{self, score};
use crate::mysql::gtid::{Holdings, Position};
use crate::mysql::node::Database;
use crate::mysql::state::{Claim, Epoch, Record, Role, Server, Vote};
use crate::mysql::why::Why;
use crate::ocf::{OcfCode, Outcome, log};
use crate::sys::clock;

/// How long a vote may be on its way after every survivor has ended its notification.
const VOTES: Duration = Duration::from_secs(3);
/// How often a drain is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a survivor is left alone to execute what it has received.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How long a survivor may take to say whether it executes.
const SURVIVOR: Duration = Duration::from_secs(1);
/// How long the former primary may take to answer, if it did not vote: it should be off.
const FORMER: Duration = Duration::from_millis(200);

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    let mut database = resource.node.connect()?;
    let election = if resource.is_clustered() {
        phase("collect votes", || collect(resource, database.as_mut()))?
    } else {
        // A server on its own has nobody to compare with, and nobody to be compared by.
        Election::alone(resource.config.policy)
    };
    match phase("prove", || prove(resource, database.as_mut(), &election))? {
        Ruling::Already => {}
        Ruling::Refused(why) => {
            return Ok(Outcome::because(OcfCode::ErrGeneric, format!("not promoted: {why}")));
        }
        Ruling::Given(proof) => phase("open", || open(resource, database.as_mut(), &election, proof))?,
    }
    if let Err(error) = resource.node.set_score(Some(score::PRIMARY)) {
        // The server is the primary; the next monitor tells the cluster so.
        log::warning(&format!("cannot set the primary's promotion score yet: {error}"));
    }
    Ok(Outcome::SUCCESS)
}

/// Reads the epoch and waits for the vote of every survivor.
fn collect(resource: &Resource<'_>, database: &mut dyn Database) -> Result<Election> {
    let node = resource.node;
    let notify = &resource.context.notify;
    let own_name = node.name().to_owned();
    let epoch = node.epoch()?;
    let survivors: Vec<String> = notify
        .survivors()
        .into_iter()
        .filter(|survivor| *survivor != own_name)
        .collect();
    let ended = epoch.as_ref().map_or(0, |epoch| epoch.number);
    let votes = collect_votes(resource, &survivors, ended)?;
    let server = database.observe()?;
    let source = resource.source_of(&server);
    let record = node.record()?;
    let accepted = node.accepted_loss()? == Some(ended);
    Ok(Election {
        policy: resource.config.policy,
        loss_accepted: accepted,
        ordered: resource.context.notifies && notify.promotes(&own_name),
        other_primary: notify.primary_now().filter(|node| *node != own_name).map(str::to_owned),
        former_serves: former_serves(resource, epoch.as_ref(), &survivors),
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

fn collect_votes(resource: &Resource<'_>, survivors: &[String], ended: u64) -> Result<Vec<(String, Vote)>> {
    let mut votes = Vec::new();
    // Pacemaker before 2.1.6 cannot wait until an attribute has arrived, so it may still be on its way.
    let arrived = resource.wait("the votes of all survivors", VOTES, || {
        votes = resource.node.votes(ended)?;
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
fn former_serves(resource: &Resource<'_>, epoch: Option<&Epoch>, survivors: &[String]) -> bool {
    let former = epoch
        .map(|epoch| &epoch.node)
        .filter(|node| *node != resource.node.name() && !survivors.contains(node));
    former.is_some_and(|node| resource.node.ask(node, FORMER).is_ok_and(|server| !server.read_only))
}

enum Ruling {
    Already,
    Given(Proof),
    Refused(Why),
}

/// Looks, decides, acts, until this server holds everything that any survivor holds, or cannot.
fn prove(resource: &Resource<'_>, database: &mut dyn Database, election: &Election) -> Result<Ruling> {
    let deadline = resource.context.deadline;
    let mut progress = Progress::new(resource.config.apply_stall_timeout);
    let record = resource.node.record()?;
    loop {
        let server = database.observe()?;
        let source = resource.source_of(&server);
        let (awaited, pause) = match next_step(&server, &record, source.as_deref(), election) {
            Promotion::Already => return Ok(Ruling::Already),
            Promotion::Refuse(why) => return Ok(Ruling::Refused(why)),
            Promotion::Open(proof) => return Ok(Ruling::Given(proof)),
            Promotion::Wait { pending } => (pending, LOOK_AGAIN),
            Promotion::StartApplier => {
                database.start_applier()?;
                (server.holdings.pending(), LOOK_AGAIN)
            }
            Promotion::Await { from, lacking, refused } => {
                if let Some(why) = await_more(resource, database, &from, &lacking, refused)? {
                    return Ok(Ruling::Refused(why));
                }
                (lacking, ASK_AGAIN)
            }
            Promotion::Fetch { from, lacking } => {
                log::info(&format!("{from} has up to {lacking}, which is not here: fetching it"));
                fetch(resource, database, server.clone(), &from).during(format!("fetching from {from}"))?;
                (lacking, LOOK_AGAIN)
            }
        };
        if progress.stalled(&server.holdings) {
            let limit = resource.config.apply_stall_timeout.as_secs();
            let error = server.link.and_then(|link| link.receiver_error);
            let said = error.map_or_else(String::new, |error| format!(": {}", Why::ReceiverFailed(error)));
            return Err(Error::State(format!(
                "no progress for {limit} s while waiting for {awaited}{said}"
            )));
        }
        if deadline.expired() {
            return Err(deadline.timeout(format!("the execution of {awaited}")));
        }
        resource.node.pause(pause)?;
    }
}

/// Sees to it that what a survivor has comes; returns why it will not, if it will not.
fn await_more(
    resource: &Resource<'_>,
    database: &mut dyn Database,
    from: &str,
    lacking: &Position,
    refused: bool,
) -> Result<Option<Why>> {
    let survivor = resource.node.ask(from, SURVIVOR).ok();
    if let Some(why) = survivor.and_then(|survivor| hindered(&survivor, from, lacking)) {
        return Ok(Some(why));
    }
    if refused {
        database.start_replication()?;
    }
    Ok(None)
}

/// Replicates from a sibling that has more. Only with nothing left in the relay log, which this deletes.
fn fetch(resource: &Resource<'_>, database: &mut dyn Database, server: Server, from: &str) -> Result<()> {
    let server = replication::stopped(resource, database, server)?;
    still_drained(&server)?;
    replication::point(resource, database, &server, from, None, false)
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
fn open(resource: &Resource<'_>, database: &mut dyn Database, election: &Election, proof: Proof) -> Result<()> {
    let server = database.observe()?;
    let server = replication::stopped(resource, database, server)?;
    still_drained(&server)?;
    let number = election.epoch.as_ref().map_or(0, |epoch| epoch.number) + 1;
    resource.remember(|record| record.opening = number)?;
    let claim = declare(resource, &server, election, number, proof)?;
    let needed = claim.needed;
    let boot = resource.node.boot()?;
    resource.remember(|record| {
        *record = Record {
            data: std::mem::take(&mut record.data),
            before: record.before.take(),
            role: Role::Primary,
            epoch: number,
            boot,
            // A primary acknowledges nothing: if its successor dies before this node follows, nothing depends on it.
            acknowledged_in: number - 1,
            began_at: server.binlog_position.clone(),
            binlog_base: server.binlog_base.clone(),
            unsynced: !server.survives_kill,
            not_durable: server.not_durable.clone(),
            claim,
            ..Record::default()
        }
    })?;
    if server.link.is_some() {
        database.forget_source()?;
    }
    if needed > 0 {
        database.arm(needed)?;
    }
    database.open()?;
    if resource.config.event_scheduler {
        database.run_events(true)?;
    }
    verify(&database.observe()?, needed)
}

/// Writes the new epoch to the cluster, with the replicas for which commits will wait.
fn declare(resource: &Resource<'_>, server: &Server, election: &Election, number: u64, proof: Proof) -> Result<Claim> {
    if !resource.is_clustered() {
        return Ok(Claim::default());
    }
    let position = server.holdings.resume_position();
    let epoch = Epoch {
        number,
        node: resource.node.name().to_owned(),
        server_id: server.server_id,
        opened_at: clock::utc_stamp(),
        claim: election.opening_claim(position.clone(), server.semi_sync.most),
        position,
        proven: proof.proven,
        doubted: election.epoch.as_ref().map_or(0, Epoch::last_doubted),
        evidence: proof.evidence,
    };
    let strength = if epoch.proven { "proven" } else { "not proven" };
    log::info(&format!(
        "epoch {number} opens at {}: {} ({strength})",
        epoch.position, epoch.evidence
    ));
    resource
        .node
        .store_epoch(&epoch)
        .during("writing the epoch to the cluster")?;
    Ok(epoch.claim)
}

/// The source may have sent more until the receiver stopped; forgetting it now would delete that.
fn still_drained(stopped: &Server) -> Result<()> {
    let pending: Position = stopped.holdings.pending();
    if pending.is_empty() {
        return Ok(());
    }
    Err(Error::State(format!(
        "transactions up to {pending} arrived while this node was being promoted: its former source still sends; the \
         relay log is kept"
    )))
}

fn verify(server: &Server, needed: usize) -> Result<()> {
    let waits = server.semi_sync.waits_for();
    if server.read_only || server.link.is_some() || waits < needed {
        return Err(Error::State(format!(
            "the server is not the primary it should be: read_only={}, replicates={}, commits wait for {waits} \
             acknowledgements, should be {needed}",
            server.read_only,
            server.link.is_some()
        )));
    }
    Ok(())
}
