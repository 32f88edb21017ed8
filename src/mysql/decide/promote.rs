//! How a promotion goes on: drain, compare with every survivor, fetch, open, or refuse.
//!
//! Invariant: no I/O, no clock, no environment.

use super::monitor::broken;
use super::unproven;
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

/// Decides how to go on with the promotion of this node.
///
/// `votes` are those of this election; `survivors` are the other nodes whose server takes part in it.
/// `source_node` is the node that this server replicates from, if any.
pub(crate) fn next_step(
    server: &Server,
    record: &Record,
    survivors: &[String],
    votes: &[(String, Vote)],
    source_node: Option<&str>,
    epoch: Option<&Epoch>,
    own_name: &str,
) -> Promotion {
    if !server.read_only && record.role == Role::Primary {
        return Promotion::Already;
    }
    if let Some(epoch) = epoch.filter(|epoch| epoch.node != own_name && !server.is_attached()) {
        return Promotion::Refuse(unproven(epoch));
    }
    if let Some(step) = drain(server) {
        return step;
    }
    let silent: Vec<String> = survivors
        .iter()
        .filter(|node| vote_of(votes, node).is_none())
        .cloned()
        .collect();
    if !silent.is_empty() {
        return Promotion::Refuse(Why::NoVote { nodes: silent });
    }
    let mine = &server.holdings;
    let others = survivors.iter().filter_map(|node| Some((node, held_by(votes, node)?)));
    for (node, theirs) in others.clone() {
        if mine.conflicts(theirs) {
            return Promotion::Refuse(Why::Diverged {
                node: node.clone(),
                theirs: mine.lacks(theirs),
                ours: theirs.lacks(mine),
            });
        }
    }
    for (node, theirs) in others {
        let lacking = mine.lacks(theirs);
        if !lacking.is_empty() {
            return obtain(server, node, lacking, source_node);
        }
    }
    match epoch {
        Some(epoch) if !mine.covers(&epoch.position) => Promotion::Refuse(Why::OlderThanEpoch {
            epoch: epoch.number,
            node: epoch.node.clone(),
            position: epoch.position.clone(),
        }),
        Some(_) | None => Promotion::Open {
            evidence: evidence(survivors, votes),
        },
    }
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
        Ballot::NoServer | Ballot::Held => None,
    }
}

fn evidence(survivors: &[String], votes: &[(String, Vote)]) -> String {
    if survivors.is_empty() {
        return "no survivor to compare with".to_owned();
    }
    let words: Vec<String> = survivors
        .iter()
        .filter_map(|node| {
            Some(match vote_of(votes, node)?.ballot {
                Ballot::Holds(_) => format!("holds everything that {node} received"),
                Ballot::NoServer => format!("not compared with {node}, whose server does not answer"),
                Ballot::Held => format!("not compared with {node}, which is held back"),
            })
        })
        .collect();
    words.join("; ")
}
