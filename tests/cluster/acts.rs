//! The acts: what goes wrong, and how it is played while clients write and the witness watches.

use std::time::{Duration, Instant};

use crate::health;
use crate::lab::{Fault, Lab, Node, Result};
use crate::report::Report;
use crate::screen::{Screen, pause};
use crate::sql::Account;
use crate::timeline::{self, Entry, Mark};
use crate::verify;
use crate::witness::{self, Witness};
use crate::writer::{self, WRITERS, Writers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    ServerKilled,
    PowerOff,
    Switchover,
    ServerFrozen,
}

impl Act {
    pub(crate) const ALL: [Act; 4] = [Act::ServerKilled, Act::PowerOff, Act::Switchover, Act::ServerFrozen];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Act::ServerKilled => "server-killed",
            Act::PowerOff => "power-off",
            Act::Switchover => "switchover",
            Act::ServerFrozen => "server-frozen",
        }
    }

    /// The longest gap that is accepted. `hang_timeout` of the example is 2 s.
    pub(crate) fn bound(self) -> Duration {
        Duration::from_secs(match self {
            Act::ServerKilled => 3,
            Act::PowerOff => 6,
            Act::Switchover => 2,
            Act::ServerFrozen => 2 + 3,
        })
    }

    /// The act of this name, as a test or as a word.
    pub(crate) fn named(name: &str) -> Option<Act> {
        Act::ALL.into_iter().find(|act| act.name() == name.replace('_', "-"))
    }
}

/// A fault, and what it is done to.
#[derive(Debug, Clone, Copy)]
enum Event {
    Hit(Fault, Node),
    /// Planned: the primary role moves from the first to the second.
    Move(Node, Node),
}

impl Event {
    fn primary(self) -> Node {
        match self {
            Event::Hit(_, node) | Event::Move(node, _) => node,
        }
    }

    fn describe(self) -> String {
        match self {
            Event::Hit(Fault::Kill, node) => format!("SIGKILL to the server of {node}"),
            Event::Hit(Fault::Freeze, node) => format!("SIGSTOP to the server of {node}"),
            Event::Hit(Fault::PowerOff, node) => format!("power of {node} cut"),
            Event::Move(from, to) => format!("switchover from {from} to {to}"),
        }
    }
}

/// All that acts are played with.
pub(crate) struct Stage<'a> {
    pub(crate) screen: &'a Screen,
    pub(crate) lab: &'a Lab,
    account: Account,
    /// Identities that no writer has had yet.
    next_writer: u32,
}

/// Until a cluster is whole; a killed server comes back 10 s after its failure, a fenced node boots first.
const WHOLE: Duration = Duration::from_secs(90);
const RECOVERED: Duration = Duration::from_secs(60);
/// The clients write on for this long after they can again, and after the cluster is whole again.
const AFTERWARDS: Duration = Duration::from_secs(2);

impl<'a> Stage<'a> {
    /// Brings the lab up, new.
    pub(crate) fn set(screen: &'a Screen, lab: &'a Lab) -> Result<Stage<'a>> {
        lab.up(screen)?;
        Stage::find(screen, lab)
    }

    /// Takes the lab that is there.
    pub(crate) fn find(screen: &'a Screen, lab: &'a Lab) -> Result<Stage<'a>> {
        let stage = Stage {
            screen,
            lab,
            account: Account::replica(lab)?,
            next_writer: 0,
        };
        stage.whole("waiting for a healthy cluster")?;
        let next_writer = writer::prepare_table(lab)?;
        Ok(Stage { next_writer, ..stage })
    }

    /// Plays an act: one report for each change of the primary in it.
    pub(crate) fn play(&mut self, act: Act) -> Result<Vec<Report>> {
        let primary = self.whole("waiting for a healthy cluster")?;
        let hit = |fault| Event::Hit(fault, primary);
        match act {
            Act::ServerKilled => Ok(vec![self.scene(act, hit(Fault::Kill))?]),
            Act::PowerOff => Ok(vec![self.scene(act, hit(Fault::PowerOff))?]),
            Act::ServerFrozen => Ok(vec![self.scene(act, hit(Fault::Freeze))?]),
            Act::Switchover => {
                let there = self.scene(act, Event::Move(primary, primary.next()))?;
                let back = self.scene(act, Event::Move(primary.next(), primary))?;
                Ok(vec![there, back])
            }
        }
    }

    fn whole(&self, what: &str) -> Result<Node> {
        self.screen.wait(what, WHOLE, || health::whole(self.lab, &self.account))
    }

    fn scene(&mut self, act: Act, event: Event) -> Result<Report> {
        let first = self.next_writer;
        self.next_writer += WRITERS;
        let witness = Witness::start(self.lab, &self.account);
        let writers = Writers::start(self.lab, first);
        self.screen.linger("clients are writing", Duration::from_secs(1));
        let mark = Mark::now();
        self.screen.step(&event.describe());
        let mut problems = Vec::new();
        let outcome = self
            .inject(event)
            .and_then(|()| self.until_recovered(event, &witness, &writers))
            .and_then(|new| self.until_returned(event).map(|()| new));
        let new = outcome.map_err(|problem| problems.push(problem)).ok();
        pause(AFTERWARDS);
        let end = Instant::now();
        let heard = writers.finish()?;
        let acknowledged = heard.acknowledged;
        let samples = witness.finish()?;

        problems.extend(self.whole("waiting until all nodes are back").err());
        let verdict = verify::verify(self.screen, self.lab, first, &acknowledged);
        let verdict = verdict.map_err(|problem| problems.push(problem)).ok();
        let gap = writer::longest_gap(&acknowledged, mark.instant, end);
        let (mut entries, unread) = timeline::gather(self.lab, mark);
        problems.extend(unread);
        entries.extend(gap.into_iter().flat_map(|gap| {
            [
                client_entry(mark, gap.from, "the last write before the gap is acknowledged"),
                client_entry(mark, gap.to, "the first write after the gap is acknowledged"),
            ]
        }));
        entries.extend(failures(mark, &heard.failures));
        entries.sort_by_key(|entry| entry.at);
        Ok(Report {
            act,
            title: event.describe(),
            began: mark.day_time,
            gap: gap.map(writer::Gap::length),
            acknowledged: acknowledged.len(),
            verdict,
            two_writable: witness::moments_with_two(&samples),
            old: event.primary(),
            new,
            entries,
            problems,
        })
    }

    fn inject(&self, event: Event) -> Result<()> {
        match event {
            Event::Hit(fault, node) => self.lab.inject(fault, node),
            Event::Move(_, to) => {
                let to = to.to_string();
                let order = [
                    "crm_resource",
                    "--move",
                    "--resource",
                    "db-clone",
                    "--promoted",
                    "--node",
                ];
                self.lab.exec_anywhere(&[&order[..], &[&to]].concat()).map(drop)
            }
        }
    }

    /// Waits until another node is writable and clients write again. Asks nothing but the witness: every other
    /// question would take time from the nodes while they work.
    fn until_recovered(&self, event: Event, witness: &Witness, writers: &Writers) -> Result<Node> {
        let candidates = Node::ALL.into_iter().filter(|node| *node != event.primary());
        let mut new = None;
        let recovered = self.screen.wait("waiting for a new primary", RECOVERED, || {
            let found = candidates
                .clone()
                .find_map(|node| Some((node, witness.writable(node)?)));
            new = new.or(found);
            let (node, since) = new.ok_or("none is writable")?;
            match writers.latest() {
                Some(latest) if latest > since => Ok(node),
                Some(_) | None => Err(format!("{node} is writable, but no client has written")),
            }
        })?;
        self.screen.linger("clients write again", AFTERWARDS);
        if matches!(event, Event::Move(..)) {
            self.lab
                .exec_anywhere(&["crm_resource", "--clear", "--resource", "db-clone"])?;
        }
        Ok(recovered)
    }

    /// Waits until all servers replicate again, while clients go on writing.
    fn until_returned(&self, event: Event) -> Result<()> {
        let what = format!("waiting until {} is back as a replica", event.primary());
        self.screen
            .wait(&what, WHOLE, || health::servers(self.lab, &self.account))
            .map(drop)
    }
}

/// What clients were told instead of an acknowledgement: each error when it first came.
fn failures(mark: Mark, failures: &[(Instant, String)]) -> Vec<Entry> {
    let mut told: Vec<(Instant, &str, usize)> = Vec::new();
    for (at, error) in failures.iter().filter(|(at, _)| *at >= mark.instant) {
        match told.iter_mut().find(|(_, known, _)| known == error) {
            Some((_, _, times)) => *times += 1,
            None => told.push((*at, error, 1)),
        }
    }
    told.into_iter()
        .map(|(at, error, times)| client_entry(mark, at, &format!("{error} (the first of {times})")))
        .collect()
}

fn client_entry(mark: Mark, instant: Instant, what: &str) -> Entry {
    Entry {
        at: mark.time_of(instant),
        node: None,
        phase: "client",
        what: what.to_owned(),
    }
}
