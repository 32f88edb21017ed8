//! Brings an address to this machine: asks who has it, orders it here if need be, waits until it is here.
//!
//! An accepted order stands, whatever is heard of it: from then on only the deadline ends the wait for the address.

use std::net::IpAddr;
use std::time::Duration;

use super::{Cloud, Owner, Settings, api, me};
use crate::cloud::{Action, Answer, Api, Failure};
use crate::error::{Error, Result};
use crate::ocf::log;
use crate::sys::deadline::Deadline;

pub(crate) fn bring(cloud: &dyn Cloud, settings: &Settings, ip: IpAddr, deadline: Deadline) -> Result<()> {
    let api = api(cloud, settings)?;
    let me = me(cloud, settings, &api, deadline)?;
    let mut bringing = Bringing {
        cloud,
        api: &api,
        me,
        ip,
        accepted: None,
        trouble: None,
    };
    let waiting_for = format!("the assignment of {ip} to machine {me}");
    let brought = api.patiently(&waiting_for, deadline, |exchange| bringing.look(exchange));
    match bringing.trouble {
        Some(trouble) => brought.map_err(|error| Error::State(format!("{trouble}; then: {error}"))),
        None => brought,
    }
}

struct Bringing<'a> {
    cloud: &'a dyn Cloud,
    api: &'a Api,
    me: u64,
    ip: IpAddr,
    /// The order that was accepted, until it is known to have failed.
    accepted: Option<Action>,
    /// What an order that failed had to say.
    trouble: Option<String>,
}

impl Bringing<'_> {
    fn look(&mut self, exchange: Deadline) -> Answer<Option<()>> {
        match self.accepted.clone() {
            None => self.order(exchange),
            Some(action) => self.follow(action, exchange),
        }
    }

    fn order(&mut self, exchange: Deadline) -> Answer<Option<()>> {
        let mine = match self.cloud.owner(self.api, exchange) {
            Ok(Owner::Machine(owner)) => owner == self.me,
            Ok(Owner::Nobody) => false,
            Ok(Owner::Moving) => return Ok(None),
            Err(Failure::Missing(error)) => return Err(Failure::Final(self.unknown(&error))),
            Err(failure) => return Err(failure),
        };
        // Another node's order that was accepted before this start would take the address away again.
        if mine {
            match self.cloud.moving(self.api, exchange) {
                Ok(Some(true)) => return Ok(None),
                Ok(Some(false)) => return Ok(Some(())),
                Err(Failure::Later(wait, error)) => return Err(Failure::Later(wait, error)),
                // Nobody can say: an order of our own comes after all others.
                Ok(None) | Err(Failure::Missing(_) | Failure::Final(_)) => {}
            }
        }
        // An order without an answer may have been taken: who has the address is asked again before it is repeated.
        match self.cloud.assign(self.api, self.me, exchange) {
            Ok(action) => self.follow(action, exchange),
            Err(Failure::Missing(error) | Failure::Final(error)) if mine => {
                log::warning(&format!("{} is here already, and not ordered again: {error}", self.ip));
                Ok(Some(()))
            }
            Err(failure) => Err(failure),
        }
    }

    fn follow(&mut self, mut action: Action, exchange: Deadline) -> Answer<Option<()>> {
        let progress = self.api.progress(&action, exchange);
        if let Ok(Some(())) = progress {
            self.cloud.dialect().done.clone_into(&mut action.status);
        }
        self.accepted = Some(action);
        match progress {
            Ok(None) => Ok(None),
            Err(Failure::Later(wait, error)) => Err(Failure::Later(wait, error)),
            // The order itself failed: the next look gives it again.
            Err(Failure::Final(Error::State(text))) => {
                log::warning(&text);
                self.accepted = None;
                self.trouble = Some(text.clone());
                Err(Failure::Later(Duration::ZERO, Error::State(text)))
            }
            // A token that may not read orders: whose the address is tells as well.
            Ok(Some(())) | Err(Failure::Missing(_) | Failure::Final(_)) => self.here(exchange),
        }
    }

    fn here(&self, exchange: Deadline) -> Answer<Option<()>> {
        let here = match self.cloud.witness(exchange) {
            // The metadata service is right about this, and not always there.
            Ok(Some(true)) => true,
            Ok(_) | Err(_) => {
                let owner = self.cloud.owner(self.api, exchange).map_err(|failure| match failure {
                    Failure::Later(wait, error) => Failure::Later(wait, error),
                    Failure::Missing(error) | Failure::Final(error) => Failure::Later(Duration::ZERO, error),
                })?;
                owner == Owner::Machine(self.me)
            }
        };
        Ok(here.then_some(()))
    }

    fn unknown(&self, error: &Error) -> Error {
        Error::State(format!(
            "{} knows no such address: {error}; check that {} belongs to the account (project) of the token",
            self.cloud.dialect().name,
            self.ip
        ))
    }
}
