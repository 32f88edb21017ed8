//! Who acknowledges: the primary keeps the claim of its epoch true, a replica takes up its duty or resigns from it.
//!
//! Only the primary's agent changes the claim, and only what `decide::durability` orders. A replica acknowledges nothing
//! unless it has read in the cluster's configuration that it was admitted, and it never resumes a duty that it gave up:
//! it waits until it is admitted anew. So a primary that gives up a replica cannot meet one that just began.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Resource;
use crate::error::{During, Result};
use crate::mysql::decide::durability::{
    Declared, Duty, Situation, Upkeep, declared, duty, is_own, is_ready, is_settled, is_unfit, unclaimed, upkeep,
};
use crate::mysql::decide::informed;
use crate::mysql::node::Database;
use crate::mysql::state::{Claim, Epoch, Link, Record, Resigned, Server, Standing, Thread};
use crate::ocf::log;
use crate::sys::clock;

/// No situation needs more than: give up, admit, wait, claim. More means that the world changes under us: the next
/// monitor goes on.
const STEPS: usize = 8;
/// An acker that does not say what it received within this time is not counted.
const ASK: Duration = Duration::from_secs(1);

/// What a look at the claim came to.
#[derive(Debug)]
pub(crate) enum Kept {
    /// The server alone shows that it is as it should be.
    Settled,
    /// It was looked into, and may have been changed.
    Looked,
    /// Somebody else was promoted since.
    Succeeded(Epoch),
}

/// The primary's part. `gone` are nodes whose server has ended for certain, as a notification said.
///
/// # Errors
/// When the cluster cannot be asked or told; the claim that stands is then still true.
pub(crate) fn keep(resource: &Resource<'_>, server: &Server, gone: &BTreeSet<String>) -> Result<Kept> {
    let record = resource.node.record()?;
    let (policy, instances) = (resource.config.policy, resource.context.instances);
    let mut doubts = Doubts {
        stuck: is_stuck(resource, server, &record.claim)?,
        unacknowledged: server.semi_sync.unacknowledged != record.unacknowledged,
    };
    let settled = is_settled(&record.claim, &server.semi_sync, policy, instances);
    let quiet = settled && gone.is_empty() && !doubts.stuck && !doubts.unacknowledged;
    if quiet && !resource.node.is_time_to_compare()? {
        return Ok(Kept::Settled);
    }
    for _ in 0..STEPS {
        let epoch = match declared(resource.node.epoch()?, &record, resource.node.name()) {
            Declared::Own(epoch) => epoch,
            Declared::Later(epoch) => return Ok(Kept::Succeeded(epoch)),
            // Who does not serve has nothing to say, nor has a part of the cluster without quorum.
            Declared::Older(_) if server.read_only || resource.node.running()?.is_none() => return Ok(Kept::Looked),
            Declared::Older(epoch) => {
                write_back(resource, &record, epoch)?;
                continue;
            }
        };
        if step(resource, epoch, gone, &mut doubts)? == Upkeep::Nothing {
            break;
        }
    }
    Ok(Kept::Looked)
}

/// Before a demotion: after it, nobody would put right what somebody reverted. Costs the server nothing where nobody did.
///
/// # Errors
/// When the cluster or the server cannot be asked, or the cluster cannot be told.
pub(crate) fn put_back(resource: &Resource<'_>, record: &Record) -> Result<()> {
    match declared(resource.node.epoch()?, record, resource.node.name()) {
        Declared::Own(_) | Declared::Later(_) => Ok(()),
        Declared::Older(_) if resource.server()?.read_only || resource.node.running()?.is_none() => Ok(()),
        Declared::Older(epoch) => write_back(resource, record, epoch),
    }
}

/// Puts back this primary's epoch, where somebody put an older configuration in place of the cluster's. How its claim had
/// changed since is not known for certain, so nothing is claimed of the ackers, and the next steps begin anew from there.
fn write_back(resource: &Resource<'_>, record: &Record, older: Option<Epoch>) -> Result<()> {
    log::warning(&format!(
        "somebody put an older configuration in place of the cluster's: epoch {} is written back",
        record.epoch
    ));
    let server = resource.server()?;
    let epoch = Epoch {
        claim: unclaimed(older.as_ref(), record, server.binlog_position),
        ..older
            .filter(|epoch| is_own(epoch, record, resource.node.name()))
            .unwrap_or_else(|| Epoch {
                number: record.epoch,
                node: resource.node.name().to_owned(),
                server_id: server.server_id,
                position: server.holdings.resume_position(),
                opened_at: clock::utc_stamp(),
                evidence: "written back by its primary".to_owned(),
                proven: false,
                doubted: record.epoch,
                claim: Claim::default(),
            })
    };
    resource.node.store_epoch(&epoch).during("writing back the epoch")
}

/// What was seen before the first step, and is put right by one.
struct Doubts {
    stuck: bool,
    unacknowledged: bool,
}

fn step(resource: &Resource<'_>, epoch: Epoch, gone: &BTreeSet<String>, doubts: &mut Doubts) -> Result<Upkeep> {
    let standings = resource.node.standings(epoch.number)?;
    let idle = idle(resource, &epoch.claim, gone)?;
    let mut database = resource.node.connect()?;
    // After the standings: what was acknowledged with the help of those that are given up is in this position.
    let server = database.observe()?;
    let gone = given_up(&epoch.claim, gone, idle, &server);
    let upkeep = upkeep(&Situation {
        claim: &epoch.claim,
        standings: &standings,
        gone: &gone,
        semi_sync: &server.semi_sync,
        stuck: doubts.stuck,
        doubtful: doubts.unacknowledged,
        policy: resource.config.policy,
        instances: resource.context.instances,
    });
    match &upkeep {
        Upkeep::Nothing => resource.remember(|record| record.claim = epoch.claim)?,
        Upkeep::Claim { ackers, needed } => {
            claim(resource, epoch, &server, ackers.clone(), *needed)?;
            resource.remember(|record| record.unacknowledged = server.semi_sync.unacknowledged)?;
            doubts.unacknowledged = false;
        }
        Upkeep::Wait(0) => {
            log::warning("commits wait for nobody: what is confirmed now is on this node alone");
            database.disarm()?;
            doubts.stuck = false;
        }
        Upkeep::Wait(acknowledgements) => {
            log::info(&format!("commits wait for {acknowledgements} acknowledgements"));
            database.arm(*acknowledgements)?;
        }
    }
    Ok(upkeep)
}

/// Whether commits wait for acknowledgements that were lost: nothing has moved since the last look, and enough ackers have
/// received all of it. A busy server moves all the time.
fn is_stuck(resource: &Resource<'_>, server: &Server, claim: &Claim) -> Result<bool> {
    let waits = server.semi_sync.waits_for();
    if server.semi_sync.waiting == 0 || waits == 0 || server.semi_sync.clients < waits {
        return Ok(false);
    }
    let position = &server.binlog_position;
    if !resource.node.stands_still(position)? {
        return Ok(false);
    }
    let received = claim.ackers.keys().filter(|acker| {
        let theirs = resource.node.ask(acker, ASK);
        theirs.is_ok_and(|theirs| theirs.holdings.has_received(position))
    });
    let stuck = received.count() >= waits;
    if stuck {
        log::warning("commits wait for acknowledgements that were lost with a connection: releasing them");
    }
    Ok(stuck)
}

/// Ackers on which, as the cluster says, no server of ours runs. It is asked only where it matters.
fn idle(resource: &Resource<'_>, claim: &Claim, gone: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    if claim.ackers.keys().all(|node| gone.contains(node)) {
        return Ok(BTreeSet::new());
    }
    let running = resource.node.running()?;
    let stopped = |node: &&String| running.as_ref().is_some_and(|running| !running.contains(*node));
    Ok(claim.ackers.keys().filter(stopped).cloned().collect())
}

/// The nodes that are given up: those that a notification named, and the idle ones, unless more replicas acknowledge than
/// are left. Pacemaker forgets what it started on a node that is refreshed, or was left in maintenance: such a server may
/// still acknowledge.
fn given_up(claim: &Claim, gone: &BTreeSet<String>, idle: BTreeSet<String>, server: &Server) -> BTreeSet<String> {
    let left = claim
        .ackers
        .keys()
        .filter(|node| !gone.contains(*node) && !idle.contains(*node))
        .count();
    let plausible = left == 0 || server.semi_sync.clients <= left;
    gone.iter()
        .cloned()
        .chain(idle.into_iter().filter(|_| plausible))
        .collect()
}

fn claim(
    resource: &Resource<'_>,
    epoch: Epoch,
    server: &Server,
    ackers: BTreeMap<String, u64>,
    needed: usize,
) -> Result<()> {
    let names: Vec<&str> = ackers.keys().map(String::as_str).collect();
    let floor = server.binlog_position.clone();
    log::info(&format!(
        "what is acknowledged from {floor} on is on {needed} of: {}",
        names.join(", ")
    ));
    let claim = Claim {
        admissions: epoch.claim.admissions + 1,
        ackers,
        needed,
        floor,
    };
    resource
        .node
        .store_epoch(&Epoch { claim, ..epoch })
        .during("telling the cluster who acknowledges")
}

/// A replica's part: `server` is its own, just looked at, and follows somebody.
///
/// # Errors
/// When the cluster cannot be asked or told: then it goes on as it is.
pub(crate) fn serve(resource: &Resource<'_>, server: &Server) -> Result<Kept> {
    let policy = resource.config.policy;
    let on_duty = server.semi_sync.replica_acknowledges && server.semi_sync.replica_enabled;
    let record = resource.node.record()?;
    // The usual case needs no look at the cluster.
    if record.restarts_receiver && resume_receiver(resource, server)? {
        return Ok(Kept::Looked);
    }
    let settled = on_duty && !is_unfit(server, policy) && record.resigned.is_none() && !record.dropped_tail;
    if settled || !on_duty && !policy.semi_sync {
        return Ok(Kept::Settled);
    }
    let Some(epoch) = resource.node.epoch()? else {
        return Ok(Kept::Settled);
    };
    // All that it wrote itself lies before the position of its successor.
    if record.dropped_tail && informed(&server.holdings, Some(&epoch)).covers(&epoch.position) {
        resource.remember(|record| {
            record.dropped_tail = false;
            record.own = Some(server.own_transactions());
        })?;
    }
    match duty(server, &record, &epoch, resource.node.name(), policy) {
        Duty::Nothing => publish(resource, &record, &epoch, is_ready(server, policy))?,
        Duty::Acknowledge => {
            resource.remember(|record| record.acknowledged_in = epoch.number)?;
            acknowledge(resource, resource.node.connect()?.as_mut(), true)?;
            log::info("this replica acknowledges from now on");
            resource.remember(|record| record.resigned = None)?;
        }
        Duty::Resign => {
            let mut database = resource.node.connect()?;
            acknowledge(resource, database.as_mut(), false)?;
            // Where it cannot end at once, it ends with the connection to the source.
            if !database.observe()?.semi_sync.replica_acknowledges {
                resign(resource, &epoch)?;
            }
            publish(resource, &resource.node.record()?, &epoch, false)?;
        }
    }
    Ok(Kept::Looked)
}

/// Begins or ends to acknowledge. For that the receiver connects anew.
fn acknowledge(resource: &Resource<'_>, database: &mut dyn Database, on: bool) -> Result<()> {
    resource.remember(|record| record.restarts_receiver = true)?;
    database.acknowledge(on)?;
    resource.remember(|record| record.restarts_receiver = false)
}

/// Starts the receiver where an earlier action stopped it and did not come to start it again. Whether it did: one that runs
/// may be about to stop, and beside an applier that stands the start would delete what was received.
fn resume_receiver(resource: &Resource<'_>, server: &Server) -> Result<bool> {
    let stands = |link: &Link| link.receiver == Thread::Stopped && link.applier == Thread::Running;
    if !server.link.as_ref().is_some_and(stands) {
        return Ok(false);
    }
    log::info("starting the receiver, which an earlier action stopped");
    resource.node.connect()?.start_replication()?;
    resource.remember(|record| record.restarts_receiver = false)?;
    Ok(true)
}

/// Notes that this node acknowledges nothing any more on the strength of the admission it had. Durable before anybody
/// may rely on it: for a start, before the server is launched.
pub(crate) fn resign(resource: &Resource<'_>, epoch: &Epoch) -> Result<()> {
    let Some(admission) = epoch.claim.ackers.get(resource.node.name()).copied() else {
        return Ok(());
    };
    log::info(&format!(
        "this replica gives up its duty to acknowledge in epoch {}",
        epoch.number
    ));
    let resigned = Resigned {
        epoch: epoch.number,
        admission,
    };
    resource.remember(|record| record.resigned = Some(resigned))
}

/// Resigns and says so, for a node that acknowledges nothing and is not going to.
pub(super) fn leave(resource: &Resource<'_>, epoch: &Epoch) -> Result<()> {
    resign(resource, epoch)?;
    publish(resource, &resource.node.record()?, epoch, false)
}

/// Ends the duty of a server that was found running: while nobody looked after it, the primary may have given it up.
pub(super) fn end_duty(resource: &Resource<'_>, server: &Server, epoch: &Epoch) -> Result<()> {
    if !server.semi_sync.replica_enabled && !server.semi_sync.replica_acknowledges {
        return resign(resource, epoch);
    }
    let mut database = resource.node.connect()?;
    acknowledge(resource, database.as_mut(), false)?;
    if database.observe()?.semi_sync.replica_acknowledges {
        // Its applier stands, and its receiver cannot be restarted without losing what it received.
        log::warning("this replica goes on acknowledging until it connects to its source again");
        return Ok(());
    }
    resign(resource, epoch)
}

/// A node that may follow only as one that acknowledges asks for it.
pub(super) fn ask_for_admission(resource: &Resource<'_>, epoch: Option<&Epoch>) -> Result<()> {
    epoch.map_or(Ok(()), |epoch| publish(resource, &resource.node.record()?, epoch, true))
}

fn publish(resource: &Resource<'_>, record: &Record, epoch: &Epoch, ready: bool) -> Result<()> {
    let resigned = record.resigned.filter(|resigned| resigned.epoch == epoch.number);
    resource.node.publish_standing(&Standing {
        epoch: epoch.number,
        ready,
        resigned: resigned.map(|resigned| resigned.admission),
    })
}
