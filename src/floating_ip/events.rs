//! Wakes up when the kernel changes an IPv6 address, such as at the end of its duplicate address detection.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};

use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;

/// Group of changes to IPv6 addresses, as a bit (RTMGRP_IPV6_IFADDR).
const IPV6_ADDRESSES: u32 = 0x100;

pub(crate) struct Events {
    socket: OwnedFd,
}

impl Events {
    /// Listens from now on: open it before the change that is to be seen.
    pub(crate) fn open() -> Result<Events> {
        let failed = |errno| Error::os("listening for changes of addresses", errno);
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkRoute;
        let socket = socket::socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).map_err(failed)?;
        socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, IPV6_ADDRESSES)).map_err(failed)?;
        Ok(Events { socket })
    }

    /// Waits for any change, or the deadline. What changed is for the tables to say: an event may be lost.
    pub(crate) fn wait(&self, deadline: Deadline) -> Result<()> {
        match deadline.ready(&self.socket, PollFlags::POLLIN) {
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return Ok(()),
            result => result.map_err(|error| Error::os("waiting for a change of addresses", error))?,
        }
        let mut buffer = [0; 8192];
        loop {
            match socket::recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(errno) => return Err(Error::os("reading a change of addresses", errno)),
            }
        }
    }
}

/// Keeps net.ipv6.conf.LINK.optimistic_dad at 1 until dropped: then the kernel uses an address while it still asks whether
/// somebody else has it (RFC 4429).
pub(crate) struct Optimism {
    path: PathBuf,
}

impl Optimism {
    /// None when nothing had to be, or could be, switched.
    pub(crate) fn switch_on(link: &str) -> Option<Optimism> {
        let path = PathBuf::from(format!("/proc/sys/net/ipv6/conf/{link}/optimistic_dad"));
        let off = std::fs::read_to_string(&path).is_ok_and(|text| text.trim() == "0");
        (off && std::fs::write(&path, "1").is_ok()).then_some(Optimism { path })
    }
}

impl Drop for Optimism {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.path, "0");
    }
}
