//! The one loop that switches power and proves it. Knows no device: a backend answers through [`Power`].
//!
//! Invariants:
//! - "Off" is a state that the device said of itself, read twice in a row, of all plugs in the same rounds. An error, an
//!   unknown plug or an unknown word is never off, and neither is "the request was accepted".
//! - Nothing waits longer than our own limits, whoever called us.
//! - A reboot has succeeded once off is proven: that is all the cluster waits for.

use std::time::Duration;

use crate::error::{During, Error, Result};
use crate::sys::deadline::Deadline;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    On,
    Off,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::On => "on",
            State::Off => "off",
        }
    }
}

/// One line of a device's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) plug: String,
    /// What people call it, where the device knows that.
    pub(crate) alias: String,
    /// None: the device does not say it in words we know.
    pub(crate) state: Option<State>,
}

/// A device with plugs. Each method is one exchange within the deadline: no loop, no retry, no waiting for an effect.
pub(crate) trait Power {
    /// The device in one line, from its own words.
    fn describe(&self, deadline: Deadline) -> Result<String>;

    /// The state as the device says it. [`State::Off`] only for words that mean nothing else.
    ///
    /// # Errors
    /// See [`is_final`] for the ones that end the loop; all others are asked again.
    fn status(&self, plug: &str, deadline: Deadline) -> Result<State>;

    /// Whether the device said, in the last look, that the last order of this plug came to nothing. Said once.
    fn gave_up(&self, _: &str) -> bool {
        false
    }

    /// Orders off, without mercy. Success says that the order was accepted, or that there was nothing to do.
    fn off(&self, plug: &str, deadline: Deadline) -> Result<()>;

    /// Orders on, as [`Power::off`].
    fn on(&self, plug: &str, deadline: Deadline) -> Result<()>;

    fn list(&self, deadline: Deadline) -> Result<Vec<Listed>>;

    /// What would make a proven off of this plug worth less than it seems, in sentences for the administrator.
    fn warnings(&self, plug: &str, deadline: Deadline) -> Result<Vec<String>>;

    /// What is wrong with the device whichever plug it is about, as far as [`Power::list`] showed it.
    fn risks(&self) -> Vec<String> {
        Vec::new()
    }

    /// The first and the longest pause between two looks.
    fn pace(&self) -> (Duration, Duration) {
        Limits::STEPS
    }

    /// Whether anything speaks against switching from this node: before the first order, and before its database is
    /// closed.
    ///
    /// # Errors
    /// That it must not.
    fn permits(&self, _: Deadline) -> Result<()> {
        Ok(())
    }

    /// Leaves the device as it was found, once all is done; what goes wrong with that does not matter.
    fn close(&self, _: Deadline) {}
}

/// What a reboot may take for ordering on, once off is proven.
const AFTERWARDS: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// For one action: from the first look to the proof.
    pub(crate) power: Duration,
    /// For the first exchange with the device, or with each plug.
    pub(crate) first: Duration,
    /// For every other exchange.
    pub(crate) exchange: Duration,
    /// Pause between an order and the first look at its effect.
    pub(crate) wait: Duration,
    /// How often "on" is ordered at most.
    pub(crate) retry_on: u32,
    /// Pause between two looks: the first and the longest.
    pub(crate) steps: (Duration, Duration),
}

impl Limits {
    pub(crate) const STEPS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(250));
}

/// Off if all plugs are off, on if at least one is on.
///
/// # Errors
/// Any plug of which it cannot be told.
pub(crate) fn status(power: &dyn Power, plugs: &[String], limits: &Limits) -> Result<State> {
    let deadline = Deadline::after(limits.first);
    let mut state = State::Off;
    for plug in plugs {
        match power.status(plug, deadline).during(format!("status of {plug}"))? {
            State::On => state = State::On,
            State::Off => {}
        }
    }
    Ok(state)
}

/// Switches all plugs off and proves it.
pub(crate) fn off(power: &dyn Power, plugs: &[String], limits: &Limits) -> Result<()> {
    let goal = Goal {
        state: State::Off,
        reads: 2,
        orders: u32::MAX,
        // Devices lose orders. But one that is only slow may begin anew with each: late enough not to keep it from it.
        again: limits.power * 2 / 3,
    };
    reach(power, plugs, &goal, limits)
}

/// Switches all plugs on and waits until they say so.
pub(crate) fn on(power: &dyn Power, plugs: &[String], limits: &Limits) -> Result<()> {
    let goal = Goal {
        state: State::On,
        reads: 1,
        orders: limits.retry_on,
        again: limits.power / limits.retry_on.max(1),
    };
    reach(power, plugs, &goal, limits)
}

/// Proves all plugs off, then orders them on. The result is that of off; what went wrong with on is a remark.
pub(crate) fn reboot(power: &dyn Power, plugs: &[String], limits: &Limits) -> Result<Vec<Error>> {
    off(power, plugs, limits)?;
    // Recovery waits for this answer: a moment, however many plugs and retries, and no look at the effect.
    let deadline = Deadline::after(limits.exchange.min(AFTERWARDS));
    Ok(plugs
        .iter()
        .filter_map(|plug| order_on(power, plug, limits, deadline).err())
        .collect())
}

fn order_on(power: &dyn Power, plug: &str, limits: &Limits, deadline: Deadline) -> Result<()> {
    let mut result = power.on(plug, deadline);
    for _ in 1..limits.retry_on {
        if result.is_ok() || deadline.expired() {
            break;
        }
        deadline.pause(limits.steps.0);
        result = power.on(plug, deadline);
    }
    result.during(format!("{plug} is off, but switching it on again failed"))
}

/// Whether asking again is pointless: the device or this configuration said no for good.
pub(crate) fn is_final(error: &Error) -> bool {
    matches!(
        cause(error),
        Error::Parameter { .. } | Error::NotInstalled { .. } | Error::NoPermission { .. } | Error::State(_)
    )
}

/// The error without its contexts.
pub(crate) fn cause(mut error: &Error) -> &Error {
    while let Error::During { source, .. } = error {
        error = source;
    }
    error
}

struct Goal {
    state: State,
    /// How many rounds in a row must see it.
    reads: u32,
    /// How many orders of one plug the device may accept.
    orders: u32,
    again: Duration,
}

/// A plug on its way to the goal.
struct Outlet<'a> {
    plug: &'a str,
    /// Whether the very last look saw the goal. Nothing older may count.
    at_goal: bool,
    /// The last look that says something, for the failure's text only.
    seen: Option<Result<State>>,
    orders: u32,
    /// Since the last accepted order; none when an order is due.
    ordered: Option<Deadline>,
    refused: Option<Error>,
}

impl Outlet<'_> {
    fn look(&mut self, power: &dyn Power, goal: &Goal, limits: &Limits, deadline: Deadline) -> Result<()> {
        let limit = if self.seen.is_none() {
            limits.first
        } else {
            limits.exchange
        };
        let seen = power.status(self.plug, deadline.within(limit));
        self.at_goal = matches!(seen, Ok(state) if state == goal.state);
        if self.at_goal || power.gave_up(self.plug) {
            // Should it leave the goal again, a new order is due at once.
            self.ordered = None;
        }
        match seen {
            Err(error) if is_final(&error) => return Err(error).during(self.purpose(goal)),
            // Cut short by the end of all time: what was seen before says more.
            Err(_) if deadline.expired() && self.seen.is_some() => {}
            Ok(_) | Err(_) => self.seen = Some(seen),
        }
        Ok(())
    }

    /// Gives the order if one is due, also when the state could not be read this time: off needs no knowledge of it. A
    /// device that said no for good is not here any more. Whether it accepted the order just now.
    fn order(&mut self, power: &dyn Power, goal: &Goal, limits: &Limits, deadline: Deadline) -> Result<bool> {
        let waiting = self.ordered.is_some_and(|since| since.age() < goal.again);
        if self.at_goal || waiting || self.orders >= goal.orders {
            return Ok(false);
        }
        let within = deadline.within(limits.exchange);
        let result = match goal.state {
            State::On => power.on(self.plug, within),
            State::Off => power.off(self.plug, within),
        };
        match result {
            Ok(()) => {
                self.orders = self.orders.saturating_add(1);
                self.ordered = Some(Deadline::after(goal.again));
                self.refused = None;
                Ok(true)
            }
            Err(error) if is_final(&error) => Err(error).during(self.purpose(goal)),
            Err(error) => {
                self.refused = Some(error);
                Ok(false)
            }
        }
    }

    fn purpose(&self, goal: &Goal) -> String {
        format!("proof that {} is {}", self.plug, goal.state.word())
    }

    /// Why the goal was not reached in time.
    fn failure(self, goal: &Goal, deadline: Deadline) -> Error {
        let purpose = self.purpose(goal);
        let cause = match (self.seen, self.refused) {
            (Some(Err(error)), _) | (_, Some(error)) => error,
            (Some(Ok(state)), None) => {
                return deadline.timeout(format!("{purpose} (last seen: {})", state.word()));
            }
            (None, None) => return deadline.timeout(purpose),
        };
        Error::During {
            context: purpose,
            source: Box::new(cause),
        }
    }
}

fn reach(power: &dyn Power, plugs: &[String], goal: &Goal, limits: &Limits) -> Result<()> {
    let deadline = Deadline::after(limits.power);
    let mut outlets: Vec<Outlet<'_>> = plugs.iter().map(|plug| outlet(plug)).collect();
    let mut rounds = 0;
    let mut step = limits.steps.0;
    loop {
        // All looks before the first order: a wrong name among several plugs switches nothing.
        for outlet in &mut outlets {
            outlet.look(power, goal, limits, deadline)?;
        }
        rounds = if outlets.iter().all(|outlet| outlet.at_goal) {
            rounds + 1
        } else {
            0
        };
        if rounds >= goal.reads {
            return Ok(());
        }
        if deadline.expired() {
            // With every plug at its goal only the last confirmation is missing: name any of them.
            let missing = outlets.iter().position(|outlet| !outlet.at_goal).unwrap_or(0);
            return Err(outlets.swap_remove(missing).failure(goal, deadline));
        }
        let first = outlets.iter().all(|outlet| outlet.orders == 0);
        let mut accepted = false;
        for outlet in &mut outlets {
            accepted |= outlet.order(power, goal, limits, deadline)?;
        }
        if accepted {
            deadline.pause(limits.wait);
        }
        if accepted && first {
            // The effect of the first order may be there already: look at once. Later ones came to nothing before.
            continue;
        }
        if rounds > 0 {
            // Only the confirmation is missing.
            deadline.pause(limits.steps.0);
        } else {
            deadline.pause(step);
            step = (step * 3 / 2).min(limits.steps.1);
        }
    }
}

fn outlet(plug: &str) -> Outlet<'_> {
    Outlet {
        plug,
        at_goal: false,
        seen: None,
        orders: 0,
        ordered: None,
        refused: None,
    }
}

#[cfg(test)]
mod tests;
