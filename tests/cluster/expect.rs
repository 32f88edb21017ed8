//! What must come of an act: waits for it, or finds out that it does not.

use std::time::{Duration, Instant};

use crate::family::{POSITION, Words};
use crate::health::{self, View};
use crate::lab::{Node, Result};
use crate::play::Play;
use crate::screen::pause;
use crate::script::Expect;
use crate::sql::{self, Account};
use crate::stage::WHOLE;
use crate::timeline::{self, Entry};

/// How much longer than its bound an act is waited for: to see whether it is slow or does not come at all.
const PATIENCE: Duration = Duration::from_secs(20);
const PERIOD: Duration = Duration::from_millis(50);

impl Play<'_> {
    pub(super) fn expect(&mut self, expect: Expect) -> Result<()> {
        match expect {
            Expect::NewPrimary => {
                let old = self.cast.now();
                self.reigns(expect, |node| node != old)
            }
            Expect::PrimaryOn(who) => {
                let wanted = self.cast.node(who);
                self.reigns(expect, |node| node == wanted)
            }
            Expect::APrimary => self.reigns(expect, |_| true),
            Expect::NoFailover(seconds) => self.stays(expect, Duration::from_secs(seconds)),
            Expect::Nobody(seconds) => self.nobody(expect, Duration::from_secs(seconds)),
            Expect::ClosedWithin(millis) => self.closes(expect, Duration::from_millis(millis)),
            Expect::Says(who, words) => {
                let words = words.of(self.stage.lab.family());
                self.says(expect, self.cast.node(who), words)
            }
            Expect::Silence(millis) => self.silent(Duration::from_millis(millis)),
            Expect::CaughtUp(who) => self.catches_up(expect, self.cast.node(who)),
            Expect::Answers(who, question, answer) => self.answers(expect, self.cast.node(who), question, answer),
            Expect::Whole => self.stage.whole().map(drop),
        }
    }

    fn await_that<T>(&self, expect: Expect, look: impl FnMut() -> Result<T>) -> Result<T> {
        let limit = Duration::from_secs(self.act.bound) + PATIENCE;
        self.stage.screen.wait(&expect.describe(&self.cast), limit, look)
    }

    /// Waits until an accepted node is writable and clients, unless they pause, write again. Asks nothing but the
    /// witness: every other question would take time from the nodes while they work.
    fn reigns(&mut self, expect: Expect, accepted: impl Fn(Node) -> bool) -> Result<()> {
        // An answer from before may be that of a server which has been switched off since.
        let began = Instant::now();
        let mut found = None;
        let node = self.await_that(expect, || {
            let mut candidates = Node::ALL.into_iter().filter(|node| accepted(*node));
            let writable = |node| Some((node, self.witness.writable(node).filter(|since| *since > began)?));
            found = found.or(candidates.find_map(writable));
            let (node, since) = found.ok_or("none is writable")?;
            let served = self.writers.latest().is_some_and(|latest| latest > since);
            if served || self.writers.are_paused() {
                Ok(node)
            } else {
                Err(format!("{node} is writable, but no client has written"))
            }
        })?;
        if node != self.cast.now() {
            self.cast.reign.push(node);
        }
        Ok(())
    }

    fn stays(&self, expect: Expect, time: Duration) -> Result<()> {
        let primary = self.cast.now();
        let end = Instant::now() + time;
        while Instant::now() < end {
            let mut others = Node::ALL.into_iter().filter(|node| *node != primary);
            if let Some(other) = others.find(|node| self.witness.writable(*node).is_some()) {
                return Err(format!(
                    "{other} is writable, although {primary} should have stayed primary"
                ));
            }
            pause(PERIOD);
        }
        self.await_that(expect, || {
            let writable = self.witness.writable(primary);
            writable.map(drop).ok_or_else(|| format!("{primary} is not writable"))
        })
    }

    fn writable(&self) -> Option<Node> {
        Node::ALL
            .into_iter()
            .find(|node| self.witness.writable(*node).is_some())
    }

    fn nobody(&self, expect: Expect, time: Duration) -> Result<()> {
        self.await_that(expect, || match self.writable() {
            Some(node) => Err(format!("{node} is writable")),
            None => Ok(()),
        })?;
        let end = Instant::now() + time;
        while Instant::now() < end {
            if let Some(node) = self.writable() {
                return Err(format!("{node} is writable, although nobody should be"));
            }
            pause(PERIOD);
        }
        Ok(())
    }

    fn closes(&mut self, expect: Expect, limit: Duration) -> Result<()> {
        let primary = self.cast.now();
        self.await_that(expect, || {
            let closed = self.witness.closed(primary);
            closed.then_some(()).ok_or_else(|| format!("{primary} takes writes"))
        })?;
        let took = self.before.elapsed();
        if took > limit {
            let (took, limit) = (took.as_millis(), limit.as_millis());
            self.late
                .push(format!("{primary} took writes for {took} ms, more than {limit} ms"));
        }
        Ok(())
    }

    fn silent(&self, time: Duration) -> Result<()> {
        let since = self.writers.latest().map(|latest| latest.elapsed());
        match since.filter(|since| *since < time) {
            Some(since) => Err(format!(
                "a client was told {} ms ago that it has written",
                since.as_millis()
            )),
            None => Ok(()),
        }
    }

    fn catches_up(&self, expect: Expect, node: Node) -> Result<()> {
        let (lab, account) = (self.stage.lab, Account::administrator());
        let (primary, family) = (self.cast.now(), self.stage.lab.family());
        let mut connection = sql::visit(lab, primary, &account)?;
        let position: String = sql::ask(&mut connection, primary, POSITION.of(family))?;
        self.await_that(expect, || {
            let mut connection = sql::visit(lab, node, &account)?;
            match sql::ask::<i64>(&mut connection, node, &family.wait_for(&position))? {
                0 => Ok(()),
                _ => Err(format!("{node} has not executed {position}")),
            }
        })
    }

    fn answers(&self, expect: Expect, node: Node, question: Words, answer: &str) -> Result<()> {
        let lab = self.stage.lab;
        self.await_that(expect, || {
            let mut connection = sql::visit(lab, node, &Account::administrator())?;
            let found: Option<String> = sql::ask(&mut connection, node, question.of(lab.family()))?;
            if found.as_deref() == Some(answer) {
                Ok(())
            } else {
                Err(format!("{node} answers {}", found.unwrap_or_default()))
            }
        })
    }

    fn says(&self, expect: Expect, node: Node, words: &str) -> Result<()> {
        self.await_that(expect, || self.is_said(node, words))
    }

    /// Looks at what Pacemaker remembers; a failure that has expired since is still in the node's log.
    fn is_said(&self, node: Node, words: &str) -> Result<()> {
        let failures = View::of(self.stage.lab)?.failures;
        let mut reasons: Vec<String> = failures
            .into_iter()
            .filter(|failure| failure.node == Some(node))
            .map(|failure| failure.reason)
            .collect();
        reasons.extend(self.logged_reasons(node)?);
        if reasons.iter().any(|reason| reason.contains(words)) {
            return Ok(());
        }
        reasons.dedup();
        Err(format!("it does not say \"{words}\", but: {}", reasons.join("; ")))
    }

    /// Waits until all servers replicate, while clients go on writing. A node that was hit may be held for what it
    /// committed and nobody confirmed: it gets the primary's data, as an administrator would do it.
    pub(crate) fn replicating(&mut self) -> Result<()> {
        let (lab, screen) = (self.stage.lab, self.stage.screen);
        loop {
            let held = screen.wait("waiting until all nodes are back", WHOLE, || {
                match health::servers(lab) {
                    Ok(_) => Ok(None),
                    Err(problem) => self.held().map(Some).ok_or(problem),
                }
            })?;
            let Some((node, primary)) = held else {
                return Ok(());
            };
            let now = Instant::now();
            // Clients may have to wait for that.
            self.until.get_or_insert(now);
            let what = format!("{node} is held, and gets the data of {primary}");
            self.steps.push(Entry::of_script(self.mark(), now, &what));
            lab.reseed(node, primary)?;
            self.hit.retain(|other| *other != node);
        }
    }

    /// A node that was hit, and is held since; and the primary.
    fn held(&self) -> Option<(Node, Node)> {
        let primary = self.writable()?;
        let is_held = |node: &Node| {
            let apart = health::follows(self.stage.lab, *node, primary).is_err();
            *node != primary && apart && self.is_said(*node, "held").is_ok()
        };
        self.hit.iter().copied().find(is_held).map(|node| (node, primary))
    }

    /// Exit reasons that agents on this node have given since the measurement began.
    fn logged_reasons(&self, node: Node) -> Result<Vec<String>> {
        let log = self.stage.lab.log_of(node)?;
        let reasons = timeline::exit_reasons(&log, self.mark());
        Ok(reasons)
    }
}
