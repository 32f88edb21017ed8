//! What the nodes did, and when: lines of their logs that mark a phase of a failover, merged over all nodes.
//!
//! Nodes and host share one clock. Nodes log in UTC and leave the year out.

use std::time::{Duration, Instant};

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::lab::{Lab, Node};

/// A line of the log that contains all of `words` marks `phase`; what follows the last word is shown with `says`.
struct Rule {
    words: &'static [&'static str],
    phase: &'static str,
    says: &'static str,
}

const fn rule(words: &'static [&'static str], phase: &'static str, says: &'static str) -> Rule {
    Rule { words, phase, says }
}

/// The first rule that fits a line counts.
const RULES: &[Rule] = &[
    rule(&["Result of monitor operation for db on ", ": OK"], "", ""),
    rule(&["Result of monitor operation for db on ", ": Promoted"], "", ""),
    rule(&["Result of monitor operation for db on ", ": Cancelled"], "", ""),
    rule(
        &["Result of monitor operation for db on ", ": "],
        "noticed",
        "monitor: ",
    ),
    rule(
        &["Result of asyncmon operation for db on ", ": "],
        "noticed",
        "reported: ",
    ),
    rule(&["promotion score is withdrawn"], "noticed", "the server is gone"),
    rule(
        &["Setting master-db[", "-> (unset) | from "],
        "noticed",
        "score withdrawn by ",
    ),
    rule(
        &["pacemaker-controld", "state is now lost"],
        "noticed",
        "a node is lost",
    ),
    rule(&["Requesting fencing (reboot) targeting "], "fence asked", ""),
    rule(&["pacemaker-fenced", "Operation 'reboot' targeting "], "fenced", ""),
    rule(&["Result of stop operation for db-ip on "], "address down", ""),
    rule(&["Result of demote operation for db on "], "demoted", ""),
    rule(&["phase kill server: "], "demoted", "server killed, "),
    rule(&["Result of stop operation for db on "], "stopped", ""),
    rule(&["phase vote: took "], "voted", "took "),
    rule(&["phase collect votes: "], "promoting", "votes collected, "),
    rule(&["phase prove: "], "promoting", "safety proven, "),
    rule(&["phase open: "], "promoting", "opened, "),
    rule(&["Result of promote operation for db on "], "promoted", ""),
    rule(&["Result of start operation for db-ip on "], "address up", ""),
    rule(&["baton-mysql(db)", ": following "], "following", ""),
    rule(&["Result of start operation for db on "], "started", ""),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) at: OffsetDateTime,
    /// None for what the client saw, and for what was done from outside.
    pub(crate) node: Option<Node>,
    pub(crate) phase: &'static str,
    pub(crate) what: String,
}

impl Entry {
    pub(crate) fn of_client(mark: Mark, instant: Instant, what: &str) -> Entry {
        Entry {
            at: mark.time_of(instant),
            node: None,
            phase: "client",
            what: what.to_owned(),
        }
    }

    pub(crate) fn of_script(mark: Mark, instant: Instant, what: &str) -> Entry {
        Entry {
            phase: "script",
            ..Entry::of_client(mark, instant, what)
        }
    }
}

/// The host's clocks at one instant, to tell the time of day of others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) instant: Instant,
    pub(crate) day_time: OffsetDateTime,
}

impl Mark {
    pub(crate) fn now() -> Mark {
        Mark {
            instant: Instant::now(),
            day_time: OffsetDateTime::now_utc(),
        }
    }

    pub(crate) fn time_of(self, instant: Instant) -> OffsetDateTime {
        match instant.checked_duration_since(self.instant) {
            Some(later) => self.day_time + later,
            None => self.day_time - self.instant.duration_since(instant),
        }
    }
}

/// Pacemaker reads a clock that advances every few milliseconds.
const CLOCK_STEP: Duration = Duration::from_millis(5);

/// All marks of a phase since then, in order, and what kept a node's log from being read.
pub(crate) fn gather(lab: &Lab, since: Mark) -> (Vec<Entry>, Vec<String>) {
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    for node in Node::ALL {
        match lab.log_of(node) {
            Ok(log) => entries.extend(log.lines().filter_map(|line| read(line, node, since.day_time.year()))),
            Err(error) => problems.push(format!("the log of {node}: {error}")),
        }
    }
    entries.retain(|entry| entry.at + CLOCK_STEP >= since.day_time);
    entries.sort_by_key(|entry| entry.at);
    // Every node hears of some things: the first to say so is enough.
    let mut said: Vec<(&str, String)> = Vec::new();
    entries.retain(|entry| {
        let news = (entry.phase, entry.what.clone());
        let told_to_all = entry.what == "a node is lost" || entry.what.starts_with("score withdrawn");
        let shared = ["fenced", "fence asked"].contains(&entry.phase) || told_to_all;
        let first = !said.contains(&news);
        said.push(news);
        first || !shared
    });
    (entries, problems)
}

pub(crate) fn read(line: &str, node: Node, year: i32) -> Option<Entry> {
    let (rule, rest) = RULES.iter().find_map(|rule| Some((rule, after(line, rule.words)?)))?;
    if rule.phase.is_empty() {
        return None;
    }
    let rest = rest.split(" | ").next().unwrap_or_default();
    let rest = rest.trim_end_matches(" with no write delay").trim();
    // "Result of ... on n1: OK": the node has a column of its own.
    let rest = rest.strip_prefix(&format!("{node}: ")).unwrap_or(rest);
    Some(Entry {
        at: stamp(line, year)?,
        node: Some(node),
        phase: rule.phase,
        what: format!("{}{rest}", rule.says),
    })
}

/// The reasons that agents gave since then, in a node's log.
pub(crate) fn exit_reasons(log: &str, since: Mark) -> Vec<String> {
    let year = since.day_time.year();
    log.lines()
        .filter_map(|line| Some((line, after(line, &["log_op_output", "ocf-exit-reason:"])?)))
        .filter(|(line, _)| stamp(line, year).is_some_and(|at| at + CLOCK_STEP >= since.day_time))
        .map(|(_, reason)| reason.trim_end_matches(" ]").to_owned())
        .collect()
}

/// What follows the last of these words, which must all be there, in this order.
fn after<'a>(line: &'a str, words: &[&str]) -> Option<&'a str> {
    words
        .iter()
        .try_fold(line, |rest, word| rest.split_once(word).map(|(_, after)| after))
}

/// `Nov 21 09:48:05.123`, at the beginning of a line.
fn stamp(line: &str, year: i32) -> Option<OffsetDateTime> {
    let mut words = line.split_ascii_whitespace();
    let month = month(words.next()?)?;
    let day = words.next()?.parse().ok()?;
    let (clock, millis) = words.next()?.split_once('.')?;
    let mut clock = clock.split(':').map(|part| part.parse::<u8>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let time = Time::from_hms_milli(hour, minute, second, millis.parse().ok()?).ok()?;
    Some(PrimitiveDateTime::new(Date::from_calendar_date(year, month, day).ok()?, time).assume_utc())
}

fn month(name: &str) -> Option<Month> {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let index = NAMES.iter().position(|known| *known == name)?;
    Month::try_from(u8::try_from(index + 1).ok()?).ok()
}
