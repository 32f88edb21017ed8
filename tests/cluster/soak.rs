//! Acts in random order, for as long as one likes. Stops at the first broken promise; counts what was too
//! slow.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::acts::{self, Act};
use crate::arguments::Arguments;
use crate::lab::{Lab, Result};
use crate::report::{self, Report};
use crate::screen::{Colour, Screen};
use crate::{keep_logs, open};

pub(crate) fn run(screen: &Screen, lab: &Lab, arguments: &Arguments, faults: usize, seed: Option<u64>) -> bool {
    let seed = seed.unwrap_or_else(any_seed);
    screen.say(&screen.paint(Colour::Bold, &format!("{faults} acts in random order, seed {seed}")));
    let mut reports = Vec::new();
    let played = play(screen, lab, arguments, faults, Random(seed), &mut reports);
    table(screen, &reports);
    if let Err(problem) = &played {
        screen.say(&screen.paint(Colour::Red, problem));
        screen.say(&format!("again: `make soak FAULTS={faults} SEED={seed}`"));
    }
    played.is_ok()
}

fn play(
    screen: &Screen,
    lab: &Lab,
    arguments: &Arguments,
    faults: usize,
    mut random: Random,
    reports: &mut Vec<Report>,
) -> Result<()> {
    let mut stage = open(screen, lab, arguments)?;
    let mut left = Vec::new();
    for number in 1..=faults {
        // Every act once, before one comes again.
        if left.is_empty() {
            left = arguments.programme();
        }
        let act = left.swap_remove(random.below(left.len()));
        let broke = |what: String| {
            keep_logs(screen, lab, act);
            format!("act {number}, {}: {what}", act.name)
        };
        let report = stage.play(act).map_err(broke)?;
        let broken = report.broken();
        if report.faults().is_empty() {
            screen.say(&format!("{number:>5}  {}", report.summary()));
        } else {
            report.show(screen);
        }
        reports.push(report);
        if !broken.is_empty() {
            return Err(broke(broken.join("; ")));
        }
    }
    Ok(())
}

/// A line for each act that was played.
fn table(screen: &Screen, reports: &[Report]) {
    let row = |cells: [&str; 8]| {
        let [act, times, lost, two, least, median, most, slow] = cells;
        format!("{act:<36} {times:>5} {lost:>5} {two:>12} {least:>9} {median:>9} {most:>9} {slow:>8}")
    };
    let head = [
        "act",
        "times",
        "lost",
        "two writable",
        "least gap",
        "median",
        "longest",
        "too slow",
    ];
    screen.say("");
    screen.say(&screen.paint(Colour::Bold, &row(head)));
    for act in acts::all() {
        let played: Vec<&Report> = reports.iter().filter(|report| report.act.name == act.name).collect();
        if played.is_empty() {
            continue;
        }
        screen.say(&row(summary(act, &played).each_ref().map(String::as_str)));
    }
}

fn summary(act: &Act, played: &[&Report]) -> [String; 8] {
    let mut gaps: Vec<Duration> = played.iter().filter_map(|report| report.gap).collect();
    gaps.sort();
    let shown = |gap: Option<Duration>| gap.map_or_else(|| "unknown".to_owned(), report::millis);
    let lost = played.iter().filter_map(|report| report.verdict.as_ref());
    let lost: usize = lost.map(|verdict| verdict.lost).sum();
    let two: usize = played.iter().map(|report| report.two_writable).sum();
    let slow = played.iter().filter(|report| !report.slow().is_empty()).count();
    [
        act.name.to_owned(),
        played.len().to_string(),
        lost.to_string(),
        two.to_string(),
        shown(gaps.first().copied()),
        shown(report::median(&gaps)),
        shown(gaps.last().copied()),
        slow.to_string(),
    ]
}

fn any_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::from(since.subsec_micros()))
}

/// The same seed gives the same order, on every machine: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 on, below the limit.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }
}
