//! Tells the neighbours who has an address: gratuitous ARP, as request and as reply (RFC 5227, section 3).
//!
//! Some hosts and switches learn from requests only, some from replies only, so each announcement is both.
//! Knows no schedule; see [`super::tail`].

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike};

use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;

const BROADCAST: [u8; 6] = [0xff; 6];
const FRAME_LEN: usize = 42;
const ETHERTYPE_ARP: u16 = 0x0806;
/// How long a full send queue may delay an announcement.
const QUEUE_PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Request,
    Reply,
}

/// One broadcast frame that says: `ip` is at `hardware`.
fn frame(operation: Operation, hardware: [u8; 6], ip: Ipv4Addr) -> [u8; FRAME_LEN] {
    // In a request the target's hardware address is what is asked for, hence empty.
    let (code, target) = match operation {
        Operation::Request => (1u16, [0; 6]),
        Operation::Reply => (2u16, hardware),
    };
    let parts: [&[u8]; 11] = [
        &BROADCAST,
        &hardware,
        &ETHERTYPE_ARP.to_be_bytes(),
        &1u16.to_be_bytes(),      // hardware: Ethernet
        &0x0800u16.to_be_bytes(), // protocol: IPv4
        &[6, 4],                  // lengths of both kinds of address
        &code.to_be_bytes(),
        &hardware,
        &ip.octets(),
        &target,
        &ip.octets(),
    ];
    let mut frame = [0; FRAME_LEN];
    for (place, byte) in frame.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    frame
}

/// Sends announcements of one address over one link.
pub(crate) struct Announcer {
    socket: OwnedFd,
    to: LinkAddr,
    frames: [[u8; FRAME_LEN]; 2],
    pub(crate) ip: Ipv4Addr,
    pub(crate) link: u32,
}

impl Announcer {
    /// Opened before the address is added: what cannot be announced must not be started.
    pub(crate) fn open(ip: Ipv4Addr, link: u32, hardware: [u8; 6]) -> Result<Announcer> {
        let socket = socket::socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
        let socket = socket.map_err(|errno| {
            if matches!(errno, Errno::EPERM | Errno::EACCES) {
                return Error::NoPermission {
                    what: format!("announcing {ip} (a packet socket)"),
                    hint: "the agent must run as root with CAP_NET_RAW in this network namespace".to_owned(),
                };
            }
            Error::os(format!("opening a packet socket to announce {ip}"), errno)
        })?;
        Ok(Announcer {
            socket,
            to: broadcast_on(link)?,
            frames: [Operation::Request, Operation::Reply].map(|operation| frame(operation, hardware, ip)),
            ip,
            link,
        })
    }

    /// The socket, for somebody else to close. The kernel takes 10 to 20 ms for that.
    pub(crate) fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Sends one announcement, both forms.
    ///
    /// # Errors
    /// When one of them did not leave: the link went down or its queue stays full.
    pub(crate) fn announce(&self, deadline: Deadline) -> Result<()> {
        let waiting_for = format!("room in the send queue for an announcement of {}", self.ip);
        let deadline = deadline.within(QUEUE_PATIENCE);
        for frame in &self.frames {
            deadline.poll(&waiting_for, Duration::from_millis(20), || {
                match socket::sendto(self.socket.as_raw_fd(), frame, &self.to, MsgFlags::MSG_DONTWAIT) {
                    Ok(_) => Ok(Some(())),
                    Err(Errno::ENOBUFS | Errno::EAGAIN) => Ok(None),
                    Err(errno) => Err(Error::os(format!("announcing {}", self.ip), errno)),
                }
            })?;
        }
        Ok(())
    }
}

fn broadcast_on(link: u32) -> Result<LinkAddr> {
    let mut hardware = [0; 8];
    for (place, byte) in hardware.iter_mut().zip(BROADCAST) {
        *place = byte;
    }
    let raw = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ETHERTYPE_ARP.to_be(),
        sll_ifindex: link.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: hardware,
    };
    let length = size_of_val(&raw) as libc::socklen_t;
    #[expect(unsafe_code, reason = "nix has no safe way to build a link-layer address")]
    // SAFETY: the pointer is to a whole, initialised sockaddr_ll with its own length and family; it is only read.
    let address = unsafe { LinkAddr::from_raw((&raw const raw).cast(), Some(length)) };
    address.ok_or_else(|| Error::State(format!("interface {link} has no usable link-layer address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

    #[test]
    fn a_request_is_laid_out_as_the_standard_says() {
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 8, 6, // Ethernet
            0, 1, 8, 0, 6, 4, 0, 1, // ARP request for IPv4 over Ethernet
            2, 0, 0, 0, 0, 7, 10, 0, 0, 100, // sender
            0, 0, 0, 0, 0, 0, 10, 0, 0, 100, // target
        ];
        assert_eq!(frame(Operation::Request, MAC, IP), expected);
    }

    #[test]
    fn a_reply_names_the_sender_twice() {
        let reply = frame(Operation::Reply, MAC, IP);
        assert_eq!(reply[20..22], [0, 2]);
        assert_eq!(reply[22..32], reply[32..42]);
        assert_eq!(reply[32..38], MAC);
    }

    #[test]
    fn frames_go_to_everybody_on_the_given_link() {
        let address = broadcast_on(7).unwrap();
        assert_eq!((address.ifindex(), address.addr()), (7, Some(BROADCAST)));
        assert_eq!(address.protocol(), ETHERTYPE_ARP.to_be());
    }
}
