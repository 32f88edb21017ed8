//! Sends announcements of an address over a link, and listens for others that claim it. Knows no schedule; see
//! [`super::tail`].

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike};

use super::config::Directed;
use super::frame::{self, BROADCAST, ETHERTYPE_ARP, ETHERTYPE_IPV6, Hardware, Subject, Target};
use super::route;
use super::state::Link;
use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;
use crate::sys::netlink::Netlink;

/// How long a full send queue may delay an announcement.
const QUEUE_PATIENCE: Duration = Duration::from_millis(500);
/// A table of thousands is no list of those whom this node talked to lately.
const MOST_NEIGHBOURS: usize = 64;
/// When a conflict is asked for, and how long an answer is awaited (RFC 5227 has seconds for hosts without a past).
const PROBES: [u64; 3] = [0, 60, 120];
const PROBE_TIME: Duration = Duration::from_millis(200);

/// Sends announcements of one address over one link.
pub(crate) struct Announcer {
    socket: OwnedFd,
    to: LinkAddr,
    everybody: Vec<Vec<u8>>,
    persons: Vec<Vec<u8>>,
    pub(crate) ip: IpAddr,
    pub(crate) link: u32,
}

impl Announcer {
    /// Opened before the address is added: what cannot be announced must not be started. None for a link without
    /// neighbours.
    pub(crate) fn open(
        netlink: &mut Netlink,
        ip: IpAddr,
        link: &Link,
        directed: &Directed,
    ) -> Result<Option<Announcer>> {
        let Some(hardware) = link.ethernet else { return Ok(None) };
        let subject = Subject {
            ip,
            hardware,
            router: ip.is_ipv6() && forwards(&link.name),
        };
        let protocol = if ip.is_ipv4() { ETHERTYPE_ARP } else { ETHERTYPE_IPV6 };
        let persons = targets(netlink, directed, ip, link.index)?;
        Ok(Some(Announcer {
            socket: packet_socket(&format!("announcing {ip}"), None)?,
            to: address(link.index, protocol)?,
            everybody: frame::announcement(subject),
            persons: persons
                .into_iter()
                .flat_map(|to| frame::directed(subject, to))
                .collect(),
            ip,
            link: link.index,
        }))
    }

    /// The socket, for somebody else to close. The kernel takes 10 to 20 ms for that.
    pub(crate) fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Sends one announcement to everybody, in every form.
    ///
    /// # Errors
    /// When one of them did not leave: the link went down or its queue stays full.
    pub(crate) fn announce(&self, deadline: Deadline) -> Result<()> {
        self.send(&self.everybody, deadline)
    }

    /// Tells those who are to be told in person.
    pub(crate) fn announce_in_person(&self, deadline: Deadline) -> Result<()> {
        self.send(&self.persons, deadline)
    }

    fn send(&self, frames: &[Vec<u8>], deadline: Deadline) -> Result<()> {
        let deadline = deadline.within(QUEUE_PATIENCE);
        let doing = format!("an announcement of {}", self.ip);
        frames
            .iter()
            .try_for_each(|frame| send(&self.socket, frame, &self.to, &doing, deadline))
    }
}

/// Sends one frame; waits while the queue is full.
fn send(socket: &OwnedFd, frame: &[u8], to: &LinkAddr, what: &str, deadline: Deadline) -> Result<()> {
    let waiting_for = format!("room in the send queue for {what}");
    deadline.poll(&waiting_for, Duration::from_millis(20), || {
        match socket::sendto(socket.as_raw_fd(), frame, to, MsgFlags::MSG_DONTWAIT) {
            Ok(_) => Ok(Some(())),
            Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(Error::os(format!("sending {what}"), errno)),
        }
    })
}

/// Hears everybody on a link who claims an IPv4 address.
pub(crate) struct Listener {
    socket: OwnedFd,
    to: LinkAddr,
    ip: Ipv4Addr,
    from: Hardware,
    /// Another interface of this node on the same network answers, too; that is no rival.
    own: Vec<Hardware>,
}

impl Listener {
    /// None for an address or a link that has no ARP.
    pub(crate) fn open(netlink: &mut Netlink, ip: IpAddr, link: &Link) -> Result<Option<Listener>> {
        let (IpAddr::V4(ip), Some(from)) = (ip, link.ethernet) else {
            return Ok(None);
        };
        let to = address(link.index, ETHERTYPE_ARP)?;
        let socket = packet_socket(&format!("listening for another owner of {ip}"), Some(&to))?;
        let own = route::own_hardware(netlink)?;
        Ok(Some(Listener {
            socket,
            to,
            ip,
            from,
            own,
        }))
    }

    /// Asks everybody, and returns who else has the address.
    pub(crate) fn ask(&self, deadline: Deadline) -> Result<Option<Hardware>> {
        let question = frame::probe(self.ip, self.from);
        let what = format!("a question for another owner of {}", self.ip);
        let end = deadline.within(PROBE_TIME + QUEUE_PATIENCE);
        for (at, next) in PROBES.iter().zip(PROBES.iter().skip(1).map(Some).chain([None])) {
            send(
                &self.socket,
                &question,
                &self.to,
                &what,
                deadline.within(QUEUE_PATIENCE),
            )?;
            let pause = next.map_or(PROBE_TIME, |next| Duration::from_millis(next - at));
            if let Some(other) = self.hear(end.within(pause))? {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// Listens until the deadline, or until somebody else claims the address.
    pub(crate) fn hear(&self, deadline: Deadline) -> Result<Option<Hardware>> {
        let doing = || format!("listening for another owner of {}", self.ip);
        let mut buffer = [0; 128];
        // The question is asked once even when time is up; who talks without end does not hold us.
        let mut first = true;
        while first || !deadline.expired() {
            first = false;
            match socket::recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    let heard = frame::claimant(buffer.get(..length).unwrap_or_default(), self.ip);
                    if let Some(other) = heard.filter(|hardware| !self.own.contains(hardware)) {
                        return Ok(Some(other));
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR) => match deadline.ready(&self.socket, PollFlags::POLLIN) {
                    Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return Ok(None),
                    result => result.map_err(|error| Error::os(doing(), error))?,
                },
                // The link went down; what is heard there later counts again.
                Err(Errno::ENETDOWN) => {}
                Err(errno) => return Err(Error::os(doing(), errno)),
            }
        }
        Ok(None)
    }
}

/// Those to be told in person, with their hardware addresses where the kernel knows them.
fn targets(netlink: &mut Netlink, directed: &Directed, ip: IpAddr, link: u32) -> Result<Vec<Target>> {
    if *directed == Directed::default() {
        return Ok(Vec::new());
    }
    let known = route::neighbours(netlink, ip, link)?;
    let mut wanted = directed.hosts.clone();
    if directed.gateway {
        wanted.extend(route::gateways(netlink, ip, link)?);
    }
    if directed.neighbours {
        wanted.extend(known.iter().map(|neighbour| neighbour.ip).take(MOST_NEIGHBOURS));
    }
    wanted.retain(|host| host.is_ipv4() == ip.is_ipv4() && *host != ip);
    wanted.sort_unstable();
    wanted.dedup();
    Ok(wanted
        .into_iter()
        .map(|ip| Target {
            ip,
            hardware: known
                .iter()
                .find(|neighbour| neighbour.ip == ip)
                .map(|neighbour| neighbour.hardware),
        })
        .collect())
}

fn forwards(link: &str) -> bool {
    let path = format!("/proc/sys/net/ipv6/conf/{link}/forwarding");
    std::fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
}

/// A socket that sends, and receives only what `from` says.
fn packet_socket(purpose: &str, from: Option<&LinkAddr>) -> Result<OwnedFd> {
    let failed = |errno| match errno {
        Errno::EPERM | Errno::EACCES => Error::NoPermission {
            what: format!("{purpose} (a packet socket)"),
            hint: "the agent must run as root with CAP_NET_RAW in this network namespace".to_owned(),
        },
        errno => Error::os(format!("opening a packet socket for {purpose}"), errno),
    };
    // Without a protocol, nothing is received until the socket is bound to one.
    let protocol: Option<SockProtocol> = None;
    let socket = socket::socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol);
    let socket = socket.map_err(failed)?;
    if let Some(from) = from {
        socket::bind(socket.as_raw_fd(), from).map_err(failed)?;
    }
    Ok(socket)
}

fn address(link: u32, protocol: u16) -> Result<LinkAddr> {
    let mut hardware = [0; 8];
    for (place, byte) in hardware.iter_mut().zip(BROADCAST) {
        *place = byte;
    }
    let raw = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
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

    #[test]
    fn frames_go_to_everybody_on_the_given_link() {
        let address = address(7, ETHERTYPE_ARP).unwrap();
        assert_eq!((address.ifindex(), address.addr()), (7, Some(BROADCAST)));
        assert_eq!(address.protocol(), ETHERTYPE_ARP.to_be());
    }
}
