//! Machines of a cloud, switched through its API. What differs between clouds is a [`Words`] table.
//!
//! A plug is a machine's number, or its name; one of digits is always a number. What a fencing needs is looked up by monitor
//! and kept: the numbers of names, the addresses of the API. So a fencing from a node where a monitor has run takes no list
//! and no name server when the network is troubled.

mod access;
mod machine;
mod memory;
mod words;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::cloud::{Action, Answer, Api, Failure};
use crate::error::{Error, Result};
use crate::fence::journal;
use crate::fence::options::{Options, Values};
use crate::fence::power::{Listed, Power, State};
use crate::sys::deadline::Deadline;
use crate::sys::http::{Method, Request, Server};
use crate::sys::tls::Trust;
use machine::{Actions, Machine, Many, One};
use memory::Memory;
use words::Words;
pub(crate) use words::{DIGITALOCEAN, HETZNER};

/// Clouds take seconds, and count every question.
const PACE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(1));
const MOST_PAGES: u32 = 100;
/// The metadata service is a matter of milliseconds, or not there.
const METADATA_LIMIT: Duration = Duration::from_secs(1);
/// The same while a fencing waits for it.
const OWN_ID_LIMIT: Duration = Duration::from_millis(300);

pub(crate) struct Cloud {
    words: &'static Words,
    api: Api,
    metadata: Server,
    memory: RefCell<Memory>,
    /// The cloud wants to be left alone for so long.
    pause: Cell<Option<Deadline>>,
    /// By machine: the last order, until it is seen to have ended.
    orders: RefCell<BTreeMap<u64, Action>>,
    /// The plug whose order ended badly just now.
    failed: RefCell<Option<String>>,
    /// Whether it was asked if somebody switches this node off: once, before the first order.
    asked: Cell<bool>,
    /// The number of each plug's machine, from the first look on: what is proven is about one machine.
    pinned: RefCell<BTreeMap<String, u64>>,
    /// What is wrong with the names in the last list.
    confusions: RefCell<Vec<String>>,
}

impl Cloud {
    pub(crate) fn new(words: &'static Words, options: &Options, deadline: Deadline) -> Result<Cloud> {
        let values = &options.values;
        let url = values.text("api_url").unwrap_or(words.dialect.url);
        let memory = Memory::load(&state_directory(values), words.name, url);
        let api = access::open(words, values, deadline)?;
        api.know(memory.addresses());
        let metadata = values.text("metadata_url").unwrap_or_default();
        Ok(Cloud {
            words,
            api,
            metadata: Server::at("metadata_url", metadata, &Trust::default())?,
            memory: RefCell::new(memory),
            pause: Cell::new(None),
            orders: RefCell::new(BTreeMap::new()),
            failed: RefCell::new(None),
            asked: Cell::new(false),
            pinned: RefCell::default(),
            confusions: RefCell::default(),
        })
    }

    /// One exchange. A cloud that wants to be left alone is not asked before its time.
    fn ask<T>(&self, exchange: impl FnOnce() -> Answer<T>) -> Result<T> {
        if let Some(pause) = self.pause.get().filter(|pause| !pause.expired()) {
            let seconds = pause.remaining().as_secs() + 1;
            let got = format!("too many requests, to be repeated in {seconds} s");
            return Err(Error::Unexpected {
                from: self.words.dialect.name.to_owned(),
                got,
            });
        }
        exchange().map_err(|failure| {
            if let Failure::Later(wait, _) = &failure
                && !wait.is_zero()
            {
                self.pause.set(Some(Deadline::after(*wait)));
            }
            failure.into()
        })
    }

    fn get<T: DeserializeOwned>(&self, target: &str, deadline: Deadline) -> Result<T> {
        self.ask(|| self.api.get(target, deadline))
    }

    /// The machine behind a plug: always the one of the first look.
    fn machine(&self, plug: &str, deadline: Deadline) -> Result<Machine> {
        let pinned = self.pinned.borrow().get(plug).copied();
        let Some(id) = pinned else {
            let found = self.find(plug, deadline)?;
            self.pinned.borrow_mut().insert(plug.to_owned(), found.id);
            return Ok(found);
        };
        let now = self.by_id(id, deadline)?;
        now.filter(|machine| machine.is_named(plug)).ok_or_else(|| {
            Error::State(format!(
                "{plug} was machine {id} of {} a moment ago, which is gone or has another name now; that is no proof that \
                 the node is off",
                self.words.dialect.name
            ))
        })
    }

    /// By its number, by its remembered number, and only then by its name.
    fn find(&self, plug: &str, deadline: Deadline) -> Result<Machine> {
        if let Ok(id) = plug.parse::<u64>() {
            return self.by_id(id, deadline)?.ok_or_else(|| self.missing(plug));
        }
        let remembered = self.memory.borrow().id(plug);
        if let Some(id) = remembered {
            // Somebody else may have got the number, or the name.
            match self.by_id(id, deadline)? {
                Some(machine) if machine.name == plug => return Ok(machine),
                Some(_) | None => {}
            }
        }
        self.by_name(plug, deadline)
    }

    fn by_id(&self, id: u64, deadline: Deadline) -> Result<Option<Machine>> {
        let target = format!("/{}/{id}", self.words.machines);
        let found = self.ask(|| match self.api.get::<One>(&target, deadline) {
            Ok(One { machine }) => Ok(Some(machine)),
            Err(Failure::Missing(_)) => Ok(None),
            Err(other) => Err(other),
        })?;
        match found {
            Some(machine) if machine.id != id => Err(Error::Unexpected {
                from: format!("{} to {target}", self.words.dialect.name),
                got: format!("machine {}", machine.id),
            }),
            other => Ok(other),
        }
    }

    fn by_name(&self, name: &str, deadline: Deadline) -> Result<Machine> {
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if !plain {
            return Err(Error::parameter("plug", name, "must be a machine's number or name"));
        }
        let many: Many = self.get(&format!("/{}?name={name}", self.words.machines), deadline)?;
        let mut found = many.machines.into_iter().filter(|machine| machine.name == name);
        match (found.next(), found.next()) {
            (Some(machine), None) => Ok(machine),
            (Some(_), Some(_)) => Err(Error::State(format!(
                "{} has several machines with the name {name}: use the number as plug",
                self.words.dialect.name
            ))),
            (None, _) => Err(self.missing(name)),
        }
    }

    fn missing(&self, plug: &str) -> Error {
        Error::State(format!(
            "{} has no machine {plug} that this token may see; that is no proof that the node is off: check plug, \
             pcmk_host_map and the token",
            self.words.dialect.name
        ))
    }

    fn switch(&self, plug: &str, order: &words::Order, deadline: Deadline) -> Result<()> {
        let id = self.machine(plug, deadline)?.id;
        let target = format!("/{}/{id}/actions{}", self.words.machines, order.path);
        let action = self.ask(|| self.api.order(&target, &order.body(), deadline));
        let action = action.map_err(|error| match error {
            // Whether it lasts, the next look at the state says: it may be off already.
            Error::State(got) => Error::Unexpected {
                from: self.words.dialect.name.to_owned(),
                got,
            },
            other => other,
        })?;
        self.orders.borrow_mut().insert(id, action);
        Ok(())
    }

    /// Whether this node itself is being switched off: then the other side has won, and must not be shot back.
    fn check_that_we_are_not_fenced(&self, deadline: Deadline) -> Result<()> {
        // While the cloud wants to be left alone, the order is not given either.
        if self.asked.get() || self.pause.get().is_some_and(|pause| !pause.expired()) {
            return Ok(());
        }
        self.asked.set(true);
        // The order needs the rest of the time, and must not be held up by what this question is answered.
        let within = deadline.within(deadline.remaining() / 3);
        // What is remembered may have come with a copy of another machine, or is not there: monitors run on one node.
        let me = self.own_id(within.within(OWN_ID_LIMIT)).or(self.memory.borrow().me);
        let Some(me) = me else {
            return Ok(());
        };
        let target = format!("/{}/{me}/actions{}", self.words.machines, self.words.running_query);
        let actions = match self.api.get::<Actions>(&target, within).map_err(Error::from) {
            Ok(Actions { actions }) => actions,
            // What cannot be asked must not save the other one.
            Err(error) => {
                journal::warn(&format!("cannot ask whether this node is being switched off: {error}"));
                return Ok(());
            }
        };
        let ours = |action: &&Action| {
            action.status == self.words.dialect.running && self.words.deadly.contains(&action.kind.as_str())
        };
        if let Some(action) = actions.iter().find(ours) {
            return Err(Error::State(format!(
                "this node (machine {me}) is being switched off itself: action {} ({}); it does not shoot back",
                action.id, action.kind
            )));
        }
        Ok(())
    }

    /// An order that ended badly says why nothing happens.
    fn look_at_order(&self, plug: &str, id: u64, deadline: Deadline) -> Result<()> {
        let Some(action) = self.orders.borrow().get(&id).cloned() else {
            return Ok(());
        };
        match self.ask(|| self.api.progress(&action, deadline)) {
            Err(Error::State(got)) => {
                self.orders.borrow_mut().remove(&id);
                *self.failed.borrow_mut() = Some(plug.to_owned());
                Err(Error::Unexpected {
                    from: self.words.dialect.name.to_owned(),
                    got,
                })
            }
            // Not known yet, or done: the state will follow.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Asks for the API's addresses before anything else: those that are kept may lead nowhere.
    fn refresh(&self, deadline: Deadline) {
        if let Ok(addresses) = self.api.addresses(deadline.within(deadline.remaining() / 2)) {
            self.memory.borrow_mut().keep(addresses.clone());
            self.api.know(addresses);
            self.store();
        }
    }

    fn store(&self) {
        if let Err(error) = self.memory.borrow_mut().store() {
            journal::warn(&format!(
                "what fencing needs without a name server is not kept: {error}"
            ));
        }
    }

    fn own_id(&self, deadline: Deadline) -> Option<u64> {
        let request = Request::new(Method::Get, self.words.own_id);
        let response = self.metadata.send(&request, deadline.within(METADATA_LIMIT)).ok()?;
        let text = String::from_utf8(response.body).ok()?;
        text.trim().parse().ok().filter(|_| response.status == 200)
    }
}

impl Power for Cloud {
    fn describe(&self, deadline: Deadline) -> Result<String> {
        let me = match self.own_id(deadline) {
            Some(me) => format!("this node is machine {me} there"),
            None => "this node is not one of its machines".to_owned(),
        };
        Ok(format!("{}, {me}", self.words.dialect.name))
    }

    fn status(&self, plug: &str, deadline: Deadline) -> Result<State> {
        let machine = self.machine(plug, deadline)?;
        let state = self.words.meaning(&machine.status).ok_or_else(|| Error::Unexpected {
            from: format!("{} about {plug}", self.words.dialect.name),
            got: format!("status \"{}\", a word without a known meaning", machine.status),
        })?;
        if state == State::Off && !machine.locked {
            return Ok(State::Off);
        }
        self.look_at_order(plug, machine.id, deadline)?;
        match state {
            State::On => Ok(State::On),
            // Something is still being done to it, which may be switching it on.
            State::Off => Err(Error::Unexpected {
                from: format!("{} about {plug}", self.words.dialect.name),
                got: "off, but an order for it is still being carried out".to_owned(),
            }),
        }
    }

    fn gave_up(&self, plug: &str) -> bool {
        self.failed.borrow_mut().take_if(|failed| failed == plug).is_some()
    }

    fn off(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.permits(deadline)?;
        self.switch(plug, &self.words.off, deadline)
    }

    fn permits(&self, deadline: Deadline) -> Result<()> {
        self.check_that_we_are_not_fenced(deadline)
    }

    fn on(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.switch(plug, &self.words.on, deadline)
    }

    fn list(&self, deadline: Deadline) -> Result<Vec<Listed>> {
        self.refresh(deadline);
        let mut machines: Vec<Machine> = Vec::new();
        for page in 1..=MOST_PAGES {
            let many: Many = self.get(&format!("/{}?page={page}&per_page=50", self.words.machines), deadline)?;
            machines.extend(many.machines);
            if !words::has_more(&many.links, &many.meta) {
                break;
            }
        }
        let names: Vec<(&str, u64)> = machines
            .iter()
            .map(|machine| (machine.name.as_str(), machine.id))
            .collect();
        *self.confusions.borrow_mut() = memory::confusions(&names);
        self.memory.borrow_mut().learn(&names);
        if let Some(me) = self.own_id(deadline) {
            self.memory.borrow_mut().me = Some(me);
        }
        self.store();
        let listed = machines.iter().map(|machine| Listed {
            plug: machine.id.to_string(),
            alias: machine.name.clone(),
            state: self.words.meaning(&machine.status),
        });
        Ok(listed.collect())
    }

    fn risks(&self) -> Vec<String> {
        self.confusions.borrow().clone()
    }

    fn warnings(&self, plug: &str, deadline: Deadline) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        if self.machine(plug, deadline)?.locked {
            warnings.push(format!(
                "an order for {plug} is being carried out: until it ends, {} takes no other; backups and resizes hold up \
                 a fencing",
                self.words.dialect.name
            ));
        }
        if self.api.is_scarce() {
            warnings.push(
                "less than a tenth of the requests are left that the cloud allows: who else uses this token?"
                    .to_owned(),
            );
        }
        Ok(warnings)
    }

    fn pace(&self) -> (Duration, Duration) {
        PACE
    }
}

fn state_directory(values: &Values) -> PathBuf {
    values.path("state_dir").unwrap_or_default()
}
