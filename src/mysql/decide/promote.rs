//! How a promotion goes on: drain, compare with every survivor, fetch, open, or refuse.
//!
//! Invariant: no I/O, no clock, no environment.

use super::monitor::broken;
use super::{informed, unprovable, unproven};
use crate::mysql::gtid::{GtidList, Holdings};
use crate::mysql::state::{Ballot, Epoch, Record, Role, Server, Thread, Vote};
use crate::mysql::why::Why;

/// The next step of a promotion. The caller acts, looks again and asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) enum Promotion {
    Already,
    /// Something received is not executed yet, or still arrives from a connected source.
    Wait {
        pending: GtidList,
    },
    /// The applier stands although transactions wait for it and the receiver is up.
    StartApplier,
    /// A survivor holds what this node lacks: get it from there.
    Fetch {
        from: String,
        lacking: GtidList,
    },
    Open {
        evidence: String,
    },
    Refuse(Why),
}

/// What a promotion knows besides the server itself. It does not change while the promotion lasts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Election {
    pub(crate) own_name: String,
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
    let mute = mute(election);
    if !mute.is_empty() {
        return Promotion::Refuse(Why::NoVote { nodes: mute });
    }
    if let Some(step) = unite(server, source_node, election) {
        return step;
    }
    match epoch {
        Some(epoch) if !informed(&server.holdings, Some(epoch)).covers(&epoch.position) => {
            Promotion::Refuse(Why::OlderThanEpoch {
                epoch: epoch.number,
                node: epoch.node.clone(),
                position: epoch.position.clone(),
            })
        }
        Some(_) | None => Promotion::Open {
            evidence: evidence(election),
        },
    }
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
    let unknown = epoch.filter(|_| !election.knows_what_it_received);
    unprovable(server).or_else(|| unknown.map(unproven))
}

/// Survivors that did not vote, or whose server runs and did not say what it holds.
fn mute(election: &Election) -> Vec<String> {
    let is_mute = |node: &&String| match vote_of(&election.votes, node).map(|vote| &vote.ballot) {
        None | Some(Ballot::Unknown) => true,
        Some(Ballot::Holds(_) | Ballot::NoServer | Ballot::Held) => false,
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
        .filter_map(|node| Some((node, informed(held_by(&election.votes, node)?, epoch))))
        .collect();
    if let Some((node, theirs)) = others.iter().find(|(_, theirs)| mine.conflicts(theirs)) {
        return Some(Promotion::Refuse(Why::Diverged {
            node: (*node).clone(),
            theirs: mine.lacks(theirs),
            ours: theirs.lacks(&mine),
        }));
    }
    others.iter().find_map(|(node, theirs)| {
        let lacking = mine.lacks(theirs);
        (!lacking.is_empty()).then(|| obtain(server, node, lacking, source_node))
    })
}

/// Whether every instance of the clone was compared; the former primary is not needed: what it confirmed, a replica has.
pub(crate) fn is_proven(election: &Election) -> bool {
    let former = election.epoch.as_ref().map(|epoch| epoch.node.as_str());
    let compared = election
        .survivors
        .iter()
        .filter(|node| Some(node.as_str()) != former && held_by(&election.votes, node).is_some());
    let former_is_other = former.is_some_and(|node| node != election.own_name);
    let known = 1 + compared.count() + usize::from(former_is_other);
    election.instances.is_some_and(|instances| known >= instances)
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
        (Thread::Stopped, Thread::Stopped, None) => Promotion::Refuse(Why::TailWithoutApplier(pending)),
        (Thread::Stopped, Thread::Running | Thread::Connecting, None) => Promotion::StartApplier,
    })
}

/// How to get what `node` has: it is on its way if we replicate from that node, else it must be fetched.
fn obtain(server: &Server, node: &str, lacking: GtidList, source_node: Option<&str>) -> Promotion {
    let link = server.link.as_ref().filter(|_| source_node == Some(node));
    match link.map(|link| (link.receiver, broken(link))) {
        Some((_, Some(why))) => Promotion::Refuse(why),
        Some((Thread::Running | Thread::Connecting, None)) => Promotion::Wait { pending: lacking },
        Some((Thread::Stopped, None)) | None => Promotion::Fetch {
            from: node.to_owned(),
            lacking,
        },
    }
}

fn held_by<'a>(votes: &'a [(String, Vote)], node: &str) -> Option<&'a Holdings> {
    match &vote_of(votes, node)?.ballot {
        Ballot::Holds(holdings) => Some(holdings),
        Ballot::NoServer | Ballot::Unknown | Ballot::Held => None,
    }
}

fn evidence(election: &Election) -> String {
    if election.survivors.is_empty() {
        return "no survivor to compare with".to_owned();
    }
    let words: Vec<String> = election
        .survivors
        .iter()
        .filter_map(|node| {
            Some(match vote_of(&election.votes, node)?.ballot {
                Ballot::Holds(_) => format!("holds everything that {node} received"),
                Ballot::NoServer => format!("not compared with {node}, where no server runs"),
                Ballot::Unknown => format!("not compared with {node}, whose server does not answer"),
                Ballot::Held => format!("not compared with {node}, which is held back"),
            })
        })
        .collect();
    words.join("; ")
}
