//! The actions for an address that a cloud routes: the machine's own part of it, and the cloud's.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::config::{Config, Reset};
use super::monitor::{self, DEEP};
use super::provider::{self, Cloud, Guest, Settings};
use super::state::Address;
use super::{connections, observe, route, stop};
use crate::error::{Error, Result};
use crate::ocf::env::Context;
use crate::ocf::{OcfCode, Outcome, log};
use crate::sys::files;
use crate::sys::netlink::Netlink;

/// The parameters of the machine's part: where the address goes there, told to nobody.
fn on_this_machine(config: &Config, guest: Guest) -> Result<Config> {
    let whole = if config.ip.is_ipv4() { 32 } else { 128 };
    let mut local = config.clone();
    local.prefix = config.prefix.or(Some(whole));
    local.nodad = true;
    local.silent = true;
    let interface = match guest {
        Guest::Loopback => Some("lo".to_owned()),
        Guest::Nowhere => None,
        Guest::Interface if config.nic.is_some() => None,
        Guest::Interface => default_interface(config.ip)?,
    };
    local.nic = config.nic.clone().or(interface);
    Ok(local)
}

fn default_interface(ip: IpAddr) -> Result<Option<String>> {
    let mut netlink = Netlink::open()?;
    let Some(index) = route::default_link(&mut netlink, ip)? else {
        return Ok(None);
    };
    Ok(route::link(&mut netlink, index)?.map(|link| link.name))
}

pub(super) fn start(context: &Context, config: &Config, cloud: &dyn Cloud, settings: &Settings) -> Result<Outcome> {
    match cloud.guest() {
        Guest::Nowhere => mark(config.ip)?,
        guest => {
            let outcome = super::start::start(context, &on_this_machine(config, guest)?)?;
            if outcome.code != OcfCode::Success {
                return Ok(outcome);
            }
        }
    }
    let brought = provider::bring(cloud, settings, config.ip, context.deadline);
    if brought.is_err() {
        stop::stop(context, config.ip, Reset::No)
            .and_then(|()| unmark(config.ip))
            .inspect_err(|error| log::error(&format!("rolling back: {error}")))
            .ok();
    }
    brought.map(|()| Outcome::SUCCESS)
}

/// Resets connections that arrived at the machine's own address for this one.
pub(super) fn reset_at_anchor(context: &Context, config: &Config, cloud: &dyn Cloud, reset: Reset) -> Result<()> {
    if reset != Reset::No
        && marked(config.ip)?
        && let Some(anchor) = provider::anchor(cloud, context.deadline)
    {
        connections::reset(anchor, reset, context.deadline);
    }
    Ok(())
}

/// Whether the machine's part is here, which only a start makes and a stop takes away.
pub(super) fn monitor(context: &Context, config: &Config, copies: &[Address], settings: &Settings) -> Result<Outcome> {
    let unknown = |error: Error| {
        let text = format!(
            "{} was routed here at its start, but nobody can say now: {error}",
            config.ip
        );
        Outcome::because(OcfCode::Degraded, text)
    };
    let cloud = match provider::open(config) {
        Ok(Some(cloud)) => cloud,
        Ok(None) => return Ok(Outcome::plain(OcfCode::NotRunning)),
        Err(error) if context.probe => {
            log::warning(&error.to_string());
            return Ok(Outcome::SUCCESS);
        }
        Err(error) => return Ok(unknown(error)),
    };
    let local = match cloud.guest() {
        Guest::Nowhere if marked(config.ip)? => Outcome::SUCCESS,
        Guest::Nowhere => Outcome::plain(OcfCode::NotRunning),
        guest => monitor::monitor(context, &on_this_machine(config, guest)?, copies)?,
    };
    if local.code != OcfCode::Success || context.probe {
        return Ok(local);
    }
    let cloud = cloud.as_ref();
    let name = cloud.dialect().name;
    let elsewhere = || Outcome::because(OcfCode::NotRunning, format!("{name} does not route {} here", config.ip));
    match cloud.witness(context.deadline).map_err(Error::from) {
        Ok(Some(false)) => return Ok(elsewhere()),
        Ok(Some(true) | None) => {}
        Err(error) => return Ok(unknown(error)),
    }
    if context.check_level < DEEP {
        return Ok(Outcome::SUCCESS);
    }
    Ok(match provider::owned(cloud, settings, context.deadline) {
        Ok(true) => Outcome::SUCCESS,
        Ok(false) => elsewhere(),
        Err(error) => unknown(error),
    })
}

/// The trace of a start where the machine's network shows none.
fn marker(ip: IpAddr) -> Result<PathBuf> {
    observe::run_file("routed", ip)
}

fn mark(ip: IpAddr) -> Result<()> {
    files::private_directory(Path::new(files::RUN_DIRECTORY))?;
    files::replace(&marker(ip)?, b"")
}

pub(super) fn unmark(ip: IpAddr) -> Result<()> {
    // On a read-only file system even the removal of what is not there is refused.
    if !marked(ip)? {
        return Ok(());
    }
    files::remove(&marker(ip)?)
}

pub(super) fn marked(ip: IpAddr) -> Result<bool> {
    files::read(&marker(ip)?).map(|found| found.is_some())
}
