//! Actions of the agent, as Pacemaker calls them: begun, taken step by step, ended.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::node::FakeNode;
use super::reply::Outcome as Answer;
use super::server::Process;
use super::stage::{Exchange, Kind, Mishap, Pending, Reach, Stage};
use super::world::{NAMES, Settings, World};
use crate::error::Result;
use crate::mysql::act::{self, Resource};
use crate::mysql::config::{self, Config};
use crate::mysql::monitor;
use crate::ocf::env::{Context, Env};
use crate::ocf::params::Strictness;
use crate::ocf::{OcfCode, Outcome};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Operation {
    Monitor,
    Start,
    Stop,
    Promote,
    Demote,
    /// `pre` or `post`, and of which operation.
    Notify(&'static str, &'static str),
}

/// Which nodes a transition found in which state, and what it does with them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Lists {
    pub(super) active: Vec<usize>,
    pub(super) promoted: Vec<usize>,
    pub(super) unpromoted: Vec<usize>,
    pub(super) start: Vec<usize>,
    pub(super) stop: Vec<usize>,
    pub(super) promote: Vec<usize>,
    pub(super) demote: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Order {
    pub(super) operation: Operation,
    pub(super) lists: Rc<Lists>,
}

impl Order {
    pub(super) fn monitor() -> Order {
        Order {
            operation: Operation::Monitor,
            lists: Rc::default(),
        }
    }

    pub(super) fn name(&self) -> String {
        match self.operation {
            Operation::Monitor => "monitor".to_owned(),
            Operation::Start => "start".to_owned(),
            Operation::Stop => "stop".to_owned(),
            Operation::Promote => "promote".to_owned(),
            Operation::Demote => "demote".to_owned(),
            Operation::Notify(kind, operation) => format!("{kind}-{operation}"),
        }
    }
}

/// An action in progress.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Action {
    pub(super) order: Order,
    log: Vec<Rc<Exchange>>,
    pub(super) pending: Pending,
}

/// How an action is to be taken on, and what happened on the way.
pub(super) struct Course {
    pub(super) reach: Reach,
    /// What was done, if somebody wants to read it.
    pub(super) trace: Option<Vec<String>>,
    /// The world before each call, with the action standing there, if somebody wants to go on from it.
    pub(super) halts: Option<Vec<World>>,
}

impl Course {
    pub(super) fn to(reach: Reach) -> Course {
        Course {
            reach,
            trace: None,
            halts: None,
        }
    }
}

/// How an action ended: its exit code and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) order: Order,
    pub(super) code: OcfCode,
    pub(super) reason: String,
}

impl World {
    pub(super) fn begin(&mut self, node: usize, order: &Order, course: &mut Course) -> Option<Ended> {
        self.play(node, order, Vec::new(), None, course)
    }

    /// The action in progress goes on; something may go wrong with its next call.
    pub(super) fn go_on(&mut self, node: usize, mishap: Option<Mishap>, course: &mut Course) -> Option<Ended> {
        let action = self.machine(node).action.take()?;
        self.play(node, &action.order, action.log.clone(), mishap, course)
    }

    fn play(
        &mut self,
        node: usize,
        order: &Order,
        log: Vec<Rc<Exchange>>,
        mishap: Option<Mishap>,
        course: &mut Course,
    ) -> Option<Ended> {
        let world = std::mem::replace(self, World::new(0, self.settings));
        let settings = world.settings;
        let instances = world.machines.len();
        let stage = Stage::new(node, world, log, course.reach);
        let stage = Rc::new(stage.with(mishap, course.trace.is_some(), course.halts.is_some()));
        let result = perform(&stage, order, settings, instances);
        let stage = Rc::into_inner(stage).expect("an action keeps nothing");
        let left = stage.end();
        *self = left.world;
        if let Some(halts) = &mut course.halts {
            halts.extend(left.halts.into_iter().map(|halt| {
                let mut world = halt.world;
                world.stand(node, order, halt.log, halt.pending);
                world
            }));
        }
        let ended = match (result, left.pending) {
            (_, Some(pending)) => {
                self.stand(node, order, left.log, pending);
                None
            }
            (Ok(outcome), None) => Some((outcome.code, outcome.reason.unwrap_or_default())),
            (Err(error), None) => Some((error.code(), error.to_string())),
        };
        let ended = ended.map(|(code, reason)| Ended {
            order: order.clone(),
            code,
            reason,
        });
        if let Some(trace) = &mut course.trace {
            let who = format!("{} {}", NAMES[node], order.name());
            trace.extend(left.trace.into_iter().map(|line| format!("{who}: {line}")));
            trace.extend(ended.as_ref().and_then(|ended| ended.shown(&who)));
        }
        ended
    }

    fn stand(&mut self, node: usize, order: &Order, log: Vec<Rc<Exchange>>, pending: Pending) {
        let order = order.clone();
        self.machine(node).action = Some(Rc::new(Action { order, log, pending }));
    }

    /// The action is killed: Pacemaker gave it up, or its node is gone.
    pub(super) fn kill(&mut self, node: usize) -> Option<Ended> {
        let action = self.machine(node).action.take()?;
        Some(Ended {
            order: action.order.clone(),
            code: OcfCode::ErrGeneric,
            reason: "killed".to_owned(),
        })
    }
}

impl Ended {
    /// Nothing for what is expected.
    fn shown(&self, who: &str) -> Option<String> {
        let code = self.code.number();
        match (self.order.operation, self.code) {
            (_, OcfCode::Success) | (Operation::Monitor, OcfCode::RunningPromoted) => None,
            _ if self.reason.is_empty() => Some(format!("{who}: {code}")),
            _ => Some(format!("{who}: {code}, {}", self.reason)),
        }
    }
}

fn perform(stage: &Rc<Stage>, order: &Order, settings: Settings, instances: usize) -> Result<Outcome> {
    let prepared = prepared(stage.node, order, settings, instances);
    let node = FakeNode {
        stage: Rc::clone(stage),
    };
    let resource = Resource {
        context: &prepared.0,
        config: &prepared.1,
        node: &node,
    };
    match order.operation {
        Operation::Monitor => monitor::run(&resource),
        Operation::Start => act::start::run(&resource),
        Operation::Promote => act::promote::run(&resource),
        Operation::Demote => act::demote::run(&resource),
        Operation::Notify(..) => act::notify::run(&resource),
        Operation::Stop => stop(stage),
    }
}

/// Stop works with nothing but the process: it does not go through the seam.
fn stop(stage: &Stage) -> Result<Outcome> {
    let node = stage.node;
    stage.call(
        "withdraw everything",
        |_| Kind::Effect,
        |world| -> Answer<()> {
            world.machine(node).attributes = super::world::Attributes::default();
            Ok(())
        },
    )?;
    stage.call(
        "stop server",
        |_| Kind::Effect,
        |world| -> Answer<()> {
            let frozen = world.machines[node].server.process == Process::Frozen;
            if frozen {
                world.crash(node, false);
            } else {
                world.server(node).shut_down();
                world.hang_up(node);
            }
            Ok(())
        },
    )?;
    Ok(Outcome::SUCCESS)
}

type Prepared = Rc<(Context, Config)>;
type Surroundings = (usize, Operation, Rc<Lists>, Settings);

thread_local! {
    static PREPARED: RefCell<HashMap<Surroundings, Prepared>> = RefCell::default();
}

/// What the environment of an action says; the same environment is read once.
fn prepared(node: usize, order: &Order, settings: Settings, instances: usize) -> Prepared {
    let key = (node, order.operation, Rc::clone(&order.lists), settings);
    PREPARED.with_borrow_mut(|known| {
        Rc::clone(known.entry(key).or_insert_with(|| {
            let pairs = environment(node, order, settings, instances);
            let pairs: Vec<(&str, &str)> = pairs
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let context = Context::new(Env::of(&pairs), config::PARAMS).unwrap();
            let config = Config::from(&context, Strictness::RefuseAll).unwrap();
            Rc::new((context, config))
        }))
    })
}

fn environment(node: usize, order: &Order, settings: Settings, instances: usize) -> Vec<(String, String)> {
    let meta = |name: &str, value: &str| (format!("OCF_RESKEY_CRM_meta_{name}"), value.to_owned());
    let mut pairs = vec![
        ("OCF_RESOURCE_INSTANCE".to_owned(), "db".to_owned()),
        ("OCF_RESKEY_loss".to_owned(), settings.loss.to_owned()),
        meta("promotable", "true"),
        meta("notify", "true"),
        meta("clone_max", &instances.to_string()),
        meta("promoted_max", "1"),
        meta("on_node", NAMES[node]),
        // No exploration takes a day.
        meta("timeout", "86400000"),
    ];
    if order.operation == Operation::Monitor {
        pairs.push(meta("interval", "1000"));
        return pairs;
    }
    if let Operation::Notify(kind, operation) = order.operation {
        pairs.extend([meta("notify_type", kind), meta("notify_operation", operation)]);
    }
    let lists = &order.lists;
    for (name, nodes) in [
        ("active", &lists.active),
        ("promoted", &lists.promoted),
        ("unpromoted", &lists.unpromoted),
        ("start", &lists.start),
        ("stop", &lists.stop),
        ("promote", &lists.promote),
        ("demote", &lists.demote),
    ] {
        // An empty list is one blank.
        let names: Vec<&str> = nodes.iter().map(|node| NAMES[*node]).collect();
        let names = if names.is_empty() {
            " ".to_owned()
        } else {
            names.join(" ")
        };
        pairs.push(meta(&format!("notify_{name}_uname"), &names));
    }
    pairs
}
