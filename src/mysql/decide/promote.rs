//! How a promotion goes on: drain, compare with every survivor, fetch, open, or refuse.
//!
//! Invariant: no I/O, no clock, no environment.

use std::collections::BTreeSet;

use super::durability::{missing, wanted};
use super::monitor::broken;
use super::{Loss, Policy, informed, last_part, reverted, unprovable};
use crate::mysql::gtid::{Holdings, Position};
use crate::mysql::state::{Ballot, Claim, Epoch, Record, Role, Server, Thread, Vote};
use crate::mysql::why::Why;

/// The source does not have the position that it is asked for. MariaDB refuses so a replica that is ahead of what a
/// survivor has executed, until that survivor has executed what it received.
const NOT_IN_BINARY_LOG: u32 = 1236;

/// The next step of a promotion. The caller acts, looks again and asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Promotion {
    Already,
    /// Something received is not executed yet.
    Wait {
        pending: Position,
    },
    /// The applier stands although transactions wait for it and the receiver is up.
    StartApplier,
    /// The survivor from which this node receives has more; or had not executed it when it was asked, and refused.
    Await {
        from: String,
        lacking: Position,
        refused: bool,
    },
    /// A survivor holds what this node lacks: get it from there.
    Fetch {
        from: String,
        lacking: Position,
    },
    Open(Proof),
    Refuse(Why),
}

/// With what a candidate was compared, in words, and whether that proves that nothing acknowledged is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) evidence: String,
    pub(crate) proven: bool,
}

/// What a promotion knows besides the server itself. It does not change while the promotion lasts.
#[derive(Debug, Clone)]
pub(crate) struct Election {
    pub(crate) own_name: String,
    pub(crate) policy: Policy,
    /// The operator accepted, for this election alone, that something may be lost.
    pub(crate) loss_accepted: bool,
    pub(crate) epoch: Option<Epoch>,
    /// The other nodes whose server takes part.
    pub(crate) survivors: Vec<String>,
    /// The votes of this election.
    pub(crate) votes: Vec<(String, Vote)>,
    /// Pacemaker said that it promotes this node.
    pub(crate) ordered: bool,
    /// A node that is primary and stays so.
    pub(crate) other_primary: Option<String>,
    /// The former primary did not vote, but its server answered and is writable.
    pub(crate) former_serves: bool,
    /// See [`knows_what_it_received`](super::knows_what_it_received); looked at before anything is fetched.
    pub(crate) knows_what_it_received: bool,
    /// How many instances the clone has.
    pub(crate) instances: Option<usize>,
}

impl Election {
    /// A server on its own has nobody to compare with, and nobody to be compared by.
    pub(crate) fn alone(policy: Policy) -> Election {
        Election {
            own_name: String::new(),
            policy,
            loss_accepted: false,
            epoch: None,
            survivors: Vec::new(),
            votes: Vec::new(),
            ordered: true,
            other_primary: None,
            former_serves: false,
            knows_what_it_received: true,
            instances: None,
        }
    }

    /// The nodes whose server may acknowledge from the first moment on: those that will follow, and those that did not
    /// say what they have, which may still be connected to this server from a time when it was primary before. One that is
    /// held follows nobody.
    fn possible_ackers(&self) -> Vec<String> {
        let silent = mute(self);
        let mut ackers = self.followers();
        ackers.extend(silent);
        ackers
    }

    /// The claim with which the next epoch opens: commits wait for those that follow at once. `floor` is what the new primary
    /// has, `most` how many acknowledgements its server can wait for.
    pub(crate) fn opening_claim(&self, floor: Position, most: usize) -> Claim {
        let ackers = if self.policy.semi_sync {
            self.possible_ackers()
        } else {
            Vec::new()
        };
        Claim {
            ackers: ackers.into_iter().map(|node| (node, 1)).collect(),
            needed: wanted(self.policy, self.instances, most, self.followers().len()),
            floor,
            admissions: 1,
        }
    }

    /// The nodes that will follow as soon as the promotion is done.
    fn followers(&self) -> Vec<String> {
        let votes = |node: &&String| held_by(&self.votes, node).is_some();
        self.survivors.iter().filter(votes).cloned().collect()
    }
}

/// Decides how to go on with the promotion of this node; `source_node` is the node that it replicates from, if any.
pub(crate) fn next_step(server: &Server, record: &Record, source_node: Option<&str>, election: &Election) -> Promotion {
    let epoch = election.epoch.as_ref();
    let own_epoch = epoch.is_some_and(|epoch| epoch.node == election.own_name && epoch.number == record.epoch);
    if !server.read_only && record.role == Role::Primary && own_epoch {
        return Promotion::Already;
    }
    if let Some(why) = forbidden(server, record, election) {
        return Promotion::Refuse(why);
    }
    if let Some(step) = drain(server) {
        return step;
    }
    let unproven = doubt(record, election);
    if let Some(why) = unproven.clone().filter(|_| refuses(election)) {
        return Promotion::Refuse(why);
    }
    if let Some(step) = unite(server, source_node, election) {
        return step;
    }
    match epoch.and_then(|epoch| too_old(server, epoch)) {
        Some(why) if refuses(election) => Promotion::Refuse(why),
        old => Promotion::Open(proof(election, unproven.or(old))),
    }
}

/// Whether what is not proven must not be.
fn refuses(election: &Election) -> bool {
    election.policy.loss == Loss::Never && !election.loss_accepted
}

/// What forbids a promotion whatever the votes say.
fn forbidden(server: &Server, record: &Record, election: &Election) -> Option<Why> {
    if !election.ordered {
        return Some(Why::NotInTransition);
    }
    if let Some(node) = &election.other_primary {
        return Some(Why::OtherPrimary(node.clone()));
    }
    let epoch = election.epoch.as_ref();
    if let Some(epoch) = epoch.filter(|_| election.former_serves) {
        return Some(Why::FormerPrimaryServes(epoch.node.clone()));
    }
    if record.held {
        return Some(Why::HeldBack);
    }
    unprovable(server)
}

/// What keeps this election from proving that nothing acknowledged is missing; none when it is proven.
fn doubt(record: &Record, election: &Election) -> Option<Why> {
    let mute = mute(election);
    let no_vote = || (!mute.is_empty()).then(|| Why::NoVote { nodes: mute.clone() });
    let Some(epoch) = &election.epoch else {
        // Nobody was promoted before, so nobody was told anything; unless somebody set the cluster up anew.
        let part = last_part(record);
        let forgotten = || (part > 0 && !compared_with_all(election)).then_some(Why::EpochForgotten { part });
        return no_vote().or_else(forgotten);
    };
    if let Some(why) = reverted(record, epoch) {
        return Some(why);
    }
    if is_primary_there(epoch, election) {
        return None;
    }
    let reached = reached(election);
    // Without replicas that acknowledge, nothing can be proven: then all that run must have said what they have.
    if !election.policy.semi_sync {
        return no_vote();
    }
    missing(&epoch.claim, &reached).map(|missing| Why::NotProven {
        epoch: epoch.number,
        primary: epoch.node.clone(),
        needed: epoch.claim.needed,
        ackers: epoch.claim.ackers.keys().cloned().collect(),
        restarted: missing.contains(&election.own_name),
        missing,
    })
}

/// The last primary itself has everything that it confirmed: it is this node, or it voted.
fn is_primary_there(epoch: &Epoch, election: &Election) -> bool {
    if epoch.node == election.own_name {
        election.knows_what_it_received
    } else {
        held_by(&election.votes, &epoch.node).is_some_and(|(_, complete)| complete)
    }
}

/// The nodes that know all that they received, and said so.
fn reached(election: &Election) -> BTreeSet<String> {
    let own = election.knows_what_it_received.then(|| election.own_name.clone());
    let voters = election.survivors.iter().filter(|node| {
        let held = held_by(&election.votes, node);
        held.is_some_and(|(_, complete)| complete)
    });
    own.into_iter().chain(voters.cloned()).collect()
}

/// What every successor must have: the position of the last promotion, and the floor of its claim.
fn too_old(server: &Server, epoch: &Epoch) -> Option<Why> {
    let mine = informed(&server.holdings, Some(epoch));
    let lacked = [&epoch.position, &epoch.claim.floor]
        .into_iter()
        .find(|position| !mine.covers(position))?;
    Some(Why::OlderThanEpoch {
        epoch: epoch.number,
        node: epoch.node.clone(),
        position: lacked.clone(),
    })
}

/// Survivors that did not vote, or whose server runs and did not say what it holds.
fn mute(election: &Election) -> Vec<String> {
    let is_mute = |node: &&String| match vote_of(&election.votes, node).map(|vote| &vote.ballot) {
        None | Some(Ballot::Unknown) => true,
        Some(Ballot::Holds(_) | Ballot::Restarted(_) | Ballot::NoServer | Ballot::Held) => false,
    };
    election.survivors.iter().filter(is_mute).cloned().collect()
}

/// What is left to do until this server has all that any survivor has.
fn unite(server: &Server, source_node: Option<&str>, election: &Election) -> Option<Promotion> {
    let epoch = election.epoch.as_ref();
    let mine = informed(&server.holdings, epoch);
    let others: Vec<(&String, Holdings)> = election
        .survivors
        .iter()
        .filter_map(|node| Some((node, informed(held_by(&election.votes, node)?.0, epoch))))
        .collect();
    if let Some((node, theirs)) = others.iter().find(|(_, theirs)| mine.conflicts(theirs)) {
        return Some(Promotion::Refuse(Why::Diverged {
            node: (*node).clone(),
            theirs: mine.lacks(theirs),
            ours: theirs.lacks(&mine),
        }));
    }
    let mut ahead: Vec<(&String, Position)> = others
        .iter()
        .map(|(node, theirs)| (*node, mine.lacks(theirs)))
        .collect();
    ahead.retain(|(_, lacking)| !lacking.is_empty());
    // What comes by itself need not be fetched; after that, perhaps nothing need be.
    ahead.sort_by_key(|(node, _)| source_node != Some(node.as_str()));
    let (node, lacking) = ahead.into_iter().next()?;
    let step = obtain(server, node, lacking, source_node);
    let has_own = |theirs| mine.has_own(theirs, server.server_id, &server.server_uuid);
    let lost = || others.iter().find(|(_, theirs)| !has_own(theirs));
    match (&step, lost()) {
        (Promotion::Fetch { .. }, Some((node, _))) => Some(Promotion::Refuse(Why::LostOwn((*node).clone()))),
        _ => Some(step),
    }
}

/// Whether every instance of the clone was compared, which is all that the first election can prove.
fn compared_with_all(election: &Election) -> bool {
    let compared = election
        .survivors
        .iter()
        .filter(|node| held_by(&election.votes, node).is_some());
    election
        .instances
        .is_none_or(|instances| 1 + compared.count() >= instances)
}

fn vote_of<'a>(votes: &'a [(String, Vote)], node: &str) -> Option<&'a Vote> {
    votes.iter().find(|(name, _)| name == node).map(|(_, vote)| vote)
}

/// What has to happen before everything received is executed; none when it is.
fn drain(server: &Server) -> Option<Promotion> {
    let pending = server.holdings.pending();
    let link = server.link.as_ref().filter(|_| !pending.is_empty())?;
    Some(match (link.applier, link.receiver, &link.applier_error) {
        (Thread::Running | Thread::Connecting, _, _) => Promotion::Wait { pending },
        (Thread::Stopped, _, Some(error)) => Promotion::Refuse(Why::ApplierFailed(error.clone())),
        // Starting a thread while both are stopped deletes every relay log (MariaDB in GTID mode).
        (Thread::Stopped, Thread::Stopped, None) if !server.keeps_received => {
            Promotion::Refuse(Why::TailWithoutApplier(pending))
        }
        (Thread::Stopped, _, None) => Promotion::StartApplier,
    })
}

/// How to get what `node` has: it is on its way if we receive from that node, else it must be fetched.
fn obtain(server: &Server, node: &str, lacking: Position, source_node: Option<&str>) -> Promotion {
    let link = server.link.as_ref().filter(|_| source_node == Some(node));
    let from = node.to_owned();
    let (receiver, broken) = match link {
        Some(link) => (link.receiver, broken(link)),
        None => return Promotion::Fetch { from, lacking },
    };
    let awaited = |refused| Promotion::Await {
        from: from.clone(),
        lacking: lacking.clone(),
        refused,
    };
    match (receiver, broken) {
        // Stopped by hand, or not started since the server was.
        (Thread::Stopped, Some(Why::ReplicationStopped) | None) => Promotion::Fetch { from, lacking },
        (_, Some(Why::ReplicationStopped) | None) => awaited(false),
        (Thread::Stopped, Some(Why::ReceiverFailed(error))) if error.code == NOT_IN_BINARY_LOG => awaited(true),
        (_, Some(why)) => Promotion::Refuse(why),
    }
}

/// Why a survivor will not execute what it has received, as long as nobody mends it. What it has executed is on its way.
pub(crate) fn hindered(survivor: &Server, node: &str, lacking: &Position) -> Option<Why> {
    if survivor.holdings.covers(lacking) {
        return None;
    }
    let link = survivor.link.as_ref().filter(|link| link.applier == Thread::Stopped)?;
    let how = broken(link)?;
    Some(Why::SurvivorStuck {
        node: node.to_owned(),
        lacking: lacking.clone(),
        how: Box::new(how),
    })
}

/// What a node has, and whether it knows that this is all.
fn held_by<'a>(votes: &'a [(String, Vote)], node: &str) -> Option<(&'a Holdings, bool)> {
    match &vote_of(votes, node)?.ballot {
        Ballot::Holds(holdings) => Some((holdings, true)),
        Ballot::Restarted(holdings) => Some((holdings, false)),
        Ballot::NoServer | Ballot::Unknown | Ballot::Held => None,
    }
}

fn proof(election: &Election, doubt: Option<Why>) -> Proof {
    let first = election.epoch.is_none();
    let waits = first || election.policy.semi_sync || former_voted(election);
    let proven = doubt.is_none() && waits && (!first || compared_with_all(election));
    let claim = match (&doubt, proven) {
        (Some(why), _) if election.loss_accepted => Some(format!("the operator accepted that {why}")),
        (Some(why), _) => Some(format!("not proven: {why}")),
        (None, false) if first => Some("not compared with every instance".to_owned()),
        (None, false) => Some("not proven: replication=async, commits waited for nobody".to_owned()),
        (None, true) => None,
    };
    let compared = comparisons(election);
    let words: Vec<String> = claim.into_iter().chain(compared).collect();
    Proof {
        evidence: if words.is_empty() {
            "no survivor to compare with".to_owned()
        } else {
            words.join("; ")
        },
        proven,
    }
}

fn former_voted(election: &Election) -> bool {
    election
        .epoch
        .as_ref()
        .is_some_and(|epoch| epoch.node == election.own_name || held_by(&election.votes, &epoch.node).is_some())
}

fn comparisons(election: &Election) -> impl Iterator<Item = String> {
    election.survivors.iter().filter_map(|node| {
        Some(match vote_of(&election.votes, node)?.ballot {
            Ballot::Holds(_) => format!("holds everything that {node} received"),
            Ballot::Restarted(_) => format!("holds everything that {node} executed before it restarted"),
            Ballot::NoServer => format!("not compared with {node}, where no server runs"),
            Ballot::Unknown => format!("not compared with {node}, whose server does not answer"),
            Ballot::Held => format!("not compared with {node}, which is held back"),
        })
    })
}
