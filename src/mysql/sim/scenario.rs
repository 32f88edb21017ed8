//! Stories of a cluster as text: one step per line, and under each step what the agents did.
//!
//! ```text
//! serving              # three nodes, n1 promoted, the others follow
//! write n1 x           # a commit, and all that follows from it by itself
//! crash n1
//! monitor n1
//!     n1 monitor: 7
//! pacemaker            # carries out transitions until there is nothing left to do
//!     n2 pre-promote: votes for the end of epoch 1: holds 0-1-1
//! primary n2           # an expectation
//! ```
//!
//! Lines that are indented are the trace: compared, and written anew with `UPDATE=1`. Steps are those of [`Event`] and the
//! ones here.

use std::rc::Rc;

use super::action::{Course, Ended, Operation, Order};
use super::event::Event;
use super::invariants;
use super::pacemaker::Next;
use super::server::{Applier, Process, Receiver};
use super::stage::Reach;
use super::world::{NAMES, Settings, World, names, node_named};
use crate::mysql::state::Epoch;

/// No story needs more steps of one kind to come to rest.
const ENOUGH: usize = 500;

pub(super) struct Story {
    pub(super) world: World,
    /// What the agents did in the present step.
    trace: Vec<String>,
    /// How the last promotion of each node was refused.
    refused: Vec<Option<String>>,
    /// A copy of the cluster's configuration.
    kept: Option<Rc<Epoch>>,
    /// Connections, appliers and news need no steps of their own.
    pub(super) eager: bool,
}

impl Story {
    pub(super) fn new(nodes: usize, settings: Settings) -> Story {
        Story {
            world: World::new(nodes, settings),
            trace: Vec::new(),
            refused: vec![None; nodes],
            kept: None,
            eager: false,
        }
    }

    /// A whole text with its traces written anew, and what was not as expected.
    pub(super) fn tell(text: &str) -> (String, Vec<String>) {
        let mut story = Story::new(3, Settings::default());
        let mut told = String::new();
        let mut wrong = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.starts_with("    ") {
                continue;
            }
            told.push_str(line);
            told.push('\n');
            let command = line.split('#').next().unwrap_or_default().trim();
            if command.is_empty() {
                continue;
            }
            let result = story.command(command);
            for line in story.trace.drain(..) {
                told.push_str("    ");
                told.push_str(&line);
                told.push('\n');
            }
            let broken = invariants::broken(&story.world);
            for problem in result.err().into_iter().chain(broken) {
                wrong.push(format!("line {}, {command}: {problem}", number + 1));
            }
        }
        (told, wrong)
    }

    fn command(&mut self, command: &str) -> Result<(), String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let node = |at: usize| {
            let name = words.get(at).copied().unwrap_or_default();
            node_named(name)
                .filter(|node| *node < self.world.machines.len())
                .ok_or(format!("{name} is no node"))
        };
        match words[0] {
            "cluster" => {
                let nodes = words
                    .get(1)
                    .and_then(|count| count.parse().ok())
                    .ok_or("how many nodes")?;
                *self = Story::new(nodes, self.world.settings);
            }
            "setting" => self.set(&words)?,
            "serving" => self.serve(),
            "write" => {
                let (node, keys) = (node(1)?, &words[2..]);
                for key in keys.iter().filter_map(|key| key.chars().next()) {
                    if !self.world.can_commit(node) {
                        return Err(format!("{} is read-only", NAMES[node]));
                    }
                    self.happen(Event::Commit(node, key), Reach::Wait);
                    self.settle();
                }
            }
            "restore" => {
                let (node, transactions) = (node(1)?, words.get(2).and_then(|count| count.parse().ok()));
                self.world.restore(node, transactions.ok_or("how many transactions")?);
            }
            "keep-configuration" => self.kept.clone_from(&self.world.configuration().epoch),
            "revert-configuration" => {
                let kept = self.kept.clone();
                self.world
                    .configure(node(1)?, |configuration| configuration.epoch = kept);
            }
            "settle" => self.settle(),
            "monitor" => {
                let nodes = if words.len() > 1 {
                    vec![node(1)?]
                } else {
                    self.world.nodes().collect()
                };
                for node in nodes {
                    self.monitor(node);
                }
            }
            "pacemaker" => self.pacemaker(),
            "rest" => self.rest(),
            _ => match parse(command) {
                Some((event, reach)) => self.happen(event, reach),
                None => return self.expect(command, &words),
            },
        }
        Ok(())
    }

    fn set(&mut self, words: &[&str]) -> Result<(), String> {
        let settings = &mut self.world.settings;
        match words[1..] {
            ["loss", "never"] => settings.loss = "never",
            ["loss", "bounded"] => settings.loss = "bounded",
            ["eager"] => self.eager = true,
            ["restart-in-place"] => settings.stays_away = false,
            ["acknowledgements", most] => settings.most = most.parse().map_err(|_| "not a number")?,
            _ => return Err("no such setting".to_owned()),
        }
        Ok(())
    }

    /// Up, promoted, followed, nothing left to do; nobody reads how.
    pub(super) fn serve(&mut self) {
        for node in self.world.nodes() {
            self.happen(Event::PowerOn(node), Reach::Wait);
        }
        self.rest();
        self.trace.clear();
    }

    fn happen(&mut self, event: Event, reach: Reach) {
        let mut course = self.course(reach);
        let ended = self.world.happen(event, &mut course);
        self.trace.extend(course.trace.into_iter().flatten());
        self.world.settle(self.eager);
        if let Some((node, ended)) = ended {
            self.heed(node, &ended);
        }
    }

    fn course(&self, reach: Reach) -> Course {
        Course {
            trace: Some(Vec::new()),
            ..Course::to(reach)
        }
    }

    /// An action from its beginning to its end.
    fn run(&mut self, node: usize, order: &Order) {
        let mut course = self.course(Reach::End);
        let ended = self.world.begin(node, order, &mut course);
        self.trace.extend(course.trace.into_iter().flatten());
        if let Some(ended) = ended {
            self.world.note(node, &ended);
            self.heed(node, &ended);
        }
    }

    fn heed(&mut self, node: usize, ended: &Ended) {
        if ended.order.operation == Operation::Promote {
            let refused = (!ended.reason.is_empty()).then(|| ended.reason.clone());
            self.refused[node] = refused;
        }
    }

    pub(super) fn settle(&mut self) {
        for _ in 0..ENOUGH {
            if !self.world.flow() {
                return;
            }
        }
    }

    pub(super) fn monitor(&mut self, node: usize) {
        self.finish_actions();
        if self.world.is_monitored(node) {
            self.run(node, &Order::monitor());
            self.settle();
        }
    }

    /// Actions that a fine-grained step left unfinished.
    fn finish_actions(&mut self) {
        for node in self.world.nodes() {
            if self.world.machines[node].action.is_some() {
                self.happen(Event::Step(node), Reach::End);
            }
        }
    }

    pub(super) fn pacemaker(&mut self) {
        self.finish_actions();
        for _ in 0..ENOUGH {
            self.settle();
            match self.world.proceed() {
                Next::Nothing => return,
                Next::Fenced(node) => self.trace.push(format!("{} is fenced", NAMES[node])),
                Next::Begin(node, order) => self.run(node, &order),
            }
        }
    }

    /// Monitors and transitions until nothing changes any more.
    pub(super) fn rest(&mut self) {
        for _ in 0..ENOUGH {
            let before = self.world.clone();
            self.pacemaker();
            for node in self.world.nodes() {
                self.monitor(node);
            }
            if self.world == before {
                return;
            }
        }
    }

    fn expect(&self, command: &str, words: &[&str]) -> Result<(), String> {
        let nodes: Vec<usize> = words[1..].iter().filter_map(|word| node_named(word)).collect();
        let node = || nodes.first().copied().ok_or("which node".to_owned());
        let keys = || words.iter().skip(2).filter_map(|word| word.chars().next());
        let same = |what: &str, found: String, wanted: String| {
            (found == wanted).then_some(()).ok_or(format!("{what}: {found}"))
        };
        let world = &self.world;
        match words[0] {
            "primary" | "no-primary" => same("writable", names(world.writable()), names(nodes)),
            "has" | "lacks" => {
                let server = &world.machines[node()?].server;
                let wrong: String = keys().filter(|key| server.has(*key) != (words[0] == "has")).collect();
                same("not so", wrong, String::new())
            }
            "acknowledged" | "waiting" => {
                let told = |key: &char| world.acknowledged.iter().any(|(told, _)| told == key);
                let keys = words[1..].iter().filter_map(|word| word.chars().next());
                let wrong: String = keys.filter(|key| told(key) != (words[0] == "acknowledged")).collect();
                same("not so", wrong, String::new())
            }
            "follows" => {
                let link = world.machines[node()?].server.link.as_ref();
                let source = link
                    .filter(|link| link.receiver == Receiver::Connected && link.applier == Applier::Running)
                    .map(|link| link.source);
                same("follows", names(source), names(nodes.get(1).copied()))
            }
            "held" => {
                let held = world.machines[node()?].record.held;
                same("held", held.to_string(), true.to_string())
            }
            "stopped" => {
                let process = world.machines[node()?].server.process;
                same("server", format!("{process:?}"), format!("{:?}", Process::Absent))
            }
            "claims" => {
                let epoch = world.configuration().epoch.clone().ok_or("no epoch")?;
                let ackers: Vec<&str> = epoch.claim.ackers.keys().map(String::as_str).collect();
                let found = format!("claims {} of {}", epoch.claim.needed, ackers.join(" "));
                same("found", found.trim_end().to_owned(), command.trim_end().to_owned())
            }
            "epoch" => {
                let epoch = world.configuration().epoch.clone().ok_or("no epoch")?;
                let proven = if epoch.proven { "proven" } else { "unproven" };
                same("found", format!("epoch {} {proven}", epoch.number), command.to_owned())
            }
            "refused" => {
                let wanted = command.splitn(3, ' ').nth(2).unwrap_or_default().trim_matches('"');
                let why = self.refused[node()?].clone().unwrap_or("not refused".to_owned());
                why.contains(wanted).then_some(()).ok_or(why)
            }
            other => Err(format!("no such step: {other}")),
        }
    }
}

/// An event, and how far an action goes that it begins or takes on: `proceed 3`, and without a number until it waits.
fn parse(command: &str) -> Option<(Event, Reach)> {
    let (event, last) = command.rsplit_once(' ').unwrap_or((command, ""));
    match (Event::parse(event), last.parse()) {
        (Some(event), Ok(calls)) => Some((event, Reach::Calls(calls))),
        _ => Event::parse(command).map(|event| (event, Reach::Wait)),
    }
}
