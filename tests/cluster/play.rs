//! One act as it is played: carries out its script while clients write and the witness watches.

use std::time::{Duration, Instant};

use crate::acts::Act;
use crate::console::Console;
use crate::family::Words;
use crate::ipv6;
use crate::lab::{Fault, Node, Result};
use crate::screen::pause;
use crate::script::{Cast, Step};
use crate::sessions::{self, Sessions};
use crate::sql::{self, Account};
use crate::stage::Stage;
use crate::timeline::{Entry, Mark};
use crate::witness::{Sample, Witness};
use crate::writer::{self, Acknowledged, Gap, Heard, Writers};

/// For an administrator's statements and orders.
const STATEMENTS: Duration = Duration::from_secs(20);
/// Inside a node: its server, and the address that clients use.
const SOCKET: &str = "UNIX-CONNECT:/run/mysqld/mysqld.sock";

pub(crate) struct Play<'s> {
    pub(super) stage: &'s Stage<'s>,
    pub(super) act: &'static Act,
    pub(super) cast: Cast,
    pub(super) witness: Witness,
    pub(super) writers: Writers,
    /// When the step before began.
    pub(super) before: Instant,
    mark: Mark,
    measured: bool,
    /// What comes later is not measured.
    pub(super) until: Option<Instant>,
    /// What came later than it must.
    pub(super) late: Vec<String>,
    /// The nodes to which something was done that may have killed their server.
    pub(super) hit: Vec<Node>,
    pub(super) steps: Vec<Entry>,
    sessions: Sessions,
    consoles: Vec<Console>,
    /// The client who knows the IPv6 address only.
    over_ipv6: Option<u32>,
}

/// What was seen and heard.
pub(crate) struct Played {
    pub(crate) mark: Mark,
    measured: bool,
    until: Option<Instant>,
    pub(crate) reign: Vec<Node>,
    pub(crate) heard: Heard,
    over_ipv6: Option<u32>,
    pub(crate) samples: Vec<(Node, Vec<Sample>)>,
    pub(crate) steps: Vec<Entry>,
    pub(crate) late: Vec<String>,
}

impl Played {
    /// The longest time without an acknowledgement, of all that was measured: for all clients together, and for the one
    /// who has only the IPv6 address.
    pub(crate) fn gap(&self, end: Instant) -> Option<Gap> {
        let everybody = self.gap_of(end, |_| true);
        let over_ipv6 = self.over_ipv6;
        let alone = over_ipv6.and_then(|writer| self.gap_of(end, |one| one.key.writer == writer));
        [everybody, alone].into_iter().flatten().max_by_key(|gap| gap.length())
    }

    fn gap_of(&self, end: Instant, whose: impl Fn(&Acknowledged) -> bool) -> Option<Gap> {
        let (since, until) = (self.mark.instant, self.until.unwrap_or(end));
        let heard = self.heard.acknowledged.iter().filter(|one| whose(one));
        let mut acknowledged: Vec<Instant> = heard.map(|one| one.at).collect();
        acknowledged.retain(|at| *at <= until);
        if self.measured {
            // Clients may have been unable to write when the measurement began: the time before it does not count.
            acknowledged.retain(|at| *at > since);
            acknowledged.insert(0, since);
        }
        writer::longest_gap(&acknowledged, since, until)
    }
}

impl<'s> Play<'s> {
    pub(crate) fn begin(stage: &'s Stage<'_>, act: &'static Act, primary: Node, first_writer: u32) -> Play<'s> {
        Play {
            stage,
            act,
            cast: Cast::with(primary),
            witness: Witness::start(stage.lab),
            writers: Writers::start(&stage.lab.floating_address(), first_writer),
            before: Instant::now(),
            mark: Mark::now(),
            measured: false,
            until: None,
            late: Vec::new(),
            hit: Vec::new(),
            steps: Vec::new(),
            sessions: Sessions::default(),
            consoles: Vec::new(),
            over_ipv6: None,
        }
    }

    /// Carries out the script up to its end, or to the first thing that is not as it must be.
    pub(crate) fn perform(&mut self) -> Result<()> {
        self.mark = Mark::now();
        self.follow(self.act.script)
    }

    fn follow(&mut self, script: &[Step]) -> Result<()> {
        for step in script {
            let now = Instant::now();
            let what = step.describe(&self.cast);
            self.stage.screen.step(&what);
            self.steps.push(Entry::of_script(self.mark, now, &what));
            self.carry_out(*step)?;
            self.before = now;
        }
        Ok(())
    }

    /// Since when is measured.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    pub(crate) fn finish(self) -> Result<Played> {
        Ok(Played {
            mark: self.mark,
            measured: self.measured,
            until: self.until,
            reign: self.cast.reign,
            heard: self.writers.finish()?,
            over_ipv6: self.over_ipv6,
            samples: self.witness.finish()?,
            steps: self.steps,
            late: self.late,
        })
    }

    fn carry_out(&mut self, step: Step) -> Result<()> {
        let (lab, screen) = (self.stage.lab, self.stage.screen);
        let at = |who| self.cast.node(who);
        let fill = |words: Words| self.cast.fill(words.of(lab.family()));
        match step {
            Step::Write(seconds) => pause(Duration::from_secs(seconds)),
            Step::Pause => self.writers.pause(),
            Step::Resume => self.writers.resume(),
            Step::Hit(who, fault) => {
                if !matches!(fault, Fault::ShutDown | Fault::PowerOn) {
                    self.hit.push(at(who));
                }
                lab.inject(fault, at(who))?;
            }
            Step::Move(who) => self.order_move(at(who))?,
            Step::Sql(who, words) => self.administer(at(who), &fill(words))?,
            Step::Session(who, words) => {
                let (node, statements) = (at(who), fill(words));
                self.sessions.open(lab, node, &statements)?;
            }
            Step::Busy(who, words) => sessions::busy(screen, lab, at(who), words.of(lab.family()))?,
            Step::Crowd(who) => {
                let node = at(who);
                self.sessions.crowd(screen, lab, node)?;
            }
            Step::Shell(who, words) => {
                self.hit.push(at(who));
                lab.exec(at(who), &["sh", "-c", &fill(words)])?;
            }
            Step::KeepAway(who) => self.keep_away(at(who))?,
            Step::Cluster(command) => {
                let command = self.cast.fill(command);
                lab.exec_from(self.cast.now(), &["sh", "-c", &command])?;
            }
            Step::Leave => self.sessions.leave(),
            Step::Inside(who) => self.enter(at(who))?,
            Step::OverIpv6 => {
                let address = ipv6::bring(lab)?;
                self.over_ipv6 = Some(self.writers.add(&address));
            }
            Step::Reseed(who) => lab.reseed(at(who), self.cast.now())?,
            Step::In(family, script) if family == lab.family() => self.follow(script)?,
            Step::In(..) => {}
            Step::Measure => {
                self.mark = Mark::now();
                self.measured = true;
            }
            Step::CleanUp => self.until = Some(Instant::now()),
            Step::Expect(expect) => self.expect(expect)?,
        }
        Ok(())
    }

    fn order_move(&self, to: Node) -> Result<()> {
        let order = format!("crm_resource --move --resource db-clone --promoted --node {to}");
        let words: Vec<&str> = order.split(' ').collect();
        self.stage.lab.exec_from(self.cast.now(), &words).map(drop)
    }

    /// Not with `crm_resource --wait`, which may miss the last change and then wait for another one.
    fn keep_away(&self, node: Node) -> Result<()> {
        let order = format!("crm_resource --ban --resource db-clone --node {node}");
        let words: Vec<&str> = order.split(' ').collect();
        self.stage.lab.exec_from(self.cast.now(), &words)?;
        let what = format!("waiting until no server runs on {node}");
        self.stage.screen.wait(&what, STATEMENTS, || {
            let find = "pgrep --exact 'mariadbd|mysqld' || echo none";
            match self.stage.lab.exec(node, &["sh", "-c", find])?.trim() {
                "none" => Ok(()),
                process => Err(format!("process {process} does")),
            }
        })
    }

    fn administer(&self, node: Node, statements: &str) -> Result<()> {
        let address = self.stage.lab.address(node);
        // A full server has a place for them once it has noticed who left.
        let mut connection = self.stage.screen.wait("waiting to be let in", STATEMENTS, || {
            sql::connect(&address, &Account::administrator(), STATEMENTS).map_err(|error| format!("{node}: {error}"))
        })?;
        sql::run(&mut connection, node, statements)
    }

    fn enter(&mut self, node: Node) -> Result<()> {
        let lab = self.stage.lab;
        let server = Console::open(lab, node, SOCKET)?;
        self.witness.watch(node, &server.address);
        let clients = format!("TCP:{}:3306", lab.floating_address());
        let clients = Console::open(lab, node, &clients)?;
        self.writers.add(&clients.address);
        self.consoles.extend([server, clients]);
        Ok(())
    }
}
