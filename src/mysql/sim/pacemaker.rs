//! Pacemaker's part: what it knows of nodes and instances, the transition that follows from it, and its steps.
//!
//! As measured with an empty agent: fence, demote, stop, start, promote, in this order; notifications to the instances
//! that are there, with lists of the state before the transition; the highest score is promoted; what goes wrong ends
//! the transition, and the next one is computed from what is known then. A notification's result is ignored.

use std::rc::Rc;

use super::action::{Ended, Lists, Operation, Order};
use super::server::Process;
use super::world::{Attributes, Isolation, World};
use crate::ocf::OcfCode;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Member {
    Online,
    /// Not seen, and not known to be off: to be fenced.
    Lost,
    #[default]
    Off,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Role {
    #[default]
    Stopped,
    Unpromoted,
    Promoted,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Instance {
    pub(super) member: Member,
    pub(super) role: Role,
    pub(super) failed: bool,
    /// Its failure is remembered: it stays away.
    pub(super) away: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Fence(usize),
    Run(usize, Operation),
}

/// A transition that is being carried out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    pub(super) lists: Rc<Lists>,
    /// What is left to do.
    pub(super) steps: Vec<Step>,
    /// Something changed: nothing more of it is begun.
    pub(super) aborted: bool,
}

/// What Pacemaker does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    Fenced(usize),
    Begin(usize, Order),
}

impl World {
    /// Whether an action that Pacemaker ordered is in progress: it is waited for.
    fn is_busy(&self) -> bool {
        self.quorate().into_iter().any(|node| {
            let action = self.machines[node].action.as_ref();
            action.is_some_and(|action| action.order.operation != Operation::Monitor)
        })
    }

    /// The next step of the transition, or the first one of a new transition.
    pub(super) fn proceed(&mut self) -> Next {
        if self.is_busy() || self.quorate().is_empty() {
            return Next::Nothing;
        }
        if self.plan.as_ref().is_none_or(|plan| plan.aborted) {
            self.plan = self.compute();
        }
        let Some(mut plan) = self.plan.take() else {
            return Next::Nothing;
        };
        // A monitor is let end before anything else is begun on its node.
        if let Some(Step::Run(node, _)) = plan.steps.first()
            && self.machines[*node].action.is_some()
        {
            self.plan = Some(plan);
            return Next::Nothing;
        }
        let step = plan.steps.remove(0);
        let lists = Rc::clone(&plan.lists);
        self.plan = (!plan.steps.is_empty()).then_some(plan);
        match step {
            Step::Fence(node) => {
                self.fence(node);
                Next::Fenced(node)
            }
            Step::Run(node, operation) => Next::Begin(node, Order { operation, lists }),
        }
    }

    /// What there is to do; none when everything is as it should be.
    fn compute(&self) -> Option<Plan> {
        let instance = |node: usize| &self.machines[node].instance;
        let all =
            |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> { self.nodes().filter(|node| wanted(*node)).collect() };
        let online = |node: usize| instance(node).member == Member::Online;
        let active = |node: usize| instance(node).role != Role::Stopped;
        let fence = all(&|node| instance(node).member == Member::Lost);
        let stop = all(&|node| active(node) && (!online(node) || instance(node).failed || instance(node).away));
        let start = all(&|node| online(node) && !instance(node).away && (!active(node) || instance(node).failed));
        let stays = |node: usize| online(node) && active(node) && !stop.contains(&node);
        let primary = self.primary_to_be(&all(&stays));
        let demote = all(&|node| instance(node).role == Role::Promoted && primary != Some(node));
        let promote = all(&|node| primary == Some(node) && instance(node).role != Role::Promoted);
        let lists = Lists {
            active: all(&active),
            promoted: all(&|node| instance(node).role == Role::Promoted),
            unpromoted: all(&|node| instance(node).role == Role::Unpromoted),
            start,
            stop,
            promote,
            demote,
        };
        let steps = steps(&fence, &lists, &online);
        (!steps.is_empty()).then(|| Plan {
            lists: Rc::new(lists),
            steps,
            aborted: false,
        })
    }

    /// The highest score; a primary that is well has the highest of all. The operator's wish counts where it can.
    fn primary_to_be(&self, candidates: &[usize]) -> Option<usize> {
        let score = |node: usize| self.machines[node].attributes.score;
        let able: Vec<usize> = candidates
            .iter()
            .copied()
            .filter(|node| score(*node).is_some())
            .collect();
        let wanted = self.wanted.filter(|wanted| able.contains(wanted));
        wanted.or_else(|| able.into_iter().rev().max_by_key(|node| score(*node)))
    }

    /// The node's power is off, for certain.
    pub(super) fn fence(&mut self, node: usize) {
        self.switch_off(node);
        let machine = self.machine(node);
        machine.instance = Instance {
            member: Member::Off,
            // Its demotion and its stop are done with the fencing; the transition goes on with the others.
            ..Instance::default()
        };
        machine.isolation = Isolation::None;
    }

    /// Power is lost: the server, the attributes, whatever ran.
    pub(super) fn switch_off(&mut self, node: usize) {
        self.crash(node, false);
        let machine = self.machine(node);
        machine.powered = false;
        machine.action = None;
        machine.attributes = Attributes::default();
    }

    /// The membership changed: a node that is not seen any more has to be fenced, and what was planned is void.
    pub(super) fn lost(&mut self, node: usize) {
        let instance = &mut self.machine(node).instance;
        if instance.member == Member::Online {
            instance.member = Member::Lost;
        }
        self.abort();
    }

    pub(super) fn abort(&mut self) {
        if let Some(plan) = &mut self.plan {
            plan.aborted = true;
        }
    }

    /// A node comes up. In a cluster that was down, nobody knows of the others, so they are fenced.
    pub(super) fn switch_on(&mut self, node: usize) {
        let first = self.quorate().is_empty();
        self.machine(node).powered = true;
        self.machine(node).instance = Instance {
            member: Member::Online,
            ..Instance::default()
        };
        self.join(node);
        if first {
            for other in self.nodes().filter(|other| *other != node) {
                if self.machines[other].powered {
                    self.find_role(other);
                } else {
                    self.machine(other).instance = Instance {
                        member: Member::Lost,
                        ..Instance::default()
                    };
                }
            }
        }
        self.abort();
    }

    /// What a node did without quorum is looked at.
    fn find_role(&mut self, node: usize) {
        let server = &self.machines[node].server;
        let role = match (server.process, server.read_only) {
            (Process::Absent, _) => Role::Stopped,
            (Process::Running | Process::Frozen, true) => Role::Unpromoted,
            (Process::Running | Process::Frozen, false) => Role::Promoted,
        };
        let instance = &mut self.machine(node).instance;
        instance.role = role;
        instance.member = Member::Online;
    }

    /// An isolated node is back before it was fenced.
    pub(super) fn heal(&mut self, node: usize) {
        self.machine(node).isolation = Isolation::None;
        self.find_role(node);
        self.join(node);
        self.abort();
    }

    /// What Pacemaker makes of the end of an action.
    pub(super) fn note(&mut self, node: usize, ended: &Ended) {
        let stays_away = self.settings.stays_away;
        if !self.quorate().contains(&node) {
            return;
        }
        let instance = &mut self.machine(node).instance;
        let well = matches!(ended.code, OcfCode::Success);
        let expected = match (ended.order.operation, instance.role) {
            (Operation::Notify(..), _) | (Operation::Monitor, Role::Stopped) => true,
            (Operation::Monitor, Role::Unpromoted) => well || ended.code == OcfCode::Degraded,
            (Operation::Monitor, Role::Promoted) => {
                matches!(ended.code, OcfCode::RunningPromoted | OcfCode::DegradedPromoted)
            }
            (Operation::Start | Operation::Stop | Operation::Promote | Operation::Demote, _) => well,
        };
        match (ended.order.operation, expected) {
            (Operation::Start | Operation::Demote, true) => instance.role = Role::Unpromoted,
            (Operation::Promote, true) => instance.role = Role::Promoted,
            (Operation::Stop, true) => {
                instance.role = Role::Stopped;
                instance.failed = false;
            }
            // Whatever it left running ends with the node's power.
            (Operation::Stop, false) => instance.member = Member::Lost,
            (Operation::Monitor | Operation::Notify(..), true) => {}
            (operation, false) => {
                instance.failed = true;
                instance.away = stays_away;
                if operation == Operation::Start {
                    instance.role = Role::Unpromoted;
                }
            }
        }
        if !expected {
            self.abort();
        }
        if self.wanted == Some(node) && self.machines[node].instance.role == Role::Promoted {
            self.wanted = None;
        }
    }
}

/// The order of a transition. Notifications to which the agent does nothing are left out.
fn steps(fence: &[usize], lists: &Lists, online: &dyn Fn(usize) -> bool) -> Vec<Step> {
    let mut steps: Vec<Step> = fence.iter().map(|node| Step::Fence(*node)).collect();
    let mut run = |nodes: &mut dyn Iterator<Item = usize>, operation: Operation| {
        let nodes = nodes.filter(|node| online(*node));
        steps.extend(nodes.map(|node| Step::Run(node, operation)));
    };
    let staying = || lists.active.iter().copied().filter(|node| !lists.stop.contains(node));
    let after = || {
        let mut nodes: Vec<usize> = staying().chain(lists.start.iter().copied()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.into_iter()
    };
    run(&mut lists.demote.iter().copied(), Operation::Demote);
    run(&mut lists.stop.iter().copied(), Operation::Stop);
    if !lists.stop.is_empty() {
        run(&mut staying(), Operation::Notify("post", "stop"));
    }
    run(&mut lists.start.iter().copied(), Operation::Start);
    if !lists.start.is_empty() {
        run(&mut after(), Operation::Notify("post", "start"));
    }
    if !lists.promote.is_empty() {
        run(&mut after(), Operation::Notify("pre", "promote"));
        run(&mut lists.promote.iter().copied(), Operation::Promote);
        run(&mut after(), Operation::Notify("post", "promote"));
    }
    steps
}
