//! Where acts are played: a healthy lab. Plays one act after the other and reports how each went.

use std::time::{Duration, Instant};

use crate::acts::Act;
use crate::health::{self, View};
use crate::lab::{Lab, Node, Result};
use crate::play::Play;
use crate::report::Report;
use crate::screen::{Screen, pause};
use crate::sql;
use crate::timeline::{self, Entry, Mark};
use crate::verify;
use crate::witness;
use crate::writer::{self, IDENTITIES};

/// Until a cluster is whole: a failed server comes back when its failure has expired, a fenced node boots first.
pub(crate) const WHOLE: Duration = Duration::from_secs(40);
const CATCH_UP: Duration = Duration::from_secs(30);
/// Where something went wrong before, nobody waits for the rest.
const BROKEN: Duration = Duration::from_secs(3);
/// Clients write for so long before an act, and when it is over.
const AROUND: Duration = Duration::from_secs(1);

pub(crate) struct Stage<'a> {
    pub(crate) screen: &'a Screen,
    pub(crate) lab: &'a Lab,
    /// Identities that no writer has had yet.
    next_writer: u32,
}

impl<'a> Stage<'a> {
    /// Brings the lab up, new.
    pub(crate) fn set(screen: &'a Screen, lab: &'a Lab) -> Result<Stage<'a>> {
        lab.up(screen)?;
        Stage::find(screen, lab)
    }

    /// Takes the lab that is there.
    pub(crate) fn find(screen: &'a Screen, lab: &'a Lab) -> Result<Stage<'a>> {
        let mut stage = Stage {
            screen,
            lab,
            next_writer: 0,
        };
        screen.wait("waiting for a primary", WHOLE, || sql::make_administrator(lab))?;
        stage.whole()?;
        stage.next_writer = writer::prepare_table(lab)?;
        Ok(stage)
    }

    pub(crate) fn whole(&self) -> Result<Node> {
        let primary = self
            .screen
            .wait("waiting for a healthy cluster", WHOLE, || health::whole(self.lab))?;
        self.forget_degradations()?;
        self.monitored()?;
        Ok(primary)
    }

    /// Does what docs/operations.md tells an operator to do where Pacemaker shows what is over.
    fn forget_degradations(&self) -> Result<()> {
        if !self.lab.remembers_degradations() || View::of(self.lab)?.failures.is_empty() {
            return Ok(());
        }
        self.lab
            .exec_anywhere(&["crm_resource", "--cleanup", "--resource", "db"])?;
        self.screen.wait("waiting until nothing is remembered", WHOLE, || {
            health::whole(self.lab)?;
            match View::of(self.lab)?.failures.first() {
                Some(failure) => Err(format!("Pacemaker remembers a failure: {failure}")),
                None => Ok(()),
            }
        })
    }

    /// Does what docs/operations.md tells an operator to do where Pacemaker has stopped to monitor an instance.
    fn monitored(&self) -> Result<()> {
        for node in health::unmonitored(self.lab)? {
            let name = node.to_string();
            self.screen
                .say(&format!("  Pacemaker does not monitor {name}: refreshing it"));
            let refresh = ["crm_resource", "--refresh", "--resource", "db", "--node", &name];
            self.lab.exec_anywhere(&refresh)?;
        }
        self.screen.wait("waiting for the monitors", WHOLE, || {
            match health::unmonitored(self.lab)?.first() {
                Some(node) => Err(format!("Pacemaker does not monitor {node}")),
                None => Ok(()),
            }
        })
    }

    pub(crate) fn play(&mut self, act: &'static Act) -> Result<Report> {
        let began = Instant::now();
        let primary = self.whole()?;
        let first = self.next_writer;
        self.next_writer += IDENTITIES;
        let mut play = Play::begin(self, act, primary, first);
        self.screen.linger("clients are writing", AROUND);
        let mut problems = Vec::new();
        // What the script did not reach is not waited for.
        let played = play.perform().and_then(|()| play.replicating());
        problems.extend(played.err());
        pause(AROUND);
        let end = Instant::now();
        let played = play.finish()?;
        let (heard, mark) = (&played.heard, played.mark);
        let limit = if problems.is_empty() { CATCH_UP } else { BROKEN };
        if problems.is_empty() {
            problems.extend(self.whole().err());
        }
        problems.extend(verify::catch_up(self.screen, self.lab, limit).err());
        let verdict = verify::verify(self.screen, self.lab, first, &heard.acknowledged);
        let verdict = verdict.map_err(|problem| problems.push(problem)).ok();
        let gap = played.gap(end);
        let (mut entries, unread) = timeline::gather(self.lab, mark);
        problems.extend(unread);
        entries.extend(gap.into_iter().flat_map(|gap| told_of(mark, gap)));
        entries.extend(failures(mark, &heard.failures));
        entries.extend(played.steps);
        entries.sort_by_key(|entry| entry.at);
        Ok(Report {
            act,
            began: mark.day_time,
            took: began.elapsed(),
            gap: gap.map(writer::Gap::length),
            acknowledged: heard.acknowledged.len(),
            verdict,
            two_writable: witness::moments_with_two(&played.samples),
            reign: played.reign,
            entries,
            problems,
            late: played.late,
        })
    }
}

fn told_of(mark: Mark, gap: writer::Gap) -> [Entry; 2] {
    [
        Entry::of_client(mark, gap.from, "the last write before the gap is acknowledged"),
        Entry::of_client(mark, gap.to, "the first write after the gap is acknowledged"),
    ]
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
        .map(|(at, error, times)| Entry::of_client(mark, at, &format!("{error} (the first of {times})")))
        .collect()
}
