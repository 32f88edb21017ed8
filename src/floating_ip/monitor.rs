//! Reports where the address is. Sends nothing unless `arp_count_refresh` or the check level asks for it.

use std::net::IpAddr;

use super::addresses;
use super::announce::{Announcer, Listener};
use super::config::Config;
use super::decide::{self, Verdict, Why};
use super::state::{Address, Link};
use super::{frame, observe, route, tail};
use crate::error::Result;
use crate::ocf::env::Context;
use crate::ocf::{OcfCode, Outcome};
use crate::sys::netlink::Netlink;

/// From this check level on, the network is asked, too.
pub(super) const DEEP: u32 = 10;

/// The copies of the address here; none is the answer of most probes, and needs no other parameter.
pub(super) fn copies(ip: IpAddr) -> Result<Vec<Address>> {
    addresses::copies(&mut Netlink::open()?, ip)
}

pub(super) fn monitor(context: &Context, config: &Config, copies: &[Address]) -> Result<Outcome> {
    let mut netlink = Netlink::open()?;
    let wanted = observe::wanted(config, copies, &mut netlink)?;
    let link = match copies {
        [only] => route::link(&mut netlink, only.link)?,
        _ => None,
    };
    let because = |code, why: &Why, netlink: &mut Netlink| {
        let text = observe::explain(why, config.ip, config.nic.as_deref(), netlink);
        Outcome::because(code, text)
    };
    Ok(match decide::monitor(&wanted, copies, link.as_ref(), context.probe) {
        Verdict::Absent => Outcome::plain(OcfCode::NotRunning),
        Verdict::Healthy if context.probe || config.silent => Outcome::SUCCESS,
        Verdict::Healthy => announced(context, config, &mut netlink, link.as_ref()),
        Verdict::Unreachable(why) => because(OcfCode::NotRunning, &why, &mut netlink),
        Verdict::Degraded(why) => because(OcfCode::Degraded, &why, &mut netlink),
        Verdict::Wrong(why) => because(OcfCode::ErrGeneric, &why, &mut netlink),
    })
}

/// Whether everybody knows that the address is here, and nobody else has it. A duplicate elsewhere is not cured by a
/// recovery, and the address serves: degraded. So is a failure of this very check.
fn announced(context: &Context, config: &Config, netlink: &mut Netlink, link: Option<&Link>) -> Outcome {
    let Some(link) = link else { return Outcome::SUCCESS };
    let trouble = refresh(context, config, netlink, link)
        .and_then(|()| rival(context, config, netlink, link))
        .and_then(|rival| match rival {
            Some(text) => Ok(Some(text)),
            None => Ok(tail::trouble(config.ip, config.refresh > 0)?
                .map(|text| format!("{text}; the next start announces it again"))),
        })
        .unwrap_or_else(|error| Some(error.to_string()));
    match trouble {
        None => Outcome::SUCCESS,
        Some(text) => Outcome::because(OcfCode::Degraded, format!("{} is here, but {text}", config.ip)),
    }
}

fn refresh(context: &Context, config: &Config, netlink: &mut Netlink, link: &Link) -> Result<()> {
    if config.refresh == 0 {
        return Ok(());
    }
    let Some(announcer) = Announcer::open(netlink, config.ip, link, &config.directed)? else {
        return Ok(());
    };
    (0..config.refresh).try_for_each(|_| announcer.announce(context.deadline))
}

/// Who else has the address, if the check level asks for that.
fn rival(context: &Context, config: &Config, netlink: &mut Netlink, link: &Link) -> Result<Option<String>> {
    if context.check_level < DEEP {
        return Ok(None);
    }
    let Some(listener) = Listener::open(netlink, config.ip, link)? else {
        return Ok(None);
    };
    Ok(listener.ask(context.deadline)?.map(|other| {
        format!(
            "also on another host with hardware address {}: find that host and take it away there",
            frame::written(other)
        )
    }))
}
