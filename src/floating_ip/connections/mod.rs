//! Resets the TCP connections to an address, so that clients of a node that gives it up fail at once instead of waiting for
//! an answer that cannot come. Listening sockets are never touched.
//!
//! The kernel does it, or where it cannot, packets as it would send them; see [`sockets`] and [`packets`].

mod packets;

use std::net::IpAddr;

use super::config::Reset;
use crate::error::{Error, Result};
use crate::ocf::log;
use crate::sys::deadline::Deadline;
use crate::sys::sockets;

/// Resets every connection of the address; a failure is a warning, for it must not keep the address from leaving.
pub(crate) fn reset(ip: IpAddr, how: Reset, deadline: Deadline) {
    let done = match how {
        Reset::No => return,
        Reset::Kernel => by_kernel(ip, deadline),
        Reset::Packets => by_packets(ip, deadline),
    };
    match done {
        Ok(0) => {}
        Ok(count) => log::info(&format!("{count} connections to {ip} were reset")),
        Err(error) => log::warning(&format!(
            "clients of {ip} wait until they talk to its next node, which resets their connections: {error}"
        )),
    }
}

/// Once more, when the address has left: for those who came in meanwhile. Packets would have nowhere to come from.
pub(crate) fn reset_rest(ip: IpAddr) {
    match sockets::destroy(ip) {
        Ok(_)
        | Err(Error::Kernel {
            errno: libc::EOPNOTSUPP,
            ..
        }) => {}
        Err(error) => log::warning(&format!(
            "connections to {ip} that came in at the end are not reset: {error}"
        )),
    }
}

fn by_kernel(ip: IpAddr, deadline: Deadline) -> Result<usize> {
    match sockets::destroy(ip) {
        Err(Error::Kernel {
            errno: libc::EOPNOTSUPP,
            ..
        }) => by_packets(ip, deadline),
        result => result,
    }
}

fn by_packets(ip: IpAddr, deadline: Deadline) -> Result<usize> {
    packets::reset(ip, &sockets::connections(ip)?, deadline)
}
