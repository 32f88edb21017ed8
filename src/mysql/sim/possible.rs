//! What may happen next in an exploration.

use super::event::Event;
use super::explore::{Faults, State};
use super::pacemaker::{Member, Role};
use super::server::Process;
use super::stage::{Kind, Mishap};
use super::world::Isolation;

impl State {
    pub(super) fn possible(&self, faults: Faults) -> Vec<Event> {
        let mut events = Vec::new();
        let world = &self.world;
        for node in world.nodes().filter(|node| Some(*node) != self.halted) {
            if world.machines[node].action.is_some() {
                events.push(Event::Step(node));
                events.extend(self.mishaps(node));
            }
        }
        for node in world.nodes() {
            self.add_flow(node, &mut events);
            self.add_recovery(node, &mut events);
            if self.left.faults > 0 {
                self.add_faults(node, faults, &mut events);
            }
        }
        if world.may_proceed(self.left.epochs > 0) {
            events.push(Event::Proceed);
        }
        if self.left.mishaps > 0 && world.plan.as_ref().is_some_and(|plan| !plan.aborted) {
            events.push(Event::Abort);
        }
        self.add_orders(&mut events);
        events
    }

    /// What may go wrong with the next call of an action.
    pub(super) fn mishaps(&self, node: usize) -> Vec<Event> {
        let action = self.world.machines[node].action.as_ref();
        let Some(action) = action.filter(|_| self.left.mishaps > 0) else {
            return Vec::new();
        };
        match action.pending.kind {
            Kind::Pause => vec![Event::Mishap(node, Mishap::GiveUp)],
            Kind::Effect => vec![
                Event::Kill(node),
                Event::Mishap(node, Mishap::Fail),
                Event::Mishap(node, Mishap::Mislead),
            ],
            Kind::Look => vec![Event::Mishap(node, Mishap::Fail)],
            Kind::Private => Vec::new(),
        }
    }

    fn add_flow(&self, node: usize, events: &mut Vec<Event>) {
        let world = &self.world;
        let mut add = |can: bool, event: Event| {
            if can {
                events.push(event);
            }
        };
        add(world.can_receive(node), Event::Receive(node));
        add(world.can_apply(node), Event::Apply(node));
        add(world.can_connect(node), Event::Connect(node));
        add(world.can_lose(node), Event::Lose(node));
        for source in world.nodes() {
            add(world.can_acknowledge(node, source), Event::Acknowledge(node, source));
        }
        let attributes = &world.machines[node].attributes;
        add(attributes.heard != attributes.standing, Event::Hear(node));
        add(world.is_monitored(node), Event::Monitor(node));
        if self.left.commits > 0 && world.can_commit(node) {
            let key = char::from(b'a' + world.written);
            events.push(Event::Commit(node, key));
        }
    }

    /// What heals, and what follows from a failure.
    fn add_recovery(&self, node: usize, events: &mut Vec<Event>) {
        let world = &self.world;
        let machine = &world.machines[node];
        let without_quorum = machine.powered && !world.has_quorum(node) && machine.action.is_none();
        let up = machine.server.process != Process::Absent;
        let mut add = |can: bool, event: Event| {
            if can {
                events.push(event);
            }
        };
        add(!machine.powered, Event::PowerOn(node));
        add(
            machine.powered && machine.isolation != Isolation::None,
            Event::Heal(node),
        );
        add(machine.instance.away, Event::Forget(node));
        add(machine.server.process == Process::Frozen, Event::Thaw(node));
        add(machine.server.lags, Event::CatchUp(node));
        add(without_quorum && up && !machine.server.read_only, Event::Demote(node));
        add(without_quorum && up && machine.server.read_only, Event::Stop(node));
        for (one, other) in &world.cut {
            add(*one == node, Event::Mend(*one, *other));
        }
    }

    fn add_faults(&self, node: usize, faults: Faults, events: &mut Vec<Event>) {
        let machine = &self.world.machines[node];
        let up = machine.server.process == Process::Running;
        let mut add = |can: bool, event: Event| {
            if can {
                events.push(event);
            }
        };
        add(faults.crashes && up, Event::Crash(node));
        let own = machine.server.binlog.last().is_some() && !machine.server.read_only;
        add(faults.crashes && up && own, Event::CrashBadly(node));
        add(faults.power && machine.powered, Event::PowerOff(node));
        let member = machine.powered && machine.isolation == Isolation::None;
        add(faults.partitions && member, Event::Isolate(node));
        add(faults.partitions && member, Event::Separate(node));
        add(faults.freezes && up, Event::Freeze(node));
        let follows = up && machine.server.link.is_some() && !machine.server.lags;
        add(faults.lags && follows, Event::Lag(node));
        for other in self.world.nodes().filter(|other| *other > node) {
            add(
                faults.links && !self.world.cut.contains(&(node, other)),
                Event::Cut(node, other),
            );
        }
    }

    fn add_orders(&self, events: &mut Vec<Event>) {
        if self.left.orders == 0 {
            return;
        }
        let world = &self.world;
        for node in world.nodes() {
            let machine = &world.machines[node];
            if machine.instance.role == Role::Unpromoted && machine.instance.member == Member::Online {
                events.push(Event::Want(node));
            }
        }
    }
}
