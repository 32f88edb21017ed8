//! Management boards that speak Redfish: <https://www.dmtf.org/standards/redfish>.
//!
//! A plug is a system's id, the last part of its path. When systems_uri names the one system, the plug or the node's
//! name must be its id or its name. Several systems of one board are several plugs: the wrong one is never guessed.

mod client;
mod model;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::json;

use crate::error::{Error, Result};
use crate::fence::options::{NODE_NAME, Options};
use crate::fence::power::{Listed, Power, State};
use crate::sys::deadline::Deadline;
use crate::sys::http::Method;
use client::Board;
use model::{ActionInfo, Collection, FAILED_TASK, OFF, ON, Reset, Root, System, Task, chosen, last, local, said};

pub(crate) struct Redfish {
    board: Board,
    system: Option<String>,
    /// The node's name, as Pacemaker passes it.
    node: Option<String>,
    /// By plug: what the board still does about the last order.
    tasks: RefCell<BTreeMap<String, String>>,
    /// The plug whose task failed just now.
    failed: RefCell<Option<String>>,
}

impl Redfish {
    pub(crate) fn new(options: &Options, deadline: Deadline) -> Result<Redfish> {
        let system = options.values.text("systems_uri");
        if system.is_some() && options.plugs.len() > 1 {
            let allowed = "names one system, and there are several plugs: leave it out, or make it one device for each";
            return Err(Error::parameter("systems_uri", system.unwrap_or_default(), allowed));
        }
        Ok(Redfish {
            node: options.values.given(NODE_NAME).map(str::to_owned),
            board: Board::new(options, deadline)?,
            system: system.map(|text| client::path("systems_uri", text)).transpose()?,
            tasks: RefCell::new(BTreeMap::new()),
            failed: RefCell::new(None),
        })
    }

    fn path_of(&self, plug: &str) -> Result<String> {
        if let Some(path) = &self.system {
            return Ok(path.clone());
        }
        let fine = !plug.is_empty()
            && plug
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if !fine || plug.starts_with('.') {
            return Err(Error::parameter(
                "plug",
                plug,
                "must be a system's id, as `--action list` prints it",
            ));
        }
        Ok(format!("{}/Systems/{plug}", self.board.root))
    }

    fn system(&self, plug: &str, deadline: Deadline) -> Result<System> {
        let target = self.path_of(plug)?;
        let response = self.board.send(Method::Get, &target, None, deadline)?;
        let system: System = match response.status {
            200 => response.json(&format!("{} to GET {target}", self.board.name()))?,
            404 => {
                return Err(Error::State(format!(
                    "{} has no system {target}; that is no proof that the node is off: check plug, pcmk_host_map and \
                     systems_uri",
                    self.board.name()
                )));
            }
            _ => return Err(self.board.unexpected(Method::Get, &target, said(&response))),
        };
        if self.is_meant(plug, &target, &system) {
            return Ok(system);
        }
        Err(Error::State(format!(
            "{} has at {target} a {} with the id {} and the name {}, which is not {plug}; that is no proof that the node is \
             off: check plug, pcmk_host_map and systems_uri",
            self.board.name(),
            system
                .kind
                .trim_start_matches('#')
                .split('.')
                .next()
                .unwrap_or_default(),
            system.id,
            system.name.as_deref().unwrap_or_default()
        )))
    }

    fn is_meant(&self, plug: &str, target: &str, system: &System) -> bool {
        let mut named = std::iter::once(plug).chain(self.node.as_deref().filter(|_| self.system.is_some()));
        let named = match &self.system {
            None => system.id == plug,
            Some(_) => {
                named.any(|name| [last(target), &system.id, system.name.as_deref().unwrap_or("")].contains(&name))
            }
        };
        system.is_system() && named
    }

    /// The words that the board takes; none when it does not say, or not well.
    fn allowed(&self, reset: &Reset, deadline: Deadline) -> Option<Vec<String>> {
        let Some(info) = reset.info.as_ref().filter(|_| reset.allowed.is_none()) else {
            return reset.allowed.clone();
        };
        // The order needs the rest of the time.
        let within = deadline.within(deadline.remaining() / 3);
        let info: ActionInfo = self.board.get(&local(info), within).ok()?;
        let mut parameters = info.parameters.into_iter();
        parameters.find(|parameter| parameter.name == "ResetType")?.allowed
    }

    fn reset(&self, plug: &str, words: &[&str], deadline: Deadline) -> Result<()> {
        let reset = self.system(plug, deadline)?.actions.reset;
        let allowed = self.allowed(&reset, deadline);
        let word = chosen(words, allowed.as_deref()).map_err(|list| {
            let name = self.board.name();
            Error::State(format!(
                "{name} offers for {plug} none of {}: only {list}",
                words.join(", ")
            ))
        })?;
        let target = match reset.target.as_str() {
            "" => format!("{}/Actions/ComputerSystem.Reset", self.path_of(plug)?),
            target => local(target),
        };
        let body = json!({ "ResetType": word });
        let response = self.board.send(Method::Post, &target, Some(&body), deadline)?;
        match response.status {
            200 | 204 => {}
            202 => {
                if let Some(task) = response.header("location") {
                    self.tasks.borrow_mut().insert(plug.to_owned(), local(task));
                }
            }
            _ => return Err(self.board.unexpected(Method::Post, &target, said(&response))),
        }
        Ok(())
    }

    /// A task that failed explains why nothing happens. One that cannot be read explains nothing.
    fn look_at_task(&self, plug: &str, deadline: Deadline) -> Result<()> {
        let Some(target) = self.tasks.borrow().get(plug).cloned() else {
            return Ok(());
        };
        let Ok(task) = self.board.get::<Task>(&target, deadline) else {
            return Ok(());
        };
        if !FAILED_TASK.contains(&task.task_state.as_str()) {
            return Ok(());
        }
        self.tasks.borrow_mut().remove(plug);
        *self.failed.borrow_mut() = Some(plug.to_owned());
        let messages: Vec<String> = task.messages.into_iter().map(|message| message.message).collect();
        let got = format!("task {target} ended with {}: {}", task.task_state, messages.join("; "));
        Err(self.board.unexpected(Method::Get, &target, got))
    }
}

impl Power for Redfish {
    fn describe(&self, deadline: Deadline) -> Result<String> {
        let root: Root = self.board.get(&format!("{}/", self.board.root), deadline)?;
        let make = [root.vendor, root.product]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ");
        Ok(
            format!("{} speaks Redfish {} {make}", self.board.name(), root.redfish_version)
                .trim_end()
                .to_owned(),
        )
    }

    fn status(&self, plug: &str, deadline: Deadline) -> Result<State> {
        let system = self.system(plug, deadline)?;
        let state = system.state();
        if state != Some(State::Off) {
            self.look_at_task(plug, deadline)?;
        }
        state.ok_or_else(|| {
            let got = format!("PowerState \"{}\", a word without a known meaning", system.word());
            self.board
                .unexpected(Method::Get, &self.path_of(plug).unwrap_or_default(), got)
        })
    }

    fn gave_up(&self, plug: &str) -> bool {
        self.failed.borrow_mut().take_if(|failed| failed == plug).is_some()
    }

    fn off(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.reset(plug, &OFF, deadline)
    }

    fn on(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.reset(plug, &ON, deadline)
    }

    fn list(&self, deadline: Deadline) -> Result<Vec<Listed>> {
        let collection: Collection = self.board.get(&format!("{}/Systems", self.board.root), deadline)?;
        let listed = collection.members.iter().map(|member| {
            let path = local(&member.path);
            let system: Result<System> = self.board.get(&path, deadline);
            Listed {
                plug: last(&path).to_owned(),
                alias: String::new(),
                state: system.ok().filter(System::is_system).and_then(|system| system.state()),
            }
        });
        Ok(listed.collect())
    }

    fn warnings(&self, plug: &str, deadline: Deadline) -> Result<Vec<String>> {
        let reset = self.system(plug, deadline)?.actions.reset;
        let allowed = self.allowed(&reset, deadline);
        let mut warnings = Vec::new();
        if let Err(list) = chosen(&OFF, allowed.as_deref()) {
            warnings.push(format!("system {plug} cannot be switched off: it offers only {list}"));
        }
        Ok(warnings)
    }

    fn risks(&self) -> Vec<String> {
        self.board.risks.clone()
    }

    /// Boards have room for a few sessions only, and keep one for half an hour.
    fn close(&self, deadline: Deadline) {
        self.board.log_out(deadline);
    }
}
