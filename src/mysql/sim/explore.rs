//! Every order of events within bounds, breadth first: the first world in which an invariant is broken is reached by the
//! shortest path, which is printed as a scenario.
//!
//! What is bounded is how often something goes wrong, how often clients and people do something, and how often an action
//! of the agent is interrupted between two calls by something else than its wait. Everything that heals, and everything
//! that goes on by itself, may happen at any time and as often as it can.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use super::action::{Course, Ended, Operation};
use super::event::Event;
use super::invariants;
use super::stage::Reach;
use super::world::World;

/// How often each kind of event may happen on the way to a world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// Transactions that clients commit.
    pub(super) commits: u8,
    /// Servers, nodes and networks that fail.
    pub(super) faults: u8,
    /// Actions that are killed, calls that fail, transitions that are abandoned.
    pub(super) mishaps: u8,
    /// Orders of people.
    pub(super) orders: u8,
    /// Interruptions of an action.
    pub(super) interruptions: u8,
    /// Promotions.
    pub(super) epochs: u8,
}

/// Which faults happen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    pub(super) crashes: bool,
    pub(super) power: bool,
    pub(super) partitions: bool,
    pub(super) links: bool,
    pub(super) lags: bool,
    pub(super) freezes: bool,
}

impl Faults {
    pub(super) const ALL: Faults = Faults {
        crashes: true,
        power: true,
        partitions: true,
        links: true,
        lags: true,
        freezes: true,
    };
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) left: Budget,
    /// An action that stands between two calls: whatever happens now interrupts it.
    pub(super) halted: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) states: usize,
    /// Whether there was nothing left to look at.
    pub(super) complete: bool,
    pub(super) transitions: usize,
    pub(super) depth: usize,
    pub(super) seconds: f64,
    pub(super) violation: Option<String>,
}

/// The way from one state to the next: an event, and how far the action went that it took on.
type Way = Vec<(Event, Reach)>;

struct Successor {
    state: State,
    way: Way,
    problem: Option<String>,
}

/// How each state was first reached.
struct Tree {
    known: HashSet<u64>,
    steps: Vec<(u32, Way)>,
}

/// What an exploration is to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    pub(super) budget: Budget,
    pub(super) faults: Faults,
    /// What takes no time compared with everything else needs no event of its own.
    pub(super) eager: bool,
    /// Where to give up.
    pub(super) most_states: usize,
}

pub(super) fn explore(start: &World, scope: &Scope) -> Report {
    let began = Instant::now();
    let first = State {
        world: start.clone(),
        left: scope.budget,
        halted: None,
    };
    let mut tree = Tree {
        known: HashSet::from([fingerprint(&first)]),
        steps: vec![(0, Vec::new())],
    };
    let mut report = Report::default();
    let mut level = vec![(first, 0_u32)];
    while !level.is_empty() && report.violation.is_none() && tree.known.len() < scope.most_states {
        level = tree.next_level(level, scope, &mut report);
        report.depth += 1;
    }
    report.complete = level.is_empty();
    report.states = tree.known.len();
    report.seconds = began.elapsed().as_secs_f64();
    report
}

fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

impl Tree {
    fn next_level(&mut self, level: Vec<(State, u32)>, scope: &Scope, report: &mut Report) -> Vec<(State, u32)> {
        let mut next = Vec::new();
        for (state, at) in level {
            for successor in state.successors(scope) {
                report.transitions += 1;
                if !self.known.insert(fingerprint(&successor.state)) {
                    continue;
                }
                self.steps.push((at, successor.way));
                let place = u32::try_from(self.steps.len() - 1).unwrap();
                let broken = invariants::broken(&successor.state.world);
                if let Some(broken) = successor.problem.into_iter().chain(broken).next() {
                    report.violation = Some(self.path(place, &broken, scope));
                    return Vec::new();
                }
                next.push((successor.state, place));
            }
        }
        next
    }

    /// The way to a state, as a scenario.
    fn path(&self, mut place: u32, broken: &str, scope: &Scope) -> String {
        let mut ways = Vec::new();
        while place != 0 {
            let (from, way) = &self.steps[place as usize];
            ways.push(way);
            place = *from;
        }
        let eager = if scope.eager { "setting eager\n" } else { "" };
        let mut text = format!("# {broken}\nserving\n{eager}");
        for (event, reach) in ways.iter().rev().flat_map(|way| way.iter()) {
            let _ = match reach {
                Reach::Calls(calls) => writeln!(text, "{event} {calls}"),
                Reach::Wait | Reach::End => writeln!(text, "{event}"),
            };
        }
        text
    }
}

impl State {
    fn successors(&self, scope: &Scope) -> Vec<Successor> {
        let mut found = Vec::new();
        for event in self.possible(scope.faults) {
            let mut state = self.clone();
            if self.halted.is_some() {
                state.left.interruptions -= 1;
                state.halted = None;
            }
            state.follow(event, Vec::new(), scope, &mut found);
        }
        found
    }

    /// What follows from an event. An action that it begins or takes on runs until it ends or waits. Before each of its
    /// calls it may be interrupted, or something may go wrong.
    fn follow(mut self, event: Event, way: Way, scope: &Scope, found: &mut Vec<Successor>) {
        self.left.pay(event);
        let before = self.clone();
        let mut course = Course::to(Reach::Wait);
        course.halts = (self.left.mishaps > 0 || self.left.interruptions > 0).then(Vec::new);
        let ended = self.world.happen(event, &mut course);
        self.left.promoted(epoch(&before.world), epoch(&self.world));
        let problem = ended.and_then(|(node, ended)| needless(&self.world, node, &ended));
        let mut whole = way.clone();
        whole.push((event, Reach::Wait));
        let actor = self.world.acting(event).or(event.actor());
        for (calls, world) in course.halts.into_iter().flatten().enumerate() {
            let node = world.acting(event).or(actor).expect("somebody acts");
            let mut halted = State {
                world,
                left: before.left,
                halted: Some(node),
            };
            halted.left.promoted(epoch(&before.world), epoch(&halted.world));
            halted.world.settle(scope.eager);
            let mut way = way.clone();
            way.push((event, Reach::Calls(calls + 1)));
            for mishap in halted.mishaps(node) {
                let mut state = halted.clone();
                state.halted = None;
                state.follow(mishap, way.clone(), scope, found);
            }
            if halted.left.interruptions > 0 {
                found.push(Successor {
                    state: halted,
                    way,
                    problem: None,
                });
            }
        }
        self.world.settle(scope.eager);
        found.push(Successor {
            state: self,
            way: whole,
            problem,
        });
    }
}

fn needless(world: &World, node: usize, ended: &Ended) -> Option<String> {
    let refused = ended.order.operation == Operation::Promote && ended.reason.starts_with("not promoted");
    refused
        .then(|| invariants::needless(world, node, &ended.reason))
        .flatten()
}

impl Budget {
    fn promoted(&mut self, before: u64, after: u64) {
        self.epochs -= u8::from(before < after);
    }

    fn pay(&mut self, event: Event) {
        match event {
            Event::Commit(..) => self.commits -= 1,
            Event::Crash(_)
            | Event::CrashBadly(_)
            | Event::Freeze(_)
            | Event::PowerOff(_)
            | Event::Isolate(_)
            | Event::Separate(_)
            | Event::Cut(..)
            | Event::Lag(_) => self.faults -= 1,
            Event::Kill(_) | Event::Mishap(..) | Event::Abort => self.mishaps -= 1,
            Event::Want(_) | Event::AcceptLoss | Event::Disarm(_) => self.orders -= 1,
            Event::Receive(_)
            | Event::Apply(_)
            | Event::Acknowledge(..)
            | Event::Connect(_)
            | Event::Lose(_)
            | Event::Monitor(_)
            | Event::Step(_)
            | Event::Hear(_)
            | Event::Proceed
            | Event::Demote(_)
            | Event::Stop(_)
            | Event::Thaw(_)
            | Event::PowerOn(_)
            | Event::Heal(_)
            | Event::Mend(..)
            | Event::CatchUp(_)
            | Event::Forget(_) => {}
        }
    }
}

fn epoch(world: &World) -> u64 {
    let epochs = world
        .machines
        .iter()
        .filter_map(|machine| machine.configuration.epoch.as_ref());
    epochs.map(|epoch| epoch.number).max().unwrap_or_default()
}
