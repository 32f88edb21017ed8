//! Where an action of the agent runs: between the real acting code and the world, one call of the seam at a time.
//!
//! An action in progress is the list of answers that it got so far. To go on, the acting code is run again from its
//! beginning, gets the same answers, and then meets the world as it is now. So an action can be interrupted at every
//! call, by everything that may happen, and the world stays plain data.

use std::cell::RefCell;
use std::rc::Rc;

use super::reply::{Fault, Outcome, Reply, Told};
use super::world::World;
use crate::error::Result;

/// One call and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Exchange {
    pub(super) call: &'static str,
    pub(super) reply: Reply,
}

/// What a call is to everybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Nobody else can change its answer or notice it.
    Private,
    /// Its answer depends on when it is asked.
    Look,
    /// Others may notice it, or it outlives the action.
    Effect,
    /// Time passes.
    Pause,
}

/// The call at which an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub(super) call: &'static str,
    pub(super) kind: Kind,
}

/// Something that goes wrong with the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Mishap {
    /// It fails and changes nothing.
    Fail,
    /// It does what it should and is reported as failed.
    Mislead,
    /// The wait ends without what it waits for.
    GiveUp,
}

/// How far an action goes before it is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// So many calls that others may notice.
    Calls(usize),
    /// Until it waits for something.
    Wait,
    /// To its end: while it waits, the world moves.
    End,
}

/// An action that stands between two calls.
pub(super) struct Halt {
    pub(super) world: World,
    pub(super) log: Vec<Rc<Exchange>>,
    pub(super) pending: Pending,
}

pub(super) struct Stage {
    pub(super) node: usize,
    world: RefCell<World>,
    reach: Reach,
    script: RefCell<Script>,
    /// What the action did, in words, where somebody wants to read it.
    trace: Option<RefCell<Vec<String>>>,
    /// How the world was before each call, where somebody wants to know.
    halts: Option<RefCell<Vec<Halt>>>,
}

struct Script {
    log: Vec<Rc<Exchange>>,
    /// How many answers of the log were given.
    given: usize,
    /// How many calls were made that others may notice.
    made: usize,
    mishap: Option<Mishap>,
    suspended: Option<Pending>,
    /// Nothing moved while the action waited the last time.
    stands: bool,
}

/// What is left when an action has ended or is interrupted.
pub(super) struct Left {
    pub(super) world: World,
    pub(super) log: Vec<Rc<Exchange>>,
    /// Where it stands, if it has not ended.
    pub(super) pending: Option<Pending>,
    pub(super) trace: Vec<String>,
    pub(super) halts: Vec<Halt>,
}

impl Stage {
    pub(super) fn new(node: usize, world: World, log: Vec<Rc<Exchange>>, reach: Reach) -> Stage {
        Stage {
            node,
            world: RefCell::new(world),
            reach,
            script: RefCell::new(Script {
                log,
                given: 0,
                made: 0,
                mishap: None,
                suspended: None,
                stands: false,
            }),
            trace: None,
            halts: None,
        }
    }

    pub(super) fn with(mut self, mishap: Option<Mishap>, traced: bool, recorded: bool) -> Stage {
        self.script.get_mut().mishap = mishap;
        self.trace = traced.then(RefCell::default);
        self.halts = recorded.then(RefCell::default);
        self
    }

    pub(super) fn say(&self, words: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            trace.borrow_mut().push(words());
        }
    }

    pub(super) fn end(self) -> Left {
        let script = self.script.into_inner();
        Left {
            world: self.world.into_inner(),
            log: script.log,
            pending: script.suspended,
            trace: self.trace.map(RefCell::into_inner).unwrap_or_default(),
            halts: self.halts.map(RefCell::into_inner).unwrap_or_default(),
        }
    }

    /// Lets time pass. Where the action can be interrupted, that was done before. Else the world moves; where it has
    /// stopped to move, the wait is in vain.
    pub(super) fn pause(&self) -> Result<()> {
        self.call(
            "pause",
            |_| Kind::Pause,
            |world| {
                let moved = self.reach != Reach::End || world.flow();
                let mut script = self.script.borrow_mut();
                let in_vain = !moved && script.stands;
                script.stands = !moved;
                if in_vain { Err(Fault::Timeout) } else { Ok(()) }
            },
        )
    }

    /// One call of the seam: answered from the log, or by the world as it is now.
    pub(super) fn call<T: Told>(
        &self,
        call: &'static str,
        kind: impl FnOnce(&World) -> Kind,
        act: impl FnOnce(&mut World) -> Outcome<T>,
    ) -> Result<T> {
        self.answer(call, kind, act).map_err(|fault| fault.error(self.node))
    }

    fn answer<T: Told>(
        &self,
        call: &'static str,
        kind: impl FnOnce(&World) -> Kind,
        act: impl FnOnce(&mut World) -> Outcome<T>,
    ) -> Outcome<T> {
        let mut script = self.script.borrow_mut();
        if script.suspended.is_some() {
            return Err(Fault::Suspended);
        }
        if let Some(known) = script.log.get(script.given) {
            assert_eq!(known.call, call, "an action that is repeated does something else");
            let again = T::again(&known.reply).expect("the kind of answer that this call has");
            script.given += 1;
            return again;
        }
        let kind = kind(&self.world.borrow());
        let mut mishap = None;
        if kind != Kind::Private {
            self.halt(&mut script, Pending { call, kind })?;
            script.made += 1;
            mishap = script.mishap.take();
        }
        drop(script);
        let outcome = match mishap {
            None => act(&mut self.world.borrow_mut()),
            Some(Mishap::Fail) => Err(Fault::Failed),
            Some(Mishap::GiveUp) => Err(Fault::Timeout),
            Some(Mishap::Mislead) => act(&mut self.world.borrow_mut()).and(Err(Fault::Failed)),
        };
        let mut script = self.script.borrow_mut();
        script.log.push(Rc::new(Exchange {
            call,
            reply: T::keep(outcome.clone()),
        }));
        script.given += 1;
        if kind == Kind::Pause {
            forget_round(&mut script);
        }
        outcome
    }

    /// Stops before a call, where the action is to stand.
    fn halt(&self, script: &mut Script, pending: Pending) -> Outcome<()> {
        let stops = match self.reach {
            Reach::Calls(calls) => script.made >= calls,
            Reach::Wait => script.made > 0 && pending.kind == Kind::Pause,
            Reach::End => false,
        };
        if stops {
            script.suspended = Some(pending);
            return Err(Fault::Suspended);
        }
        if let Some(halts) = self.halts.as_ref().filter(|_| script.made > 0) {
            halts.borrow_mut().push(Halt {
                world: self.world.borrow().clone(),
                log: script.log.clone(),
                pending,
            });
        }
        Ok(())
    }
}

/// A loop that looks again has no memory: once around, it stands where it stood. The log must not grow with every round.
fn forget_round(script: &mut Script) {
    let is_pause = |(at, exchange): (usize, &Rc<Exchange>)| (exchange.call == "pause").then_some(at);
    let pauses: Vec<usize> = script.log.iter().enumerate().filter_map(is_pause).collect();
    let [.., last, now] = pauses[..] else { return };
    let before = |at: usize| at.checked_sub(1).map(|at| script.log[at].call);
    let failed = matches!(script.log[now].reply, Reply::Done(Err(_)));
    if before(last) == before(now) && !failed {
        script.log.truncate(last + 1);
        script.given = script.log.len();
    }
}
