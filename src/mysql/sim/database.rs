//! The fake database: the statements that the acting code sends, each of them a call of its own.

use std::rc::Rc;
use std::time::Duration;

use super::node::observe;
use super::reply::{Fault, Outcome};
use super::server::{Applier, Receiver};
use super::stage::{Kind, Stage};
use super::words;
use super::world::World;
use crate::error::Result;
use crate::mysql::node::{Database, Source};
use crate::mysql::reign::Reign;
use crate::mysql::state::{Epoch, Server, Thread};

pub(super) struct FakeDatabase {
    pub(super) stage: Rc<Stage>,
}

impl FakeDatabase {
    fn run(&self, call: &'static str, words: &str, act: impl FnOnce(&mut World, usize)) -> Result<()> {
        self.run_unless(
            call,
            |_, _| false,
            |world, node| {
                if !words.is_empty() {
                    self.stage.say(|| words.to_owned());
                }
                act(world, node);
            },
        )
    }

    /// A statement; one that changes nothing is nothing that others could notice.
    fn run_unless(
        &self,
        call: &'static str,
        is_idle: impl FnOnce(&World, usize) -> bool,
        act: impl FnOnce(&mut World, usize),
    ) -> Result<()> {
        let node = self.stage.node;
        let kind = |world: &World| {
            if is_idle(world, node) {
                Kind::Private
            } else {
                Kind::Effect
            }
        };
        let act = |world: &mut World| -> Outcome<()> {
            observe(world, node)?;
            act(world, node);
            Ok(())
        };
        self.stage.call(call, kind, act)
    }
}

impl Database for FakeDatabase {
    fn observe(&mut self) -> Result<Server> {
        let node = self.stage.node;
        let look = |world: &mut World| observe(world, node).map(Box::new);
        self.stage.call("observe", |_| Kind::Look, look).map(|server| *server)
    }

    /// Only a node asks another one.
    fn observe_as_peer(&mut self) -> Result<Server> {
        self.observe()
    }

    /// A fake has no files.
    fn relay_log_base(&mut self) -> Result<Option<String>> {
        Ok(None)
    }

    fn start_applier(&mut self) -> Result<()> {
        self.run("start applier", "starts its applier", |world, node| {
            world.server(node).start_applier();
        })
    }

    fn start_replication(&mut self) -> Result<()> {
        self.run("start replication", "starts its replication again", |world, node| {
            world.server(node).start_replication();
        })
    }

    fn stop_replication(&mut self) -> Result<()> {
        let is_stopped = |world: &World, node: usize| {
            world.machines[node].server.link.as_ref().is_none_or(|link| {
                link.applier != Applier::Running && matches!(link.receiver, Receiver::Stopped | Receiver::Refused)
            })
        };
        self.run_unless("stop replication", is_stopped, |world, node| {
            world.server(node).stop_replication();
        })
    }

    fn follow(&mut self, _source: &Source<'_>) -> Result<()> {
        // A node points its server itself.
        self.stage.call("follow", |_| Kind::Effect, |_| Err(Fault::Failed))
    }

    /// A transaction like those of clients, which may come at any time.
    fn record_reign(&mut self, _epoch: &Epoch, _server_uuid: &str) -> Result<()> {
        self.run_unless("record reign", |_, _| true, |_, _| {})
    }

    fn reigns(&mut self) -> Result<Vec<Reign>> {
        Ok(Vec::new())
    }

    /// Nobody else sees it.
    fn write_locally(&mut self) -> Result<()> {
        Ok(())
    }

    fn forget_source(&mut self) -> Result<()> {
        self.run("forget source", "", |world, node| world.server(node).link = None)
    }

    fn arm(&mut self, acknowledgements: usize) -> Result<()> {
        self.run("arm", &words::arms(acknowledgements), |world, node| {
            let most = world.settings.most;
            let server = world.server(node);
            server.replica_enabled = false;
            server.armed = Some(acknowledgements.min(most));
        })
    }

    fn disarm(&mut self) -> Result<()> {
        self.run("disarm", "waits for nobody", World::disarm)
    }

    /// The switch, and where nothing is lost by it a new connection.
    fn acknowledge(&mut self, on: bool) -> Result<()> {
        let words = if on {
            "begins to acknowledge"
        } else {
            "ends to acknowledge"
        };
        self.run("switch acknowledging", words, |world, node| {
            world.server(node).replica_enabled = on
        })?;
        let Some(link) = self.observe()?.link else {
            return Ok(());
        };
        if link.applier == Thread::Running && link.receiver != Thread::Stopped {
            self.run("stop receiver", "", |world, node| world.server(node).stop_receiver())?;
            self.run("start receiver", "", |world, node| world.server(node).start_receiver())?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        self.run("open", "opens", |world, node| world.server(node).read_only = false)
    }

    fn let_readers_in(&mut self) -> Result<()> {
        self.run_unless("let readers in", |_, _| true, |_, _| {})
    }

    fn run_events(&mut self, _on: bool) -> Result<()> {
        self.run_unless("run events", |_, _| true, |_, _| {})
    }

    fn prepared_transactions(&mut self) -> Result<usize> {
        Ok(0)
    }

    /// A fake is not held up.
    fn make_way_for_stop(&mut self) -> Result<()> {
        Ok(())
    }

    fn session(&self) -> u64 {
        1
    }

    fn make_read_only(&mut self, _limit: Duration) -> Result<()> {
        // A node closes its server itself.
        self.stage.call("close", |_| Kind::Effect, |_| Err(Fault::Failed))
    }

    fn end_sessions(&mut self, _except: &[u64]) -> Result<()> {
        let nobody = |world: &World, node: usize| world.machines[node].server.waiting == 0;
        self.run_unless("end sessions", nobody, |world, node| world.server(node).end_waiting())
    }
}
