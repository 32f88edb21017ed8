//! The kernel's tables of TCP sockets, and the destruction of some (SOCK_DESTROY, Linux 4.9 with CONFIG_INET_DIAG_DESTROY).
//! man 7 sock_diag.
//!
//! What is destroyed are the connections of one address, whose peers are sent a reset, and attempts to connect that a
//! process waits for in vain.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader, NetlinkSerializable};
use nix::sys::socket::SockProtocol;

use super::netlink::Netlink;
use super::process::Process;
use crate::error::{Error, Result};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
/// The states of TCP in which there is a peer to tell, by their numbers in the kernel: established, both of the handshake,
/// and those of a connection that one side has ended. Not among them: time wait, closed, listening, bound.
const WITH_PEER: [u8; 8] = [1, 2, 3, 4, 5, 8, 9, 11];
/// The state of a connection whose peer was asked and has not answered.
const ASKING: u8 = 2;
/// The sockets of both families together.
const FAMILIES: [u8; 2] = [libc::AF_INET as u8, libc::AF_INET6 as u8];
const ID_LEN: usize = 48;
/// Where the inode of a socket stands in an answer: `idiag_inode` of `struct inet_diag_msg`.
const INODE: usize = 68;
/// Where ports and addresses stand in a socket's id, the own one before the peer's.
const ID_PORTS: usize = 0;
const ID_SOURCE: usize = 4;
const ID_PEER: usize = 20;
/// Attribute with a filter program, and its only instruction: compare the own address.
const BYTECODE: u16 = 1;
const COMPARE_SOURCE: u8 = 7;

/// One connection, by what is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) port: u16,
    pub(crate) peer: SocketAddr,
}

/// A message of the socket tables, as bytes.
#[derive(Clone)]
struct Diag {
    kind: u16,
    bytes: Vec<u8>,
}

impl NetlinkSerializable for Diag {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.bytes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.bytes);
    }
}

impl NetlinkDeserializable for Diag {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> std::result::Result<Diag, Infallible> {
        Ok(Diag {
            kind: header.message_type,
            bytes: payload.to_vec(),
        })
    }
}

/// One socket: its family and its id in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    family: u8,
    id: [u8; ID_LEN],
}

/// Destroys every connection of the address; returns how many. What is gone meanwhile is no error, and one that resists
/// does not save the others.
///
/// # Errors
/// EOPNOTSUPP from a kernel that cannot do it; otherwise the first failure, after all were tried.
pub(crate) fn destroy(ip: IpAddr) -> Result<usize> {
    let mut netlink = open()?;
    let found = sockets(&mut netlink, ip)?;
    destroy_each(&mut netlink, &format!("reset the connections to {ip}"), &found)
}

fn destroy_each(netlink: &mut Netlink<Diag>, doing: &str, sockets: &[Socket]) -> Result<usize> {
    let mut count = 0;
    let mut failed = None;
    for socket in sockets {
        match netlink.request(doing, destruction(socket), 0) {
            Ok(_) => count += 1,
            Err(Error::Kernel {
                errno: libc::ENOENT, ..
            }) => {}
            Err(
                error @ Error::Kernel {
                    errno: libc::EOPNOTSUPP,
                    ..
                },
            ) => return Err(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(count), Err)
}

pub(crate) fn connections(ip: IpAddr) -> Result<Vec<Connection>> {
    let sockets = sockets(&mut open()?, ip)?;
    Ok(sockets.iter().filter_map(Socket::connection).collect())
}

/// The attempts of one process to connect to one port, which last as long as nobody answers.
pub(crate) struct Attempts {
    process: Process,
    port: u16,
    netlink: Netlink<Diag>,
    /// Those that were there when this was asked last.
    known: Vec<Socket>,
}

impl Attempts {
    /// # Errors
    /// Where the kernel's tables cannot be asked.
    pub(crate) fn of(process: Process, port: u16) -> Result<Attempts> {
        Ok(Attempts {
            process,
            port,
            netlink: open()?,
            known: Vec::new(),
        })
    }

    /// Ends the attempts that were there already when this was asked last; returns how many. The process is told that its
    /// connection was aborted.
    ///
    /// # Errors
    /// EOPNOTSUPP from a kernel that cannot do it; no permission, without CAP_NET_ADMIN in this network namespace.
    pub(crate) fn abort_known(&mut self) -> Result<usize> {
        let now = self.asking()?;
        let (old, new) = now.into_iter().partition(|socket| self.known.contains(socket));
        self.known = new;
        destroy_each(&mut self.netlink, "abort a connection that nobody answers", &old)
    }

    fn asking(&mut self) -> Result<Vec<Socket>> {
        let mut found = Vec::new();
        for family in FAMILIES {
            found.extend(self.netlink.dump("list connections", &asking(family))?);
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let own = self.process.sockets();
        let is_own = |message: &&Diag| inode(message).is_some_and(|inode| own.contains(&inode));
        let to_port = |socket: &Socket| socket.connection().is_some_and(|it| it.peer.port() == self.port);
        let found = found.iter().filter(is_own).filter_map(any_socket);
        Ok(found.filter(to_port).collect())
    }
}

fn open() -> Result<Netlink<Diag>> {
    Netlink::over(SockProtocol::NetlinkSockDiag)
}

fn sockets(netlink: &mut Netlink<Diag>, ip: IpAddr) -> Result<Vec<Socket>> {
    let mut found = Vec::new();
    for family in families(ip) {
        let messages = netlink.dump("list connections", &listing(*family, ip))?;
        found.extend(messages.iter().filter_map(|message| socket(message, ip)));
    }
    Ok(found)
}

impl Socket {
    fn address(&self, at: usize) -> Option<IpAddr> {
        let bytes: [u8; 16] = self.id.get(at..at + 16)?.try_into().ok()?;
        Some(if i32::from(self.family) == libc::AF_INET {
            let [a, b, c, d, ..] = bytes;
            IpAddr::from([a, b, c, d])
        } else {
            IpAddr::from(bytes).to_canonical()
        })
    }

    fn port(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes(self.id.get(at..at + 2)?.try_into().ok()?))
    }

    fn connection(&self) -> Option<Connection> {
        Some(Connection {
            port: self.port(ID_PORTS)?,
            peer: SocketAddr::new(self.address(ID_PEER)?, self.port(ID_PORTS + 2)?),
        })
    }
}

/// An IPv4 connection to a server that listens for both families belongs to an IPv6 socket.
fn families(ip: IpAddr) -> &'static [u8] {
    match ip {
        IpAddr::V4(_) => &FAMILIES,
        IpAddr::V6(_) => &FAMILIES[1..],
    }
}

fn request(family: u8, states: u32, id: &[u8; ID_LEN]) -> Vec<u8> {
    let mut bytes = vec![family, libc::IPPROTO_TCP as u8, 0, 0];
    bytes.extend_from_slice(&states.to_ne_bytes());
    bytes.extend_from_slice(id);
    bytes
}

/// Lists the sockets of the address; the kernel filters, for a busy server has many others.
fn listing(family: u8, ip: IpAddr) -> Diag {
    let octets = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let own_family = if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let any_port: i32 = -1;
    let mut condition = vec![own_family as u8, (octets.len() * 8) as u8, 0, 0];
    condition.extend_from_slice(&any_port.to_ne_bytes());
    condition.extend_from_slice(&octets);
    let length = 4 + condition.len() as u16;
    // Where to go on: behind the program when it holds, one step further, which rejects, when not.
    let mut program = vec![COMPARE_SOURCE, length as u8];
    program.extend_from_slice(&(length + 4).to_ne_bytes());
    program.extend_from_slice(&condition);
    let mut bytes = request(
        family,
        WITH_PEER.iter().fold(0, |mask, state| mask | 1 << state),
        &[0; ID_LEN],
    );
    bytes.extend_from_slice(&(length + 4).to_ne_bytes());
    bytes.extend_from_slice(&BYTECODE.to_ne_bytes());
    bytes.extend_from_slice(&program);
    Diag {
        kind: SOCK_DIAG_BY_FAMILY,
        bytes,
    }
}

/// Lists the attempts to connect, of all processes.
fn asking(family: u8) -> Diag {
    Diag {
        kind: SOCK_DIAG_BY_FAMILY,
        bytes: request(family, 1 << ASKING, &[0; ID_LEN]),
    }
}

fn destruction(socket: &Socket) -> Diag {
    Diag {
        kind: SOCK_DESTROY,
        bytes: request(socket.family, u32::MAX, &socket.id),
    }
}

/// The socket in an answer, if it has a peer and its own end is this very address: no other is ever destroyed.
fn socket(message: &Diag, ip: IpAddr) -> Option<Socket> {
    let state = *message.bytes.get(1)?;
    let socket = any_socket(message)?;
    let own = socket.address(ID_SOURCE)?;
    (own == ip && WITH_PEER.contains(&state)).then_some(socket)
}

fn any_socket(message: &Diag) -> Option<Socket> {
    Some(Socket {
        family: *message.bytes.first()?,
        id: message.bytes.get(4..4 + ID_LEN)?.try_into().ok()?,
    })
}

fn inode(message: &Diag) -> Option<u32> {
    Some(u32::from_ne_bytes(
        message.bytes.get(INODE..INODE + 4)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(family: i32, state: u8, source: &[u8]) -> Diag {
        let mut bytes = vec![0; 72];
        bytes[0] = family as u8;
        bytes[1] = state;
        bytes[4 + ID_SOURCE..4 + ID_SOURCE + source.len()].copy_from_slice(source);
        Diag {
            kind: SOCK_DIAG_BY_FAMILY,
            bytes,
        }
    }

    #[test]
    fn only_connections_of_this_very_address_are_taken() {
        let ip: IpAddr = "10.0.0.100".parse().unwrap();
        let mapped = "::ffff:10.0.0.100".parse::<std::net::Ipv6Addr>().unwrap().octets();
        assert!(socket(&answer(libc::AF_INET, 1, &[10, 0, 0, 100]), ip).is_some());
        assert!(socket(&answer(libc::AF_INET6, 1, &mapped), ip).is_some());
        assert!(socket(&answer(libc::AF_INET, 1, &[10, 0, 0, 101]), ip).is_none());
        assert!(socket(&answer(libc::AF_INET, 1, &[0, 0, 0, 0]), ip).is_none());
        for peerless in [6, 7, 10, 13] {
            assert!(
                socket(&answer(libc::AF_INET, peerless, &[10, 0, 0, 100]), ip).is_none(),
                "{peerless}"
            );
        }
        let short = Diag {
            kind: SOCK_DIAG_BY_FAMILY,
            bytes: vec![2, 1],
        };
        assert!(socket(&short, ip).is_none());
    }

    #[test]
    fn a_connection_is_known_by_its_ports_and_its_peer() {
        let mut message = answer(libc::AF_INET, 1, &[10, 0, 0, 100]);
        message.bytes[4..8].copy_from_slice(&[0x0c, 0xea, 0x9c, 0x40]);
        message.bytes[24..28].copy_from_slice(&[10, 0, 0, 9]);
        let found = socket(&message, "10.0.0.100".parse().unwrap())
            .unwrap()
            .connection()
            .unwrap();
        assert_eq!((found.port, found.peer), (3306, "10.0.0.9:40000".parse().unwrap()));
    }
}
