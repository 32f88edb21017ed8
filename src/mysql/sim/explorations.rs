//! How far the exploration goes in a test, and on demand.

use super::explore::{Budget, Faults, Report, Scope, explore};
use super::scenario::Story;
use super::world::{Settings, World};
use crate::ocf::env::Env;

/// What every run of the tests explores, to the end.
const USUAL: Budget = Budget {
    commits: 1,
    faults: 1,
    mishaps: 0,
    orders: 0,
    interruptions: 0,
    epochs: 2,
};
/// It is known to reach some 40,000: an exploration that goes less far proves less than docs/guarantees.md says.
const LEAST_STATES: usize = 30_000;

fn serving(nodes: usize) -> World {
    let mut story = Story::new(nodes, Settings::default());
    story.serve();
    story.world
}

fn shown(report: &Report) -> String {
    format!(
        "{} states, {} transitions, depth {}, {:.1} s{}",
        report.states,
        report.transitions,
        report.depth,
        report.seconds,
        if report.complete { "" } else { ", incomplete" }
    )
}

#[test]
fn explores() {
    let env = Env::from_process();
    let number = |name: &str, default: u8| env.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let budget = Budget {
        commits: number("COMMITS", USUAL.commits),
        faults: number("FAULTS", USUAL.faults),
        mishaps: number("MISHAPS", USUAL.mishaps),
        orders: number("ORDERS", USUAL.orders),
        interruptions: number("INTERRUPTIONS", USUAL.interruptions),
        epochs: number("EPOCHS", USUAL.epochs),
    };
    let scope = Scope {
        budget,
        faults: Faults::ALL,
        eager: number("EAGER", 1) == 1,
        most_states: usize::from(number("MILLIONS", 2)) * 1_000_000,
    };
    let report = explore(&serving(3), &scope);
    println!("{budget:?}: {}", shown(&report));
    if let Some(violation) = report.violation {
        let (told, _) = Story::tell(&violation);
        panic!("\n{told}");
    }
    let far_enough = report.complete && report.states > LEAST_STATES;
    let usual = budget == USUAL && scope.eager;
    assert!(far_enough || !usual, "{}", shown(&report));
}
