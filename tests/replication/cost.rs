//! What the agent costs those who write, and how long a promotion takes that has nothing to wait for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::lab::{Lab, N1, N2, N3};

/// Turns of writing with the agent at work, and without.
const TURNS: u64 = 5;
const TURN: Duration = Duration::from_secs(1);
const PROMOTIONS: usize = 5;

/// The same servers, with the same settings, are "configured by hand" as long as no agent looks at them.
#[test]
fn writers_hardly_notice_that_acknowledgements_are_looked_after() {
    let lab = Lab::serving();
    lab.await_rejoined(N2, N1);
    lab.await_rejoined(N3, N1);
    let mut app = lab.server(N1).app();
    let (mut alone, mut watched) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let first = (1 + 2 * turn) * 1_000_000;
        alone.extend(write_for_a_while(&mut app, first));
        watched.extend(watching(&lab, || write_for_a_while(&mut app, first + 1_000_000)));
    }
    let commits = alone.len().min(watched.len());
    let (alone, watched) = (median(&mut alone), median(&mut watched));
    let ratio = watched.as_secs_f64() / alone.as_secs_f64();
    println!("commit: median of {commits}: {alone:?} without the agent, {watched:?} with it, {ratio:.3} times");
    assert!(ratio < 1.5, "{ratio}");
}

#[test]
fn a_promotion_with_nothing_to_wait_for_is_quick() {
    let lab = Lab::serving();
    let mut took = Vec::new();
    for turn in 0..PROMOTIONS {
        let (old, new) = if turn % 2 == 0 { (N1, N2) } else { (N2, N1) };
        let transition = lab.transition().demote(old).promote(new).close();
        took.push(transition.elect().try_promote().expect(0).took);
        transition.notify(old, "post", "promote");
        transition.notify(N3, "post", "promote");
        lab.await_follows(old, new);
        lab.await_follows(N3, new);
    }
    let median = median(&mut took);
    println!("promote with nothing to drain: median of {PROMOTIONS}: {median:?}");
    assert!(median < Duration::from_secs(1), "{median:?}");
}

/// How long each commit took.
fn write_for_a_while(app: &mut Conn, first: u64) -> Vec<Duration> {
    let end = Instant::now() + TURN;
    let mut took = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        let id = first + took.len() as u64;
        app.query_drop(format!("INSERT INTO t (id, v) VALUES ({id}, 1)"))
            .unwrap();
        took.push(began.elapsed());
    }
    took
}

/// With the monitors of all nodes, twice in the time for which they are configured.
fn watching<T>(lab: &Lab, write: impl FnOnce() -> T) -> T {
    let monitors = [N1, N2, N3].map(|node| lab.call(node).meta("interval", "1000"));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                monitors.iter().for_each(|monitor| drop(monitor.run("monitor")));
                std::thread::sleep(TURN / 2);
            }
        });
        let written = write();
        over.store(true, Ordering::Relaxed);
        written
    })
}

fn median(values: &mut [Duration]) -> Duration {
    values.sort();
    values[values.len() / 2]
}
