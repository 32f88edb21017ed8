//! Brings the address to a link of this node and tells the neighbours, whatever was here before.

use std::net::IpAddr;
use std::time::Duration;

use super::addresses::{self, New};
use super::announce::{Announcer, Listener};
use super::config::Config;
use super::decide::{self, Place, Placement, Settling, Starting};
use super::events::{Events, Optimism};
use super::state::{Address, Link};
use super::{frame, observe, remove, route, tail};
use crate::error::{During, Error, Result};
use crate::ocf::env::Context;
use crate::ocf::{OcfCode, Outcome, log};
use crate::sys::netlink::Netlink;

/// How often an address is tried that somebody else answers for: the last owner may be just leaving.
const ATTEMPTS: usize = 3;
/// How long the kernel's question for another owner may stay unanswered before an optimistic address is announced.
const DOUBT: Duration = Duration::from_millis(200);
/// Between two attempts, for the last owner to leave.
const BREATHER: Duration = Duration::from_millis(500);

pub(super) fn start(context: &Context, config: &Config) -> Result<Outcome> {
    let mut netlink = Netlink::open()?;
    let copies = addresses::copies(&mut netlink, config.ip)?;
    let wanted = observe::wanted(config, &copies, &mut netlink)?;
    let refused = |why, netlink: &mut Netlink| {
        let text = observe::explain(&why, config.ip, config.nic.as_deref(), netlink);
        Ok(Outcome::because(OcfCode::ErrGeneric, format!("start refused: {text}")))
    };
    let place = match observe::placement(&wanted, &copies, &mut netlink)? {
        Placement::At(place) => place,
        Placement::Nowhere(why) => return refused(why, &mut netlink),
    };
    let link = route::link(&mut netlink, place.link)?
        .ok_or_else(|| Error::State(format!("interface {} has just vanished", place.link)))?;
    let starting = match decide::start(&wanted, &copies, place, &link) {
        Starting::Refuse(why) => return refused(why, &mut netlink),
        starting => starting,
    };
    let mut bringing = Bringing {
        context,
        config,
        netlink,
        link,
        place,
    };
    tail::cancel(config.ip, context.deadline)?;
    match bringing.up(&starting) {
        Ok(None) => {}
        Ok(Some(announcer)) => bringing.go_on(announcer),
        Err(error) => {
            // Half a start must leave nothing behind: the address may soon be started elsewhere.
            if starting != Starting::Announce {
                bringing.roll_back();
            }
            return Err(error);
        }
    }
    Ok(Outcome::SUCCESS)
}

struct Bringing<'a> {
    context: &'a Context,
    config: &'a Config,
    netlink: Netlink,
    link: Link,
    place: Place,
}

impl Bringing<'_> {
    /// Adds, announces, removes misplaced copies, and looks again. Returns what announced, if the link can.
    fn up(&mut self, starting: &Starting) -> Result<Option<Announcer>> {
        let (ip, place, deadline) = (self.config.ip, self.place, self.context.deadline);
        let announcer = if self.config.silent {
            None
        } else {
            Announcer::open(&mut self.netlink, ip, &self.link, &self.config.directed)?
        };
        if self.link.infiniband && !self.config.silent {
            return Err(Error::State(format!(
                "interface {} is InfiniBand, where baton cannot announce an address: name another interface (nic), or use \
                 ocf:heartbeat:IPaddr2 there",
                self.link.name
            )));
        }
        if announcer.is_none() && !self.config.silent {
            log::info(&format!(
                "interface {} has no neighbours: nothing to announce",
                self.link.name
            ));
        }
        if *starting != Starting::Announce {
            if self.config.probe {
                self.refuse_a_conflict()?;
            }
            self.add(starting)?;
        }
        if let Some(announcer) = &announcer {
            announcer.announce(deadline)?;
        }
        let misplaced = |copy: &Address| !place.holds(copy);
        remove::remove(&mut self.netlink, ip, misplaced, deadline).during("removing misplaced copies")?;
        match addresses::copies(&mut self.netlink, ip)?.as_slice() {
            [only] if place.holds(only) => Ok(announcer),
            other => Err(Error::State(format!(
                "{ip}/{} should now be on {} and nowhere else, but the kernel lists {} copies: something else manages \
                 it too",
                place.prefix,
                self.link.name,
                other.len()
            ))),
        }
    }

    fn refuse_a_conflict(&mut self) -> Result<()> {
        let Some(listener) = Listener::open(&mut self.netlink, self.config.ip, &self.link)? else {
            return Ok(());
        };
        match listener.ask(self.context.deadline)? {
            None => Ok(()),
            Some(other) => Err(Error::State(format!(
                "{} is in use: a host on the network of {} with hardware address {} answers for it; find it and take the \
                 address away there",
                self.config.ip,
                self.link.name,
                frame::written(other)
            ))),
        }
    }

    /// Adds the address; for IPv6, waits until the kernel uses it. One that is there unsettled is waited for first.
    fn add(&mut self, starting: &Starting) -> Result<()> {
        let new = New {
            ip: self.config.ip,
            prefix: self.place.prefix,
            link: &self.link,
            broadcast: self.config.broadcast(self.place.prefix),
            label: self.config.label(&self.link.name)?,
            noprefixroute: self.config.noprefixroute,
            nodad: self.config.nodad || self.link.ethernet.is_none(),
            preferred: self.config.preferred,
        };
        let (ip, place, deadline) = (self.config.ip, self.place, self.context.deadline);
        let here = |copy: &Address| place.holds(copy);
        if *starting == Starting::Renew || new.nodad {
            remove::remove(&mut self.netlink, ip, here, deadline)?;
        }
        if ip.is_ipv6() {
            // The kernel refuses a second copy on one link, whatever its prefix.
            let in_the_way = |copy: &Address| copy.link == place.link && !here(copy);
            remove::remove(&mut self.netlink, ip, in_the_way, deadline)?;
        }
        if ip.is_ipv4() || new.nodad {
            return addresses::add(&mut self.netlink, &new);
        }
        let events = Events::open()?;
        let _optimism = Optimism::switch_on(&self.link.name);
        for attempt in 1.. {
            if *starting != Starting::Settle || attempt > 1 {
                addresses::add(&mut self.netlink, &new)?;
            }
            if settled(&mut self.netlink, &events, self.context, ip, place)? {
                break;
            }
            remove::remove(&mut self.netlink, ip, here, deadline)?;
            if attempt == ATTEMPTS || deadline.remaining() < BREATHER {
                return Err(Error::State(format!(
                    "{ip} is in use: another host on the network of {} answers for it ({attempt} attempts); find it by its \
                     hardware address (`ip neighbour show {ip}` on a third host) and take the address away there; where \
                     the last owner is fenced before this start, set nodad=true",
                    self.link.name
                )));
            }
            deadline.pause(BREATHER);
        }
        Ok(())
    }

    /// Hands over to the announcer, or does its work at once. What went wrong is kept for monitor.
    fn go_on(&self, announcer: Announcer) {
        // Everybody was told; those to be told in person may be out of reach, and repeating is for those that missed it.
        let in_person = announcer.announce_in_person(self.context.deadline);
        let mut trouble = in_person.err().map_or(String::new(), |error| error.to_string());
        let (repeats, directed) = (&self.config.repeats, &self.config.directed);
        if self.config.background {
            match tail::launch(announcer, repeats, directed, &trouble) {
                Ok(()) => return log_trouble(&trouble),
                Err(error) => trouble = format!("the announcement is not repeated: {error}"),
            }
        } else {
            let time = self.context.deadline.remaining();
            let began = self.context.deadline.within(time);
            for at in repeats.iter().take_while(|at| **at < time) {
                began.pause(at.saturating_sub(began.age()));
                let again = announcer.announce(self.context.deadline);
                trouble = again.err().map_or(String::new(), |error| error.to_string());
            }
        }
        log_trouble(&trouble);
        if let Err(error) = tail::note(self.config.ip, &trouble) {
            log::warning(&error.to_string());
        }
    }

    fn roll_back(&mut self) {
        let place = self.place;
        let removed = remove::remove(
            &mut self.netlink,
            self.config.ip,
            |copy| place.holds(copy),
            self.context.last_moment,
        );
        removed
            .inspect_err(|error| log::error(&format!("rolling back: {error}")))
            .ok();
    }
}

fn log_trouble(trouble: &str) {
    if !trouble.is_empty() {
        log::warning(trouble);
    }
}

/// Whether the address may be used; false when another host answers for it. Waits for the kernel's word, not for a time,
/// unless the kernel lets it be used meanwhile.
fn settled(netlink: &mut Netlink, events: &Events, context: &Context, ip: IpAddr, place: Place) -> Result<bool> {
    let doubt = context.deadline.within(DOUBT);
    loop {
        let until = match decide::settling(&addresses::copies(netlink, ip)?, |copy| place.holds(copy)) {
            Settling::Usable => return Ok(true),
            Settling::Duplicate => return Ok(false),
            Settling::Hopeful if doubt.expired() => return Ok(true),
            Settling::Hopeful => doubt,
            Settling::Waiting if context.deadline.expired() => {
                return Err(context
                    .deadline
                    .timeout(format!("the kernel's question whether {ip} is somebody else's")));
            }
            Settling::Waiting => context.deadline,
            Settling::Gone => {
                return Err(Error::State(format!(
                    "{ip} was taken away while it was started: something else manages it too"
                )));
            }
        };
        events.wait(until)?;
    }
}
