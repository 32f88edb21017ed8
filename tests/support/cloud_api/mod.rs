//! Small fakes of clouds' APIs, written from their published descriptions: one world of machines, addresses and actions,
//! spoken to in a cloud's own words, and everything that goes wrong on a real one.

pub(crate) mod digitalocean;
pub(crate) mod hetzner;
mod power;
mod wire;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

pub(crate) use wire::{Asked, Reply};

pub(crate) const TOKEN: &str = "s3cret-of-the-tests";

/// What the cloud consists of.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) machines: BTreeMap<u64, Machine>,
    /// By their text.
    pub(crate) addresses: BTreeMap<String, Address>,
    pub(crate) actions: BTreeMap<u64, Action>,
    /// How many requests come in until an action is done.
    pub(crate) latency: usize,
    /// Every action ends without success.
    pub(crate) actions_fail: bool,
    /// What goes wrong next; each is used once, by the first request that fits.
    pub(crate) faults: Vec<Fault>,
    /// Every request, as `METHOD /path`.
    pub(crate) log: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) on: bool,
    /// Another order for this machine is being carried out.
    pub(crate) busy: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) id: u64,
    pub(crate) owner: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Assign { address: String, to: u64 },
    Power { machine: u64, on: bool },
}

#[derive(Debug, Clone)]
pub(crate) struct Action {
    pub(crate) kind: String,
    pub(crate) effect: Effect,
    /// How many more requests until it is done.
    pub(crate) looks: usize,
    pub(crate) failed: bool,
}

/// Something that goes wrong with the first request that has these words, instead of its answer.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) words: &'static str,
    pub(crate) kind: Wrong,
}

#[derive(Debug, Clone)]
pub(crate) enum Wrong {
    /// This answer, and nothing happens.
    Says(u16, Vec<(&'static str, String)>, String),
    /// The connection is reset before anything happens.
    ResetBefore,
    /// What was asked for happens, but the connection is reset before the answer.
    ResetAfter,
    /// It happens, but the answer is no JSON.
    Garbage,
    /// It happens, but the answer ends in its middle.
    Half,
    /// No answer at all.
    Silence,
}

/// One cloud's words.
pub(crate) type Speak = fn(&mut World, &Asked) -> Reply;

impl World {
    /// Takes an order: it is carried out after some requests.
    pub(crate) fn order(&mut self, kind: &str, effect: Effect) -> u64 {
        let id = 1000 + self.actions.len() as u64;
        let action = Action {
            kind: kind.to_owned(),
            effect,
            looks: self.latency,
            failed: self.actions_fail,
        };
        self.actions.insert(id, action);
        self.settle(id);
        id
    }

    /// How far an action is.
    pub(crate) fn look(&self, id: u64) -> Option<Action> {
        self.actions.get(&id).cloned()
    }

    /// Time passes with each request. Orders for one address are carried out one after the other.
    fn tick(&mut self) {
        let mut moving = Vec::new();
        let ids: Vec<u64> = self.actions.keys().copied().collect();
        for id in ids {
            if let Effect::Assign { address, .. } = &self.actions[&id].effect {
                if moving.contains(address) {
                    continue;
                }
                if self.actions[&id].looks > 0 {
                    moving.push(address.clone());
                }
            }
            let action = self.actions.get_mut(&id).unwrap();
            if action.looks > 0 {
                action.looks -= 1;
                self.settle(id);
            }
        }
    }

    fn settle(&mut self, id: u64) {
        let action = &self.actions[&id];
        if action.looks > 0 || action.failed {
            return;
        }
        match action.effect.clone() {
            Effect::Assign { address, to } => self.addresses.get_mut(&address).unwrap().owner = Some(to),
            Effect::Power { machine, on } => self.machines.get_mut(&machine).unwrap().on = on,
        }
    }

    pub(crate) fn under_way(&self, address: &str) -> bool {
        self.actions.values().any(|action| {
            let same = matches!(&action.effect, Effect::Assign { address: it, .. } if it == address);
            same && action.looks > 0
        })
    }

    pub(crate) fn fails(&mut self, words: &'static str, kind: Wrong) {
        self.faults.push(Fault { words, kind });
    }

    pub(crate) fn asked(&self, words: &str) -> usize {
        self.log.iter().filter(|line| line.contains(words)).count()
    }
}

/// A cloud that listens; it ends with the test.
pub(crate) struct Fake {
    world: Arc<Mutex<World>>,
}

impl Fake {
    /// Two machines, 101 and 102.
    pub(crate) fn new() -> Fake {
        let machine = |name: &str| Machine {
            name: name.to_owned(),
            on: true,
            busy: false,
        };
        let world = World {
            machines: [(101, machine("db1")), (102, machine("db2"))].into(),
            latency: 2,
            ..World::default()
        };
        Fake {
            world: Arc::new(Mutex::new(world)),
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Serves the API on this listener; returns its URL.
    pub(crate) fn serve(&self, listener: TcpListener, speak: Speak) -> String {
        self.listen(listener, None, speak)
    }

    /// The same over TLS, with the certificate of tests/fixtures/tls.
    pub(crate) fn serve_tls(&self, listener: TcpListener, speak: Speak) -> String {
        self.listen(listener, Some(wire::certificate()), speak)
    }

    fn listen(&self, listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>, speak: Speak) -> String {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let world = Arc::clone(&self.world);
        std::thread::spawn(move || wire::serve(&listener, tls.as_ref(), &world, speak));
        url
    }
}

/// A token as an administrator keeps it.
pub(crate) fn token_file(directory: &Path) -> PathBuf {
    let path = directory.join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    path
}
