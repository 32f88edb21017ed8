//! What sets cost that a server has after years of failovers and gaps: a monitor reads two of them every second.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::mysql::gtid::mysql::*;

const INTERVALS: u64 = 10_000;
const RUNS: usize = 9;

/// `sources` share the intervals, each of which is `numbers` of ten.
fn set(sources: u64, offset: u64, numbers: u64) -> String {
    let per_source = INTERVALS / sources;
    let members: Vec<String> = (0..sources)
        .map(|source| {
            let intervals = (0..per_source).map(|index| {
                let first = offset + index * 10;
                format!(":{first}-{}", first + numbers - 1)
            });
            format!(
                "{source:08x}-71ca-11e1-9e33-c80aa9429562{}",
                intervals.collect::<String>()
            )
        })
        .collect();
    members.join(",\n")
}

/// The fastest of some runs: the others show what else the machine did.
fn fastest(work: impl Fn()) -> Duration {
    let times = (0..RUNS).map(|_| {
        let started = Instant::now();
        work();
        started.elapsed()
    });
    times.min().unwrap()
}

#[test]
fn ten_thousand_intervals_cost_a_few_milliseconds() {
    // Without optimisation everything takes many times as long; what is not linear would take minutes.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 5 });
    for sources in [1, 100, INTERVALS] {
        // Every interval of `b` cuts two of `a`.
        let [text, cuts] = [(1, 8), (6, 8)].map(|(offset, numbers)| set(sources, offset, numbers));
        let [a, b] = [&text, &cuts].map(|text| GtidSet::parse(text).unwrap());
        let all = a.union(&b);
        assert_eq!(a.count(), u128::from(INTERVALS) * 8);
        let work: [(&str, &dyn Fn()); 5] = [
            ("parse", &|| drop(black_box(GtidSet::parse(&text)))),
            ("print", &|| drop(black_box(a.to_string()))),
            ("union", &|| drop(black_box(a.union(&b)))),
            ("subtract", &|| drop(black_box(a.subtract(&b)))),
            ("subset", &|| assert!(black_box(all.contains(&b)))),
        ];
        for (name, work) in work {
            let took = fastest(work);
            println!("{INTERVALS} intervals of {sources} sources: {name}: fastest of {RUNS}: {took:?}");
            assert!(took <= limit, "{name}: {took:?}");
        }
    }
}
