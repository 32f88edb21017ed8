//! What is told of an act: its timeline, one line that sums it up, and tables of all.

use std::time::Duration;

use time::OffsetDateTime;

use crate::acts::{self, Act};
use crate::lab::Node;
use crate::screen::{Colour, Screen};
use crate::timeline::Entry;
use crate::verify::Verdict;

/// How an act went.
pub(crate) struct Report {
    pub(crate) act: &'static Act,
    pub(crate) began: OffsetDateTime,
    /// In all, with what must be waited for before and after.
    pub(crate) took: Duration,
    pub(crate) gap: Option<Duration>,
    pub(crate) acknowledged: usize,
    /// None if it could not be found out.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) two_writable: usize,
    /// Everybody who was primary, in order.
    pub(crate) reign: Vec<Node>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) problems: Vec<String>,
    /// What came, but later than it must: a sentence each.
    pub(crate) late: Vec<String>,
}

impl Report {
    /// Promises that were broken: a sentence each.
    pub(crate) fn broken(&self) -> Vec<String> {
        let mut broken = self.problems.clone();
        for (node, missing) in self.verdict.iter().flat_map(|verdict| &verdict.missing) {
            broken.push(format!("{missing} acknowledged writes are missing on {node}"));
        }
        if self.two_writable > 0 {
            broken.push(format!(
                "two servers were writable together, {} times",
                self.two_writable
            ));
        }
        if self.acknowledged == 0 {
            broken.push("nothing was written".to_owned());
        }
        broken
    }

    /// Bounds that were not kept: a sentence each.
    pub(crate) fn slow(&self) -> Vec<String> {
        let bound = Duration::from_secs(self.act.bound);
        let told = |gap| {
            format!(
                "clients could not write for {}, more than {}",
                millis(gap),
                millis(bound)
            )
        };
        let gap = self.gap.filter(|gap| *gap > bound).map(told);
        self.late.iter().cloned().chain(gap).collect()
    }

    /// All that is wrong.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.broken().into_iter().chain(self.slow()).collect()
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{}: longest gap seen by the client {}, acknowledged writes {}, lost writes {}, moments with two writable \
             servers {}, primary {}, {:.1} s in all",
            self.act.name,
            self.gap.map_or_else(|| "unknown".to_owned(), millis),
            self.acknowledged,
            self.lost(),
            self.two_writable,
            self.reign(),
            self.took.as_secs_f64(),
        )
    }

    /// The timeline, and what went wrong.
    pub(crate) fn show(&self, screen: &Screen) {
        screen.say("");
        screen.say(&screen.paint(Colour::Bold, &format!("{}: {}", self.act.name, self.act.story)));
        for entry in &self.entries {
            let line = self.line(entry.at, entry.node, entry.phase, &entry.what);
            let colour = if entry.node.is_none() {
                Colour::Bold
            } else {
                Colour::Dim
            };
            screen.say(&screen.paint(colour, &line));
        }
        for problem in self.faults() {
            screen.say(&screen.paint(Colour::Red, &format!("  {problem}")));
        }
        screen.say(&self.summary());
    }

    fn line(&self, at: OffsetDateTime, node: Option<Node>, phase: &str, what: &str) -> String {
        let offset = (at - self.began).whole_milliseconds();
        let node = node.map_or_else(|| "-".to_owned(), |node| node.to_string());
        format!("{offset:>8} ms  {node:<3} {phase:<13} {what}")
            .trim_end()
            .to_owned()
    }

    fn lost(&self) -> String {
        self.verdict
            .as_ref()
            .map_or_else(|| "unknown".to_owned(), |verdict| verdict.lost.to_string())
    }

    fn reign(&self) -> String {
        let nodes: Vec<String> = self.reign.iter().map(Node::to_string).collect();
        nodes.join(" > ")
    }
}

/// The table at the end of the demo.
pub(crate) fn table(screen: &Screen, reports: &[Report]) {
    let row = |cells: [&str; 7]| {
        let [act, gap, acknowledged, lost, two, primary, verdict] = cells;
        format!("{act:<32} {gap:>11} {acknowledged:>13} {lost:>5} {two:>13}  {primary:<14} {verdict}")
    };
    screen.say("");
    let head = row([
        "act",
        "longest gap",
        "acknowledged",
        "lost",
        "two writable",
        "primary",
        "",
    ]);
    screen.say(&screen.paint(Colour::Bold, &head));
    for report in reports {
        let verdict = if report.broken().is_empty() {
            screen.paint(Colour::Green, "ok")
        } else {
            screen.paint(Colour::Red, "BROKEN")
        };
        screen.say(&row([
            report.act.name,
            &report.gap.map_or_else(|| "unknown".to_owned(), millis),
            &report.acknowledged.to_string(),
            &report.lost(),
            &report.two_writable.to_string(),
            &report.reign(),
            &verdict,
        ]));
    }
}

/// The median gap of every act that was played, when acts are repeated.
pub(crate) fn medians(screen: &Screen, reports: &[Report]) {
    screen.say("");
    for act in acts::all() {
        let mut gaps: Vec<Duration> = reports
            .iter()
            .filter(|report| report.act.name == act.name)
            .filter_map(|report| report.gap)
            .collect();
        gaps.sort();
        if let (Some(best), Some(median), Some(worst)) = (gaps.first(), median(&gaps), gaps.last()) {
            screen.say(&format!(
                "{:<32} median gap {:>8} of {}, from {} to {}",
                act.name,
                millis(median),
                gaps.len(),
                millis(*best),
                millis(*worst)
            ));
        }
    }
}

/// Of sorted values.
pub(crate) fn median(sorted: &[Duration]) -> Option<Duration> {
    let (lower, upper) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some((sorted[lower] + sorted[upper]) / 2)
}

pub(crate) fn millis(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}
