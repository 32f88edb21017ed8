//! The fake node: the seam of the acting code over the world.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::database::FakeDatabase;
use super::pacemaker::Role;
use super::reply::{Fault, Looked, Outcome, Told};
use super::server::{Process, gtid};
use super::stage::{Kind, Stage};
use super::words;
use super::world::{NAMES, World, node_named};
use crate::error::Result;
use crate::mysql::decide::Recovery;
use crate::mysql::gtid::Position;
use crate::mysql::node::{Database, Extra, Node};
use crate::mysql::state::{Answer, Disk, Epoch, Liveness, Record, Seen, Server, Standing, Vote};
use crate::sys::process;

pub(super) struct FakeNode {
    pub(super) stage: Rc<Stage>,
}

impl FakeNode {
    fn look_at<T: Told>(&self, call: &'static str, look: impl FnOnce(&World, usize) -> Outcome<T>) -> Result<T> {
        let node = self.stage.node;
        self.stage.call(call, |_| Kind::Look, |world| look(world, node))
    }

    fn own<T: Told>(&self, call: &'static str, look: impl FnOnce(&World, usize) -> Outcome<T>) -> Result<T> {
        let node = self.stage.node;
        self.stage.call(call, |_| Kind::Private, |world| look(world, node))
    }

    /// Something that others may notice, unless it changes nothing.
    fn effect(
        &self,
        call: &'static str,
        is_idle: impl FnOnce(&World, usize) -> bool,
        act: impl FnOnce(&mut World, usize) -> Outcome<()>,
    ) -> Result<()> {
        let node = self.stage.node;
        let kind = |world: &World| {
            if is_idle(world, node) {
                Kind::Private
            } else {
                Kind::Effect
            }
        };
        self.stage.call(call, kind, |world| act(world, node))
    }
}

/// No process of this machine: nothing may look at one.
pub(super) fn some_process() -> process::Process {
    serde_json::from_str(r#"{"pid":0,"started":0,"state":"S"}"#).unwrap()
}

/// What the server says, if it answers.
pub(super) fn observe(world: &World, node: usize) -> Outcome<Server> {
    let server = &world.machines[node].server;
    match server.process {
        Process::Absent => Err(Fault::Down),
        Process::Frozen => Err(Fault::Silent),
        Process::Running => Ok(server.observe(&world.acknowledging(node), world.settings.most)),
    }
}

impl Node for FakeNode {
    fn name(&self) -> &str {
        NAMES[self.stage.node]
    }

    fn pause(&self, _duration: Duration) -> Result<()> {
        self.stage.pause()
    }

    /// Fakes write through: it makes no difference whether a machine ends or a server.
    fn boot(&self) -> Result<String> {
        Ok(String::new())
    }

    fn data(&self) -> Result<String> {
        let number = self.own("data", |world, node| Ok(Some(world.machines[node].server.data)))?;
        Ok(number.unwrap_or_default().to_string())
    }

    fn liveness(&self) -> Result<Liveness> {
        let alive = self.look_at("liveness", |world, node| {
            Ok(world.machines[node].server.process != Process::Absent)
        })?;
        Ok(if alive {
            Liveness::Running(some_process())
        } else {
            Liveness::Absent
        })
    }

    fn look(&self, _limit: Duration) -> Result<Seen> {
        let looked = self.look_at("look", |world, node| {
            Ok(match observe(world, node) {
                Ok(server) => Looked::Facts(Box::new(server)),
                Err(Fault::Down) => Looked::Absent,
                Err(_) => Looked::Silent,
            })
        })?;
        Ok(match looked {
            Looked::Absent => Seen::Absent,
            Looked::Silent => Seen::Running(some_process(), Answer::Silent("no answer".to_owned())),
            Looked::Facts(server) => Seen::Running(some_process(), Answer::Facts(server)),
        })
    }

    /// A server that does not write ends as one that does not answer.
    fn probe_disk(&self, _limit: Duration) -> Result<Disk> {
        Ok(Disk::Fine)
    }

    fn connect(&self) -> Result<Box<dyn Database>> {
        self.own("connect", |world, node| observe(world, node).map(drop))?;
        Ok(Box::new(FakeDatabase {
            stage: Rc::clone(&self.stage),
        }))
    }

    fn ask(&self, other: &str, _limit: Duration) -> Result<Server> {
        let server = self.look_at("ask", |world, node| {
            let other = node_named(other).ok_or(Fault::Failed)?;
            if !world.reaches(node, other) {
                return Err(Fault::Silent);
            }
            observe(world, other).map(Box::new)
        })?;
        Ok(*server)
    }

    fn node_at(&self, address: &str) -> String {
        address.to_owned()
    }

    fn stop_replication(&self, database: &mut dyn Database) -> Result<()> {
        database.stop_replication()
    }

    fn point(&self, database: &mut dyn Database, to: &str, resume: Option<&Position>, acknowledge: bool) -> Result<()> {
        let _ = database;
        let source = node_named(to).unwrap();
        self.effect(
            "set position",
            |_, _| resume.is_none(),
            |world, node| {
                if let Some(position) = resume {
                    world.server(node).applied = gtid(position);
                }
                Ok(())
            },
        )?;
        self.effect(
            "change source",
            |_, _| false,
            |world, node| {
                observe(world, node)?;
                self.stage.say(|| words::follows(to, resume, acknowledge));
                world.server(node).replica_enabled = acknowledge;
                world.server(node).change_source(source);
                Ok(())
            },
        )?;
        self.effect(
            "start replication",
            |_, _| false,
            |world, node| {
                observe(world, node)?;
                world.server(node).start_replication();
                Ok(())
            },
        )
    }

    fn launch(&self, recovery: Recovery) -> Result<Server> {
        self.effect(
            "launch",
            |_, _| false,
            |world, node| {
                self.stage.say(|| words::launches(recovery));
                world.server(node).launch(recovery);
                Ok(())
            },
        )?;
        self.await_ready()
    }

    fn await_ready(&self) -> Result<Server> {
        let server = self.look_at("await ready", |world, node| observe(world, node).map(Box::new))?;
        Ok(*server)
    }

    fn make_read_only(&self) -> Result<()> {
        let is_closed = |world: &World, node: usize| {
            let server = &world.machines[node].server;
            server.read_only && server.waiting == 0
        };
        self.effect("make read-only", is_closed, |world, node| {
            observe(world, node)?;
            if !is_closed(world, node) {
                self.stage.say(|| "closes".to_owned());
            }
            let server = world.server(node);
            server.read_only = true;
            // Whoever waited longer than the grace was cut off, without an OK:
            // server/clone.rs::demotion_ends_a_commit_that_waits_and_never_confirms_it.
            server.end_waiting();
            Ok(())
        })
    }

    fn kill_server(&self) -> Result<()> {
        self.effect(
            "kill server",
            |_, _| false,
            |world, node| {
                self.stage.say(|| "kills its server".to_owned());
                world.crash(node, false);
                Ok(())
            },
        )
    }

    /// A copy: nobody decides by it.
    fn archive(&self, _extra: &Extra<'_>) -> Result<Option<PathBuf>> {
        self.own("archive", |_, _| Ok(()))?;
        Ok(None)
    }

    fn record(&self) -> Result<Record> {
        let record = self.own("record", |world, node| Ok(Rc::clone(&world.machines[node].record)))?;
        Ok((*record).clone())
    }

    fn store_record(&self, record: &Record) -> Result<()> {
        let known = |world: &World, node: usize| *world.machines[node].record == *record;
        self.effect("store record", known, |world, node| {
            if !known(world, node) {
                self.stage
                    .say(|| words::remembers(&world.machines[node].record, record));
            }
            world.machine(node).record = Rc::new(record.clone());
            Ok(())
        })
    }

    fn epoch(&self) -> Result<Option<Epoch>> {
        self.look_at("epoch", |world, node| {
            Ok(world.machines[node].configuration.epoch.as_deref().cloned())
        })
    }

    fn store_epoch(&self, epoch: &Epoch) -> Result<()> {
        self.effect(
            "store epoch",
            |_, _| false,
            |world, node| {
                let old = world.machines[node].configuration.epoch.clone();
                self.stage.say(|| words::declares(old.as_deref(), epoch));
                // The time of day makes no difference to anybody.
                let epoch = Epoch {
                    opened_at: String::new(),
                    ..epoch.clone()
                };
                world.configure(node, |configuration| configuration.epoch = Some(Rc::new(epoch)));
                Ok(())
            },
        )
    }

    fn votes(&self, epoch: u64) -> Result<Vec<(String, Vote)>> {
        self.look_at("votes", |world, node| {
            let vote = |member: usize| {
                let vote = world.machines[member].attributes.vote.as_deref().cloned();
                vote.map(|vote| (NAMES[member].to_owned(), vote))
            };
            let votes = world.members_with(node).into_iter().filter_map(vote);
            Ok(votes.filter(|(_, vote)| vote.epoch == epoch).collect())
        })
    }

    fn cast_vote(&self, vote: &Vote) -> Result<()> {
        self.effect(
            "cast vote",
            |_, _| false,
            |world, node| {
                self.stage.say(|| words::votes(vote));
                let machine = world.machine(node);
                machine.attributes.vote = Some(Rc::new(vote.clone()));
                machine.attributes.voted_whole = machine.owes.is_none();
                Ok(())
            },
        )
    }

    fn withdraw_vote(&self) -> Result<()> {
        let has_none = |world: &World, node: usize| world.machines[node].attributes.vote.is_none();
        self.effect("withdraw vote", has_none, |world, node| {
            world.machine(node).attributes.vote = None;
            Ok(())
        })
    }

    /// What the others published arrives with a delay.
    fn standings(&self, epoch: u64) -> Result<BTreeMap<String, Standing>> {
        self.look_at("standings", |world, node| {
            let standing = |member: usize| {
                let attributes = &world.machines[member].attributes;
                let known = if member == node {
                    &attributes.standing
                } else {
                    &attributes.heard
                };
                Some((NAMES[member].to_owned(), known.as_deref()?.clone()))
            };
            let known = world.members_with(node).into_iter().filter_map(standing);
            Ok(known.filter(|(_, standing)| standing.epoch == epoch).collect())
        })
    }

    fn publish_standing(&self, standing: &Standing) -> Result<()> {
        let known = |world: &World, node: usize| world.machines[node].attributes.standing.as_deref() == Some(standing);
        self.effect("publish standing", known, |world, node| {
            if !known(world, node) {
                self.stage.say(|| words::stands(standing));
            }
            world.machine(node).attributes.standing = Some(Rc::new(standing.clone()));
            Ok(())
        })
    }

    /// What `crm_mon` shows, as src/cluster/running.rs reads it.
    fn running(&self) -> Result<Option<BTreeSet<String>>> {
        self.look_at("running", |world, node| {
            let possible = |other: &usize| {
                let instance = &world.machines[*other].instance;
                match instance.member {
                    super::pacemaker::Member::Online => instance.role != Role::Stopped,
                    super::pacemaker::Member::Lost => true,
                    super::pacemaker::Member::Off => false,
                }
            };
            let running = world.nodes().filter(possible).map(|node| NAMES[node].to_owned());
            Ok(world.has_quorum(node).then(|| running.collect()))
        })
    }

    fn accepted_loss(&self) -> Result<Option<u64>> {
        self.own("accepted loss", |world, node| {
            Ok(world.machines[node].configuration.accepted_loss)
        })
    }

    /// Monitors are as far apart as an exploration wants them: it may always be so.
    fn stands_still(&self, _position: &Position) -> Result<bool> {
        Ok(true)
    }

    /// It happens where there is another reason to look, too: one is enough to explore.
    fn is_time_to_compare(&self) -> Result<bool> {
        Ok(false)
    }

    fn set_score(&self, score: Option<u32>) -> Result<()> {
        let known = |world: &World, node: usize| world.machines[node].attributes.score == score;
        self.effect("set score", known, |world, node| {
            if !known(world, node) {
                self.stage.say(|| words::scores(score));
            }
            world.machine(node).attributes.score = score;
            Ok(())
        })
    }

    fn set_readable(&self, readable: bool) -> Result<()> {
        // Nobody decides by it.
        self.own("set readable", |_, _| Ok(()))?;
        let _ = readable;
        Ok(())
    }
}
