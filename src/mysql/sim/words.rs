//! What an action did, in the words of a scenario.

use crate::mysql::decide::Recovery;
use crate::mysql::gtid::{Holdings, Position};
use crate::mysql::state::{Ballot, Claim, Epoch, Record, Role, Standing, Vote};

pub(super) fn follows(source: &str, resume: Option<&Position>, acknowledge: bool) -> String {
    let from = resume.map(|position| format!(" from {}", shown(position)));
    let how = if acknowledge { ", acknowledging" } else { "" };
    format!("follows {source}{}{how}", from.unwrap_or_default())
}

pub(super) fn launches(recovery: Recovery) -> String {
    match recovery {
        Recovery::Commit => "starts its server".to_owned(),
        Recovery::Truncate => "starts its server without its tail".to_owned(),
    }
}

pub(super) fn arms(acknowledgements: usize) -> String {
    format!("waits for {acknowledgements}")
}

pub(super) fn scores(score: Option<u32>) -> String {
    score.map_or("withdraws its score".to_owned(), |score| format!("scores {score}"))
}

pub(super) fn votes(vote: &Vote) -> String {
    let ballot = match &vote.ballot {
        Ballot::Holds(holdings) => format!("holds {}", held(holdings)),
        Ballot::Restarted(holdings) => format!("restarted with {}", held(holdings)),
        Ballot::NoServer => "no server".to_owned(),
        Ballot::Unknown => "unknown".to_owned(),
        Ballot::Held => "held".to_owned(),
    };
    format!("votes for the end of epoch {}: {ballot}", vote.epoch)
}

fn held(holdings: &Holdings) -> String {
    let executed = shown(&holdings.resume_position());
    let pending = holdings.pending();
    if pending.is_empty() {
        executed
    } else {
        format!("{executed}, received {pending}")
    }
}

pub(super) fn stands(standing: &Standing) -> String {
    let ready = if standing.ready { "ready" } else { "not ready" };
    let resigned = standing
        .resigned
        .map(|admission| format!(", resigned from admission {admission}"));
    format!("stands {ready}{}", resigned.unwrap_or_default())
}

/// A new epoch, or a new claim of one that lasts.
pub(super) fn declares(old: Option<&Epoch>, new: &Epoch) -> String {
    let claim = claims(&new.claim);
    if old.is_some_and(|old| old.number == new.number) {
        return format!("claims {claim}");
    }
    let proven = if new.proven { "proven" } else { "not proven" };
    format!(
        "opens epoch {} ({proven}: {}), claims {claim}",
        new.number, new.evidence
    )
}

fn claims(claim: &Claim) -> String {
    let ackers: Vec<&str> = claim.ackers.keys().map(String::as_str).collect();
    let ackers = if ackers.is_empty() {
        "nobody".to_owned()
    } else {
        ackers.join(", ")
    };
    format!("{} of {ackers} from {} on", claim.needed, shown(&claim.floor))
}

/// What changed in a node's memory, except what follows from something else in the trace.
pub(super) fn remembers(old: &Record, new: &Record) -> String {
    let mut words = Vec::new();
    let mut flag = |before: bool, after: bool, on: &str, off: &str| {
        if before != after {
            words.push((if after { on } else { off }).to_owned());
        }
    };
    let is_primary = |record: &Record| record.role == Role::Primary;
    flag(is_primary(old), is_primary(new), "primary", "replica");
    flag(old.held, new.held, "held", "not held");
    flag(
        old.machine_crashed,
        new.machine_crashed,
        "its machine crashed",
        "its machine is whole",
    );
    flag(old.dropped_tail, new.dropped_tail, "dropped its tail", "tail replaced");
    flag(
        old.changing_source,
        new.changing_source,
        "changing source",
        "source changed",
    );
    flag(
        old.restarts_receiver,
        new.restarts_receiver,
        "restarting its receiver",
        "receiver restarted",
    );
    if !old.data.is_empty() && new.data != old.data {
        words.push("its data are others".to_owned());
    }
    if let Some(resigned) = new.resigned.filter(|_| new.resigned != old.resigned) {
        words.push(format!("resigned from admission {}", resigned.admission));
    }
    if new.voted != old.voted {
        words.push(new.voted.as_ref().map_or("vote forgotten".to_owned(), |voted| {
            format!("voted {}", shown(&voted.received))
        }));
    }
    if new.entered > old.entered {
        words.push("its reign is entered".to_owned());
    }
    if new.refetches != old.refetches {
        words.push(
            new.refetches
                .as_ref()
                .map_or("nothing to fetch again".to_owned(), |lost| {
                    format!("fetches again up to {}", shown(&lost.received))
                }),
        );
    }
    if new.opening > old.opening {
        words.push(format!("is about to open epoch {}", new.opening));
    }
    if new.acknowledged_in != old.acknowledged_in && new.acknowledged_in != u64::MAX {
        words.push(format!("acknowledges in epoch {}", new.acknowledged_in));
    }
    flag_end(&mut words, old, new);
    if words.is_empty() {
        words.push("claim".to_owned());
    }
    format!("remembers: {}", words.join(", "))
}

fn flag_end(words: &mut Vec<String>, old: &Record, new: &Record) {
    if old.resigned.is_some() && new.resigned.is_none() {
        words.push("on duty again".to_owned());
    }
}

fn shown(position: &Position) -> String {
    if position.is_empty() {
        "nothing".to_owned()
    } else {
        position.to_string()
    }
}
