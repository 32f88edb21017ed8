//! Takes the address away, in whatever form it is here, and proves it. Needs no parameter but `ip`.

use std::net::IpAddr;

use super::config::Reset;
use super::{addresses, connections, remove, tail};
use crate::error::Result;
use crate::ocf::env::Context;
use crate::sys::netlink::Netlink;

/// Clients are told while the address is here, so that the resets leave; and once more after it, for those who came in
/// between, whom the next owner tells.
pub(super) fn stop(context: &Context, ip: IpAddr, reset: Reset) -> Result<()> {
    let cancelled = tail::cancel(ip, context.deadline);
    let mut netlink = Netlink::open()?;
    if !addresses::copies(&mut netlink, ip)?.is_empty() {
        connections::reset(ip, reset, context.deadline);
        remove::remove(&mut netlink, ip, |_| true, context.deadline)?;
        if reset == Reset::Kernel {
            connections::reset_rest(ip);
        }
    }
    cancelled
}
