//! ocf:baton:floating-ip: the address that clients use, on the local network.
//!
//! Talks to the kernel itself (netlink, packet sockets), starts no other program, keeps no state but the address: what
//! is on the links is the truth, and a tag in the kernel (IFA_PROTO) tells our own addresses from others.

mod announce;
mod config;
mod decide;
mod netlink;
mod remove;
mod route;
mod state;
mod tail;

use std::net::IpAddr;
use std::process::ExitCode;

use crate::error::{During, Error, Result};
use crate::ocf::env::{Context, Env};
use crate::ocf::params::Strictness;
use crate::ocf::{self, Action, Agent, OcfCode, Outcome, log};
use announce::Announcer;
use config::Config;
use decide::{Nic, Place, Placement, Starting, Verdict, Wanted, Why};
use netlink::Netlink;
use state::{Address, Link};

pub(crate) const AGENT: Agent = Agent {
    name: "floating-ip",
    metadata: include_str!("../../ocf-metadata/floating-ip.xml"),
    params: config::PARAMS,
    actions: &[
        Action::Start,
        Action::Stop,
        Action::Monitor,
        Action::ValidateAll,
        Action::ReloadAgent,
        Action::MetaData,
    ],
    run,
};

/// Runs the agent, or the announcer that an earlier start left behind.
pub(crate) fn main(arguments: &[String]) -> ExitCode {
    match arguments.split_first() {
        Some((word, rest)) if word == tail::WORD => {
            log::open(&Env::from_process(), AGENT.name);
            match tail::main(rest) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    log::warning(&format!("announcing ended early: {error}"));
                    ExitCode::FAILURE
                }
            }
        }
        Some(_) | None => ocf::serve(&AGENT, arguments),
    }
}

fn run(action: Action, context: &Context) -> Result<Outcome> {
    match action {
        Action::Start => start(context),
        Action::Stop => stop(context),
        Action::Monitor => monitor(context),
        Action::ValidateAll => validate(context),
        // Reloadable parameters are read by each action anew: nothing runs that would have to be told.
        Action::ReloadAgent => Config::from(context.parameters(Strictness::RefuseAll)).map(|_| Outcome::SUCCESS),
        Action::Promote | Action::Demote | Action::Notify | Action::MetaData => Ok(Outcome::because(
            OcfCode::ErrUnimplemented,
            format!("an address has no action {}", action.name()),
        )),
    }
}

/// Brings the address here and tells the neighbours, whatever was here before.
fn start(context: &Context) -> Result<Outcome> {
    let config = Config::from(context.parameters(Strictness::RefuseAll))?;
    let mut netlink = Netlink::open()?;
    let wanted = wanted(&config, &mut netlink)?;
    let copies = route::copies(&mut netlink, wanted.ip)?;
    let place = match placement(&wanted, &copies, &mut netlink)? {
        Placement::At(place) => place,
        Placement::Nowhere(why) => return Ok(refused(&explain(&why, &config, &mut netlink))),
    };
    let link = route::link(&mut netlink, place.link)?
        .ok_or_else(|| Error::State(format!("interface {} has just vanished", place.link)))?;
    let add = match decide::start(&wanted, &copies, place, &link) {
        Starting::Refuse(why) => return Ok(refused(&explain(&why, &config, &mut netlink))),
        Starting::Announce => false,
        Starting::Add => true,
    };
    tail::cancel(wanted.ip, context.deadline)?;
    let announcer = match bring_up(context, &config, &mut netlink, &link, place, add) {
        Ok(announcer) => announcer,
        Err(error) => {
            if add {
                roll_back(context, &mut netlink, wanted.ip, place);
            }
            return Err(error);
        }
    };
    if let Some(announcer) = announcer {
        // The neighbours were told; repeating it is for those that missed it.
        tail::launch(announcer, &config.repeats)
            .inspect_err(|error| log::warning(&format!("the announcement is not repeated: {error}")))
            .ok();
    }
    Ok(Outcome::SUCCESS)
}

fn refused(why: &str) -> Outcome {
    Outcome::because(OcfCode::ErrGeneric, format!("start refused: {why}"))
}

/// Half a start must leave nothing behind: the address may soon be started elsewhere.
fn roll_back(context: &Context, netlink: &mut Netlink, ip: IpAddr, place: Place) {
    remove::remove(netlink, ip, |copy| place.holds(copy), context.deadline)
        .inspect_err(|error| log::error(&format!("rolling back: {error}")))
        .ok();
}

/// Adds, announces, removes misplaced copies, and looks again. Returns what announced, if the link can.
fn bring_up(
    context: &Context,
    config: &Config,
    netlink: &mut Netlink,
    link: &Link,
    place: Place,
    add: bool,
) -> Result<Option<Announcer>> {
    let announcer = match link.ethernet {
        Some(hardware) => Some(Announcer::open(config.ip, link.index, hardware)?),
        None => {
            log::info(&format!("interface {} speaks no ARP: nothing to announce", link.name));
            None
        }
    };
    if add {
        let new = route::New {
            ip: config.ip,
            prefix: place.prefix,
            link,
            broadcast: config.broadcast(place.prefix),
            label: config.label(&link.name)?,
        };
        route::add(netlink, &new)?;
    }
    if let Some(announcer) = &announcer {
        announcer.announce(context.deadline)?;
    }
    let misplaced = |copy: &Address| !place.holds(copy);
    remove::remove(netlink, config.ip.into(), misplaced, context.deadline).during("removing misplaced copies")?;
    match route::copies(netlink, config.ip.into())?.as_slice() {
        [only] if place.holds(only) => Ok(announcer),
        other => Err(Error::State(format!(
            "{}/{} should now be on {} and nowhere else, but the kernel lists {} copies: something else manages it too",
            config.ip,
            place.prefix,
            link.name,
            other.len()
        ))),
    }
}

/// Takes the address away, in whatever form it is here, and proves it. Needs no parameter but `ip`.
fn stop(context: &Context) -> Result<Outcome> {
    let ip = match config::address(context.parameters(Strictness::RefuseAll)) {
        Ok(ip) => ip,
        Err(error) => {
            // Start refuses such a text, and no link can carry it.
            log::warning(&format!("nothing to stop: {error}"));
            return Ok(Outcome::SUCCESS);
        }
    };
    let cancelled = tail::cancel(ip, context.deadline);
    let mut netlink = Netlink::open()?;
    remove::remove(&mut netlink, ip, |_| true, context.deadline)?;
    cancelled?;
    Ok(Outcome::SUCCESS)
}

/// Reports where the address is. Changes nothing.
fn monitor(context: &Context) -> Result<Outcome> {
    let ip = match config::address(context.parameters(Strictness::RefuseAll)) {
        Ok(ip) => ip,
        Err(error) => return Ok(Outcome::because(OcfCode::NotRunning, error.to_string())),
    };
    let mut netlink = Netlink::open()?;
    let copies = route::copies(&mut netlink, ip)?;
    if copies.is_empty() {
        return Ok(Outcome::plain(OcfCode::NotRunning));
    }
    // "Configured wrongly" from a monitor would stop the resource on all nodes, without regard to a threshold.
    let config = match Config::from(context.parameters(Strictness::RefuseAll)) {
        Ok(config) => config,
        Err(error) => {
            return Ok(Outcome::because(
                OcfCode::ErrGeneric,
                format!("{ip} is present, but {error}"),
            ));
        }
    };
    let wanted = wanted(&config, &mut netlink)?;
    let link = match copies.as_slice() {
        [only] => route::link(&mut netlink, only.link)?,
        _ => None,
    };
    let because = |code, why: &Why, netlink: &mut Netlink| Outcome::because(code, explain(why, &config, netlink));
    Ok(match decide::monitor(&wanted, &copies, link.as_ref(), context.probe) {
        Verdict::Absent => Outcome::plain(OcfCode::NotRunning),
        Verdict::Healthy => Outcome::SUCCESS,
        Verdict::Unreachable(why) => because(OcfCode::NotRunning, &why, &mut netlink),
        Verdict::Degraded(why) => because(OcfCode::Degraded, &why, &mut netlink),
        Verdict::Wrong(why) => because(OcfCode::ErrGeneric, &why, &mut netlink),
    })
}

/// Level 0 looks at the parameters only; level 10 also asks whether this node could start the address.
fn validate(context: &Context) -> Result<Outcome> {
    let config = Config::from(context.parameters(Strictness::RefuseAll))?;
    if context.check_level < 10 {
        return Ok(Outcome::SUCCESS);
    }
    let mut netlink = Netlink::open()?;
    let wanted = wanted(&config, &mut netlink)?;
    let copies = route::copies(&mut netlink, wanted.ip)?;
    match placement(&wanted, &copies, &mut netlink)? {
        Placement::At(place) => {
            if let Some(link) = route::link(&mut netlink, place.link)? {
                config.label(&link.name)?;
            }
            Ok(Outcome::SUCCESS)
        }
        Placement::Nowhere(why) => Ok(Outcome::because(
            OcfCode::ErrGeneric,
            explain(&why, &config, &mut netlink),
        )),
    }
}

fn wanted(config: &Config, netlink: &mut Netlink) -> Result<Wanted> {
    let nic = match &config.nic {
        None => Nic::Any,
        Some(name) => route::link_named(netlink, name)?.map_or(Nic::Missing, |link| Nic::Link(link.index)),
    };
    Ok(Wanted {
        ip: IpAddr::V4(config.ip),
        nic,
        prefix: config.prefix,
        check_link: config.check_link,
    })
}

fn placement(wanted: &Wanted, copies: &[Address], netlink: &mut Netlink) -> Result<Placement> {
    match decide::known_place(wanted, copies) {
        Some(place) => Ok(Placement::At(place)),
        None => Ok(decide::place_by_network(wanted, &route::networks(netlink)?)),
    }
}

fn explain(why: &Why, config: &Config, netlink: &mut Netlink) -> String {
    let mut name = |index| match route::link(netlink, index) {
        Ok(Some(link)) => link.name,
        Ok(None) | Err(_) => format!("interface {index}"),
    };
    why.text(config.ip.into(), config.nic.as_deref().unwrap_or("(none)"), &mut name)
}

#[cfg(test)]
mod tests {
    use crate::ocf::metadata;

    #[test]
    fn the_documentation_agrees_with_the_tables() {
        assert_eq!(metadata::disagreements(&super::AGENT), Vec::<String>::new());
    }
}
