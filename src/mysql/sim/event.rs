//! Everything that can happen, one at a time. An exploration tries them in every order; a scenario names some.

use std::fmt;

use super::action::{Course, Ended, Operation, Order};
use super::pacemaker::{Member, Next};
use super::server::Process;
use super::stage::Mishap;
use super::world::{Isolation, NAMES, World, node_named};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Event {
    // Between servers and clients.
    Commit(usize, char),
    Receive(usize),
    Apply(usize),
    Acknowledge(usize, usize),
    Connect(usize),
    Lose(usize),
    // Among the agents.
    Monitor(usize),
    Step(usize),
    Hear(usize),
    Proceed,
    /// What the Pacemaker of a node without quorum does there.
    Demote(usize),
    Stop(usize),
    // What goes wrong.
    Crash(usize),
    /// A crash after which the last transaction that a client was told of can be dropped as well.
    CrashBadly(usize),
    Freeze(usize),
    Thaw(usize),
    PowerOff(usize),
    PowerOn(usize),
    Isolate(usize),
    /// Only from the cluster.
    Separate(usize),
    Heal(usize),
    Cut(usize, usize),
    Mend(usize, usize),
    Kill(usize),
    Mishap(usize, Mishap),
    Abort,
    Lag(usize),
    CatchUp(usize),
    // What people do.
    Forget(usize),
    Want(usize),
    AcceptLoss,
    Disarm(usize),
}

impl World {
    /// Makes it happen. Returns how an action ended by it, and on which node.
    pub(super) fn happen(&mut self, event: Event, course: &mut Course) -> Option<(usize, Ended)> {
        match event {
            Event::Commit(node, key) => self.commit(node, key),
            Event::Receive(node) => self.receive(node),
            Event::Apply(node) => self.apply(node),
            Event::Acknowledge(node, source) => self.acknowledge(node, source),
            Event::Connect(node) => self.connect(node),
            Event::Lose(node) => self.lose(node),
            Event::Hear(node) => self.hear(node),
            Event::Monitor(node) => return self.begun(node, &Order::monitor(), course),
            Event::Demote(node) => return self.begun(node, &self.alone(node, Operation::Demote), course),
            Event::Stop(node) => return self.begun(node, &self.alone(node, Operation::Stop), course),
            Event::Step(node) => {
                let ended = self.go_on(node, None, course);
                return self.ended(node, ended);
            }
            Event::Mishap(node, mishap) => {
                let ended = self.go_on(node, Some(mishap), course);
                return self.ended(node, ended);
            }
            Event::Kill(node) => {
                let ended = self.kill(node);
                return self.ended(node, ended);
            }
            Event::Proceed => match self.proceed() {
                Next::Nothing | Next::Fenced(_) => {}
                Next::Begin(node, order) => return self.begun(node, &order, course),
            },
            Event::Abort => self.abort(),
            Event::Crash(_)
            | Event::CrashBadly(_)
            | Event::Freeze(_)
            | Event::Thaw(_)
            | Event::PowerOff(_)
            | Event::PowerOn(_)
            | Event::Isolate(_)
            | Event::Separate(_)
            | Event::Heal(_)
            | Event::Cut(..)
            | Event::Mend(..)
            | Event::Lag(_)
            | Event::CatchUp(_) => self.suffer(event),
            Event::Forget(_) | Event::Want(_) | Event::AcceptLoss | Event::Disarm(_) => self.obey(event),
        }
        None
    }

    fn suffer(&mut self, event: Event) {
        match event {
            Event::Crash(node) => self.crash(node, false),
            Event::CrashBadly(node) => self.crash(node, true),
            Event::Freeze(node) => self.server(node).process = Process::Frozen,
            Event::Thaw(node) => self.server(node).process = Process::Running,
            Event::PowerOff(node) => {
                self.switch_off(node);
                self.lost(node);
            }
            Event::PowerOn(node) => self.switch_on(node),
            Event::Isolate(node) | Event::Separate(node) => {
                self.machine(node).isolation = if event == Event::Isolate(node) {
                    Isolation::Everything
                } else {
                    Isolation::Cluster
                };
                self.lost(node);
            }
            Event::Heal(node) => self.heal(node),
            Event::Cut(one, other) => drop(self.cut.insert((one.min(other), one.max(other)))),
            Event::Mend(one, other) => drop(self.cut.remove(&(one.min(other), one.max(other)))),
            Event::Lag(node) => self.server(node).lags = true,
            Event::CatchUp(node) => self.server(node).lags = false,
            _ => {}
        }
    }

    fn obey(&mut self, event: Event) {
        match event {
            Event::Forget(node) => {
                self.machine(node).instance.away = false;
                self.abort();
            }
            Event::Want(node) => {
                self.wanted = Some(node);
                self.abort();
            }
            Event::AcceptLoss => {
                let ended = self.configuration().epoch.as_ref().map(|epoch| epoch.number);
                if let Some(node) = self.quorate().first().copied() {
                    self.configure(node, |configuration| configuration.accepted_loss = ended);
                }
            }
            Event::Disarm(node) => self.disarm(node),
            _ => {}
        }
    }

    fn begun(&mut self, node: usize, order: &Order, course: &mut Course) -> Option<(usize, Ended)> {
        let ended = self.begin(node, order, course);
        self.ended(node, ended)
    }

    fn ended(&mut self, node: usize, ended: Option<Ended>) -> Option<(usize, Ended)> {
        let ended = ended?;
        self.note(node, &ended);
        Some((node, ended))
    }

    /// The order of a Pacemaker that knows only of its own node.
    fn alone(&self, node: usize, operation: Operation) -> Order {
        let was_promoted = !self.machines[node].server.read_only;
        let own = vec![node];
        let none = Vec::new();
        let lists = super::action::Lists {
            active: own.clone(),
            promoted: if was_promoted { own.clone() } else { none.clone() },
            unpromoted: if was_promoted { none.clone() } else { own.clone() },
            demote: if was_promoted { own.clone() } else { none },
            stop: own,
            ..super::action::Lists::default()
        };
        Order {
            operation,
            lists: std::rc::Rc::new(lists),
        }
    }

    /// The node whose action an event took on.
    pub(super) fn acting(&self, event: Event) -> Option<usize> {
        match event {
            Event::Proceed => self.nodes().find(|node| {
                let action = self.machines[*node].action.as_ref();
                action.is_some_and(|action| action.order.operation != Operation::Monitor)
            }),
            event => event.actor(),
        }
    }

    /// Whether Pacemaker has anything left to do that is no promotion, or any at all.
    pub(super) fn may_proceed(&self, may_promote: bool) -> bool {
        let promotes = |next: &Next| matches!(next, Next::Begin(_, order) if order.operation == Operation::Promote);
        let next = self.clone().proceed();
        next != Next::Nothing && (may_promote || !promotes(&next))
    }

    /// Whether Pacemaker monitors this instance now.
    pub(super) fn is_monitored(&self, node: usize) -> bool {
        let machine = &self.machines[node];
        let member = machine.powered && machine.instance.member != Member::Off;
        member && machine.instance.role != super::pacemaker::Role::Stopped && machine.action.is_none()
    }
}

type OfNode = fn(usize) -> Event;

/// The words of events in a scenario: those with one node, and the others.
const OF_ONE_NODE: [(&str, OfNode); 24] = [
    ("receive", Event::Receive),
    ("apply", Event::Apply),
    ("connect", Event::Connect),
    ("lose", Event::Lose),
    ("begin-monitor", Event::Monitor),
    ("step", Event::Step),
    ("hear", Event::Hear),
    ("begin-demote", Event::Demote),
    ("begin-stop", Event::Stop),
    ("crash", Event::Crash),
    ("crash-badly", Event::CrashBadly),
    ("freeze", Event::Freeze),
    ("thaw", Event::Thaw),
    ("power-off", Event::PowerOff),
    ("power-on", Event::PowerOn),
    ("isolate", Event::Isolate),
    ("separate", Event::Separate),
    ("heal", Event::Heal),
    ("kill", Event::Kill),
    ("lag", Event::Lag),
    ("catch-up", Event::CatchUp),
    ("forget", Event::Forget),
    ("want", Event::Want),
    ("disarm", Event::Disarm),
];

const MISHAPS: [(&str, Mishap); 3] = [
    ("fail", Mishap::Fail),
    ("mislead", Mishap::Mislead),
    ("give-up", Mishap::GiveUp),
];

impl Event {
    /// The node on which this begins an action or goes on with it.
    pub(super) fn actor(self) -> Option<usize> {
        match self {
            Event::Step(node)
            | Event::Mishap(node, _)
            | Event::Kill(node)
            | Event::Monitor(node)
            | Event::Demote(node)
            | Event::Stop(node) => Some(node),
            _ => None,
        }
    }

    pub(super) fn parse(line: &str) -> Option<Event> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let node = |at: usize| node_named(words.get(at)?);
        if let Some((_, event)) = OF_ONE_NODE.iter().find(|(word, _)| Some(word) == words.first()) {
            return (words.len() == 2).then(|| node(1)).flatten().map(event);
        }
        if let Some((_, mishap)) = MISHAPS.iter().find(|(word, _)| Some(word) == words.first()) {
            return Some(Event::Mishap(node(1)?, *mishap));
        }
        match (*words.first()?, words.len()) {
            ("commit", 3) => Some(Event::Commit(node(1)?, words[2].chars().next()?)),
            ("acknowledge", 3) => Some(Event::Acknowledge(node(1)?, node(2)?)),
            ("cut", 3) => Some(Event::Cut(node(1)?, node(2)?)),
            ("mend", 3) => Some(Event::Mend(node(1)?, node(2)?)),
            ("proceed", 1) => Some(Event::Proceed),
            ("abort", 1) => Some(Event::Abort),
            ("accept-loss", 1) => Some(Event::AcceptLoss),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = OF_ONE_NODE.iter().find_map(|(word, event)| {
            let node = (0..NAMES.len()).find(|node| event(*node) == *self)?;
            Some((word, node))
        });
        if let Some((word, node)) = one {
            return write!(f, "{word} {}", NAMES[node]);
        }
        match self {
            Event::Commit(node, key) => write!(f, "commit {} {key}", NAMES[*node]),
            Event::Acknowledge(node, source) => write!(f, "acknowledge {} {}", NAMES[*node], NAMES[*source]),
            Event::Cut(one, other) => write!(f, "cut {} {}", NAMES[*one], NAMES[*other]),
            Event::Mend(one, other) => write!(f, "mend {} {}", NAMES[*one], NAMES[*other]),
            Event::Mishap(node, mishap) => {
                let word = MISHAPS.iter().find(|(_, known)| known == mishap);
                write!(f, "{} {}", word.map_or("", |(word, _)| word), NAMES[*node])
            }
            Event::Proceed => f.write_str("proceed"),
            Event::Abort => f.write_str("abort"),
            _ => f.write_str("accept-loss"),
        }
    }
}
