//! Resets connections with packets of our own, where the kernel cannot do it: needs nothing but a raw socket.
//!
//! A reset counts only with the sequence number that the peer expects next. The peer says it when it is sent something
//! that does not fit: it acknowledges what it has (RFC 9293, "other states"). So each peer gets an empty segment with
//! numbers that do not fit, and a reset with those of its answer. The address must still be here, for the answers to arrive.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{self, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage};

use crate::error::{Error, Result};
use crate::floating_ip::frame::checksum;
use crate::sys::deadline::Deadline;
use crate::sys::sockets::Connection;

const RESET: u8 = 0x04;
const ACKNOWLEDGE: u8 = 0x10;
const HEADER: usize = 20;
const TCP: u8 = 6;
/// How long peers may take to answer: a long way there and back. The address waits for it.
const PATIENCE: Duration = Duration::from_millis(300);

/// How long all peers are silent when each has answered and been reset.
const SILENCE: Duration = Duration::from_millis(20);

/// The numbers of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    sequence: u32,
    acknowledged: u32,
}

/// Fits no connection, but once in sixty thousand.
const MISFIT: Numbers = Numbers {
    sequence: 0,
    acknowledged: 0,
};

/// Resets these connections of the address at their peers; returns how many answered.
pub(super) fn reset(ip: IpAddr, connections: &[Connection], deadline: Deadline) -> Result<usize> {
    if connections.is_empty() {
        return Ok(0);
    }
    let failed = |errno| Error::os(format!("resetting the connections to {ip} with packets"), errno);
    let socket = open(ip).map_err(failed)?;
    for connection in connections {
        send(&socket, ip, connection, MISFIT, ACKNOWLEDGE);
    }
    let deadline = deadline.within(PATIENCE);
    let mut answered: Vec<Connection> = Vec::new();
    let mut buffer = [0; 2048];
    // The first acknowledgement heard may be one that was under way, with numbers that have passed: each is answered, until
    // the peers are silent or time is up.
    loop {
        let silence = if answered.len() < connections.len() {
            deadline
        } else {
            deadline.within(SILENCE)
        };
        if deadline.expired() {
            break;
        }
        match socket::recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut buffer) {
            Ok((length, from)) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                let Some((connection, numbers)) = from.and_then(|from| heard(ip, address(&from)?, bytes)) else {
                    continue;
                };
                if connections.contains(&connection) {
                    if !answered.contains(&connection) {
                        answered.push(connection);
                    }
                    let fitting = Numbers {
                        sequence: numbers.acknowledged,
                        acknowledged: numbers.sequence,
                    };
                    send(&socket, ip, &connection, fitting, RESET | ACKNOWLEDGE);
                }
            }
            Err(Errno::EAGAIN) if silence.ready(&socket, PollFlags::POLLIN).is_err() => break,
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(answered.len())
}

/// A socket that sends TCP segments from the address and hears all that arrive there.
fn open(ip: IpAddr) -> nix::Result<OwnedFd> {
    let family = if ip.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket::socket(family, SockType::Raw, flags, SockProtocol::Tcp)?;
    socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(ip, 0)))?;
    Ok(socket)
}

/// A peer that cannot be reached has nothing to be told.
fn send(socket: &OwnedFd, ip: IpAddr, connection: &Connection, numbers: Numbers, flags: u8) {
    let segment = segment(ip, connection, numbers, flags);
    let to = SockaddrStorage::from(SocketAddr::new(connection.peer.ip(), 0));
    let _ = socket::sendto(socket.as_raw_fd(), &segment, &to, MsgFlags::empty());
}

fn segment(ip: IpAddr, connection: &Connection, numbers: Numbers, flags: u8) -> Vec<u8> {
    let mut segment = Vec::with_capacity(HEADER);
    segment.extend_from_slice(&connection.port.to_be_bytes());
    segment.extend_from_slice(&connection.peer.port().to_be_bytes());
    segment.extend_from_slice(&numbers.sequence.to_be_bytes());
    segment.extend_from_slice(&numbers.acknowledged.to_be_bytes());
    // Five words of header, no window.
    segment.extend_from_slice(&[0x50, flags, 0, 0]);
    let pseudo = [octets(ip), octets(connection.peer.ip())].concat();
    let sum = checksum(&[&pseudo, &[0, TCP], &(HEADER as u16).to_be_bytes(), &segment]);
    segment.extend_from_slice(&sum.to_be_bytes());
    segment.extend_from_slice(&[0, 0]);
    segment
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn address(from: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = from.as_sockaddr_in().map(|from| from.ip().into());
    v4.or_else(|| from.as_sockaddr_in6().map(|from| from.ip().into()))
}

/// What a peer said: of which connection, and with which numbers. For IPv4 the kernel shows the packet's header, too.
fn heard(ip: IpAddr, from: IpAddr, bytes: &[u8]) -> Option<(Connection, Numbers)> {
    let header = if ip.is_ipv4() {
        usize::from(bytes.first()? & 0x0f) * 4
    } else {
        0
    };
    let segment = bytes.get(header..)?;
    let word = |at: usize| Some(u16::from_be_bytes(segment.get(at..at + 2)?.try_into().ok()?));
    let number = |at: usize| Some(u32::from_be_bytes(segment.get(at..at + 4)?.try_into().ok()?));
    let flags = *segment.get(13)?;
    let connection = Connection {
        port: word(2)?,
        peer: SocketAddr::new(from, word(0)?),
    };
    let numbers = Numbers {
        sequence: number(4)?,
        acknowledged: number(8)?,
    };
    // Peers on this very machine: what was sent to them is heard, too.
    let answer = flags & (ACKNOWLEDGE | RESET) == ACKNOWLEDGE && numbers != MISFIT;
    answer.then_some((connection, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            port: 3306,
            peer: "10.0.0.9:40000".parse().unwrap(),
        }
    }

    const NUMBERS: Numbers = Numbers {
        sequence: 0x0102_0304,
        acknowledged: 0x0506_0708,
    };

    #[test]
    fn a_segment_is_laid_out_as_the_standard_says() {
        let ip = "10.0.0.100".parse().unwrap();
        let bytes = segment(ip, &connection(), NUMBERS, RESET | ACKNOWLEDGE);
        assert_eq!(
            bytes[..16],
            [0x0c, 0xea, 0x9c, 0x40, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x14, 0, 0]
        );
        let pseudo = [10, 0, 0, 100, 10, 0, 0, 9, 0, TCP, 0, 20];
        assert_eq!(checksum(&[&pseudo, &bytes]), 0, "the sum over everything has only ones");
    }

    #[test]
    fn an_answer_names_its_connection_and_what_its_peer_expects() {
        let own = "10.0.0.100".parse().unwrap();
        let mut packet = vec![0x45; 20];
        // The peer's segment: ports the other way round.
        packet.extend([
            0x9c,
            0x40,
            0x0c,
            0xea,
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
            0x50,
            ACKNOWLEDGE,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        let from = "10.0.0.9".parse().unwrap();
        assert_eq!(heard(own, from, &packet), Some((connection(), NUMBERS)));
        packet[33] = ACKNOWLEDGE | RESET;
        assert_eq!(heard(own, from, &packet), None);
        packet[33] = ACKNOWLEDGE;
        packet[24..32].fill(0);
        assert_eq!(heard(own, from, &packet), None, "our own words");
        assert_eq!(heard(own, from, &packet[..30]), None);
        assert_eq!(heard(own, from, &[]), None);
    }
}
