//! ocf:baton:floating-ip: the address that clients use, on the local network or routed by a cloud.
//!
//! Talks to the kernel itself (netlink, packet sockets); the only program that it starts is itself, as the announcer that
//! goes on after start. What is on the links is the truth, and a tag in the kernel (IFA_PROTO) tells our own addresses from
//! others. Files under /run/baton say only what the links cannot: who announces, what a cloud routes here, and in which
//! namespace an address was started.

mod addresses;
mod announce;
mod config;
mod connections;
mod decide;
mod events;
mod frame;
mod monitor;
mod namespace;
mod observe;
mod params;
mod provider;
mod remove;
mod route;
mod routed;
mod start;
mod state;
mod stop;
mod tail;

use std::process::ExitCode;

use crate::error::{Error, Result};
use crate::ocf::env::{Context, Env};
use crate::ocf::params::Strictness;
use crate::ocf::{self, Action, Agent, OcfCode, Outcome, log};
use crate::sys::netlink::Netlink;
use config::Config;
use decide::Placement;

pub(crate) const AGENT: Agent = Agent {
    name: "floating-ip",
    metadata: include_str!("../../ocf-metadata/floating-ip.xml"),
    params: params::PARAMS,
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
        // Reloadable parameters are read by each action anew: nothing runs that would have to be told. What is wrong with
        // them, the next monitor says.
        Action::ReloadAgent => Ok(Outcome::SUCCESS),
        Action::Promote | Action::Demote | Action::Notify | Action::MetaData => Ok(Outcome::because(
            OcfCode::ErrUnimplemented,
            format!("an address has no action {}", action.name()),
        )),
    }
}

fn start(context: &Context) -> Result<Outcome> {
    let config = checked(context)?;
    let namespace = config::namespace(context.parameters(Strictness::RefuseAll))?;
    if observe::enter(namespace.as_deref())?.is_none() {
        return Err(Error::State(observe::no_namespace(namespace.as_deref())));
    }
    namespace::remember(namespace.as_deref(), config.ip);
    match (provider::open(&config)?, &config.cloud) {
        (Some(cloud), Some(settings)) => routed::start(context, &config, cloud.as_ref(), settings),
        _ => start::start(context, &config),
    }
}

fn stop(context: &Context) -> Result<Outcome> {
    let params = context.parameters(Strictness::RefuseAll);
    let (ip, namespace) = match config::address(params).and_then(|ip| Ok((ip, config::namespace(params)?))) {
        Ok(found) => found,
        Err(error) => {
            // Start refuses such a text, and no link can carry it.
            log::warning(&format!("nothing to stop: {error}"));
            return Ok(Outcome::SUCCESS);
        }
    };
    let name = namespace.as_deref();
    if observe::enter(name)?.is_none() && namespace::enter_nameless(name, ip)?.is_none() {
        log::warning(&format!(
            "nothing to stop: {}",
            observe::no_namespace(namespace.as_deref())
        ));
        return Ok(Outcome::SUCCESS);
    }
    let reset = config::reset(params);
    // Whatever is wrong with the parameters of a cloud, the machine's part goes.
    if let Ok(config) = Config::from(params) {
        provider::open(&config)
            .and_then(|cloud| {
                cloud.map_or(Ok(()), |cloud| {
                    routed::reset_at_anchor(context, &config, cloud.as_ref(), reset)
                })
            })
            .inspect_err(|error| log::warning(&error.to_string()))
            .ok();
    }
    stop::stop(context, ip, reset)?;
    routed::unmark(ip)?;
    namespace::forget(name, ip);
    Ok(Outcome::SUCCESS)
}

fn monitor(context: &Context) -> Result<Outcome> {
    let params = context.parameters(Strictness::RefuseAll);
    let (ip, namespace) = match config::address(params).and_then(|ip| Ok((ip, config::namespace(params)?))) {
        Ok(found) => found,
        Err(error) => return Ok(Outcome::because(OcfCode::NotRunning, error.to_string())),
    };
    let name = namespace.as_deref();
    if observe::enter(name)?.is_none() {
        return Ok(match namespace::enter_nameless(name, ip)? {
            Some(()) if !monitor::copies(ip)?.is_empty() => {
                let text = format!("{ip} is present, but {}", observe::no_namespace(name));
                Outcome::because(OcfCode::ErrGeneric, text)
            }
            Some(()) | None => Outcome::plain(OcfCode::NotRunning),
        });
    }
    let copies = monitor::copies(ip)?;
    if copies.is_empty() && !routed::marked(ip)? {
        return Ok(Outcome::plain(OcfCode::NotRunning));
    }
    let look = |config: &Config| match &config.cloud {
        Some(settings) => routed::monitor(context, config, &copies, settings),
        None => monitor::monitor(context, config, &copies),
    };
    // A mistyped parameter must not take away an address that serves: "configured wrongly" from a monitor would stop the
    // resource on all nodes, and a failure would lead to a start that says so.
    let wrong = match Config::from(params) {
        Ok(config) => return look(&config),
        Err(error) => error,
    };
    let (outcome, meanwhile) = match Config::from(context.parameters(Strictness::WithoutReloadable)) {
        Ok(config) => (look(&config)?, "defaults count"),
        Err(_) => (Outcome::SUCCESS, "nothing else is looked at"),
    };
    if outcome.code != OcfCode::Success || context.probe {
        return Ok(outcome);
    }
    let text = format!("{ip} is here, but {wrong}; until that is corrected, {meanwhile}");
    Ok(Outcome::because(OcfCode::Degraded, text))
}

/// Level 0 looks at the parameters only; level 10 also asks whether this node could start the address.
fn validate(context: &Context) -> Result<Outcome> {
    let config = checked(context)?;
    if let Some(cloud) = provider::open(&config)?.filter(|cloud| !cloud.has_witness()) {
        log::warning(&format!(
            "{} does not tell its machines which addresses they have: configure a second monitor with OCF_CHECK_LEVEL=10, \
             or an address that is routed elsewhere goes unnoticed",
            cloud.dialect().name
        ));
    }
    if context.check_level < monitor::DEEP {
        return Ok(Outcome::SUCCESS);
    }
    let namespace = config::namespace(context.parameters(Strictness::RefuseAll))?;
    if observe::enter(namespace.as_deref())?.is_none() {
        return Err(Error::State(observe::no_namespace(namespace.as_deref())));
    }
    if let (Some(cloud), Some(settings)) = (provider::open(&config)?, &config.cloud) {
        return provider::check(cloud.as_ref(), settings, context.deadline).map(|()| Outcome::SUCCESS);
    }
    let mut netlink = Netlink::open()?;
    let copies = addresses::copies(&mut netlink, config.ip)?;
    let wanted = observe::wanted(&config, &copies, &mut netlink)?;
    match observe::placement(&wanted, &copies, &mut netlink)? {
        Placement::At(place) => {
            if let Some(link) = route::link(&mut netlink, place.link)? {
                config.label(&link.name)?;
            }
            Ok(Outcome::SUCCESS)
        }
        Placement::Nowhere(why) => {
            let text = observe::explain(&why, config.ip, config.nic.as_deref(), &mut netlink);
            Ok(Outcome::because(OcfCode::ErrGeneric, text))
        }
    }
}

/// The parameters, and that this is one address and not several instances of one.
fn checked(context: &Context) -> Result<Config> {
    let config = Config::from(context.parameters(Strictness::RefuseAll))?;
    match context.instances {
        Some(several) if several > 1 => Err(Error::parameter(
            "clone-max",
            &several.to_string(),
            "must not be set: an address belongs to one node at a time; make it a primitive without a clone around it",
        )),
        Some(_) | None => Ok(config),
    }
}

#[cfg(test)]
mod tests {
    use crate::ocf::metadata;

    #[test]
    fn the_documentation_agrees_with_the_tables() {
        assert_eq!(metadata::disagreements(&super::AGENT), Vec::<String>::new());
    }
}
