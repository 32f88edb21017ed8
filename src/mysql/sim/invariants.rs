//! What must be true in every world.

use super::server::{Process, gtid};
use super::world::{NAMES, World, names, node_named};
use crate::mysql::state::{Ballot, Role};

/// What is not as it must be, in words.
pub(super) fn broken(world: &World) -> Vec<String> {
    [two_primaries(world), lost(world), false_claim(world), diverged(world)]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether nobody accepted that something may be lost.
fn is_strict(world: &World) -> bool {
    let accepted = world
        .machines
        .iter()
        .any(|machine| machine.configuration.accepted_loss.is_some());
    world.settings.loss == "never" && !accepted
}

/// Never two servers that accept writes.
fn two_primaries(world: &World) -> Option<String> {
    let open = world.writable();
    (open.len() > 1).then(|| format!("{} accept writes", names(open)))
}

/// No open primary lacks what a client was told.
fn lost(world: &World) -> Option<String> {
    if !is_strict(world) {
        return None;
    }
    world.writable().into_iter().find_map(|node| {
        let server = &world.machines[node].server;
        let lost = |(key, _): &&(char, u64)| !server.has(*key);
        let (key, epoch) = world.acknowledged.iter().find(lost)?;
        Some(format!(
            "{} serves without {key}, which epoch {epoch} acknowledged",
            NAMES[node]
        ))
    })
}

/// Every transaction that was acknowledged in the epoch is covered by the floor, or was received by as many of the ackers
/// as the claim says.
fn false_claim(world: &World) -> Option<String> {
    let epoch = world.configuration().epoch.as_ref()?;
    let claim = &epoch.claim;
    let primary = node_named(&epoch.node)?;
    let floor = gtid(&claim.floor).map_or(0, |gtid| gtid.sequence);
    let told = world.acknowledged.iter().filter(|(_, number)| *number == epoch.number);
    told.map(|(key, _)| *key).find_map(|key| {
        let server = &world.machines[primary].server;
        let place = server.binlog.iter().find(|transaction| transaction.key == key)?;
        let receivers = claim.ackers.keys().filter_map(|name| node_named(name));
        let count = receivers
            .filter(|node| world.machines[*node].received.contains(&key))
            .count();
        let covered = place.gtid.sequence <= floor;
        (!covered && count < claim.needed).then(|| {
            let needed = claim.needed;
            format!("{key} was acknowledged and is on {count} of the ackers, not on {needed}, and above the floor")
        })
    })
}

/// A replica that follows the primary of the last epoch has nothing that the primary does not have.
fn diverged(world: &World) -> Option<String> {
    let epoch = world.configuration().epoch.as_ref()?;
    let primary = node_named(&epoch.node)?;
    let theirs = &world.machines[primary].server;
    if theirs.read_only || theirs.process == Process::Absent || world.machines[primary].record.role != Role::Primary {
        return None;
    }
    world.nodes().find_map(|node| {
        let server = &world.machines[node].server;
        let follows = server.link.as_ref().is_some_and(|link| link.source == primary);
        let extra = server.binlog.iter().find(|transaction| !theirs.has(transaction.key))?;
        let same = theirs.binlog.iter().any(|transaction| transaction.gtid == extra.gtid);
        (follows && (same || server.process == Process::Running)).then(|| {
            format!(
                "{} follows {} with {}, which is not there",
                NAMES[node], epoch.node, extra.key
            )
        })
    })
}

/// Why a promotion that was refused should not have been: nothing that the claim needs is out of reach, nothing diverged,
/// and nobody else serves.
pub(super) fn needless(world: &World, node: usize, reason: &str) -> Option<String> {
    let epoch = world.machines[node].configuration.epoch.clone()?;
    let says = |other: usize| {
        let machine = &world.machines[other];
        let answers = machine.server.process == Process::Running && !machine.record.held;
        let vote = machine.attributes.vote.as_ref();
        let voted = vote.is_some_and(|vote| {
            let held = matches!(vote.ballot, Ballot::Holds(_) | Ballot::Restarted(_));
            held && vote.epoch == epoch.number
        });
        answers && (voted || other == node)
    };
    let heard: Vec<usize> = world
        .members_with(node)
        .into_iter()
        .filter(|other| says(*other))
        .collect();
    let sure = |other: &usize| heard.contains(other) && world.machines[*other].attributes.voted_whole;
    let primary = node_named(&epoch.node)?;
    let ackers = epoch.claim.ackers.keys().filter_map(|name| node_named(name));
    let away = ackers.filter(|acker| !sure(acker)).count();
    let there = heard.contains(&primary);
    let informed = there || away < epoch.claim.needed;
    let floor = gtid(&epoch.claim.floor).max(gtid(&epoch.position));
    // What somebody received after its vote, the candidate cannot know.
    let reached = |gtid| {
        let own = &world.machines[node].server.binlog;
        let told = heard
            .iter()
            .filter_map(|other| world.machines[*other].attributes.vote.as_deref());
        let mut votes = told.filter_map(|vote| match &vote.ballot {
            Ballot::Holds(holdings) | Ballot::Restarted(holdings) => Some(holdings),
            Ballot::NoServer | Ballot::Unknown | Ballot::Held => None,
        });
        let promised = [&epoch.claim.floor, &epoch.position];
        own.iter().any(|transaction| transaction.gtid == gtid)
            || votes.any(|holdings| promised.iter().all(|position| holdings.has_received(position)))
    };
    let covered = floor.is_none_or(reached);
    let serving = world.writable().into_iter().any(|other| other != node);
    let held = world.machines[node].record.held;
    let broken = world.machines[node]
        .server
        .link
        .as_ref()
        .is_some_and(|link| link.applier != super::server::Applier::Running);
    let alike = heard.iter().all(|other| {
        let (one, two) = (&world.machines[node].server, &world.machines[*other].server);
        one.binlog.iter().zip(&two.binlog).all(|(mine, theirs)| mine == theirs)
    });
    // Its own transactions cannot be fetched.
    let own = &world.machines[node].server;
    let whole = heard.iter().all(|other| {
        let theirs = &world.machines[*other].server.binlog;
        let mut written_here = theirs.iter().filter(|transaction| transaction.gtid.server == own.id);
        written_here.all(|transaction| own.binlog.contains(transaction))
    });
    let needless = informed && covered && alike && whole && !serving && !held && !broken;
    needless.then(|| format!("{} was refused although nothing is missing: {reason}", NAMES[node]))
}
