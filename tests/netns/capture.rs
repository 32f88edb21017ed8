//! What others on the network hear of an address, with the time at which they heard it.

use std::io::IoSliceMut;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, SystemTime};

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::lab::{Net, until};

/// One frame in which somebody says that an address is theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The operation of ARP, or the type of an ICMPv6 message.
    pub(crate) operation: u16,
    pub(crate) sender: String,
    /// The frame's destination.
    pub(crate) to: String,
    pub(crate) at: SystemTime,
    /// For everybody, and not an answer to somebody's question.
    pub(crate) gratuitous: bool,
}

pub(crate) const REQUEST: u16 = 1;
pub(crate) const REPLY: u16 = 2;
pub(crate) const SOLICITATION: u16 = 135;
pub(crate) const ADVERTISEMENT: u16 = 136;

/// Collects the frames about one address that reach an interface, from now on.
pub(crate) struct Capture {
    socket: OwnedFd,
    interface: usize,
    ip: IpAddr,
    frames: Vec<Claim>,
}

impl Capture {
    pub(crate) fn on(net: &Net, interface: &str, ip: &str) -> Capture {
        let socket = net.inside(|| {
            let socket = socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_NONBLOCK,
                SockProtocol::EthAll,
            );
            socket.unwrap()
        });
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
        net.inside(arrival_times);
        Capture {
            socket,
            interface: net.index(interface),
            ip: ip.parse().unwrap(),
            frames: Vec::new(),
        }
    }

    /// Everything that was received so far.
    pub(crate) fn frames(&mut self) -> &[Claim] {
        while let Some(frame) = self.next() {
            self.frames.extend(frame);
        }
        &self.frames
    }

    pub(crate) fn wait_for(&mut self, count: usize) -> &[Claim] {
        until(&format!("frame {count}"), || {
            (self.frames().len() >= count).then_some(())
        });
        &self.frames
    }

    /// The next packet; its inner value is none when it is of no interest.
    fn next(&mut self) -> Option<Option<Claim>> {
        let mut bytes = [0; 2048];
        let mut control = nix::cmsg_space!(TimeSpec);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<LinkAddr>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        )
        .ok()?;
        let at = message.cmsgs().unwrap().find_map(|message| {
            let ControlMessageOwned::ScmTimestampns(at) = message else {
                return None;
            };
            Some(SystemTime::UNIX_EPOCH + Duration::from(at))
        })?;
        let here = message.address.is_some_and(|from| from.ifindex() == self.interface);
        let length = message.bytes;
        let frame = &bytes[..length];
        let claim = match self.ip {
            IpAddr::V4(ip) => arp(frame, &ip.octets(), at),
            IpAddr::V6(ip) => ndp(frame, &ip.octets(), at),
        };
        Some(claim.filter(|_| here))
    }
}

fn hardware(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

fn arp(frame: &[u8], ip: &[u8], at: SystemTime) -> Option<Claim> {
    let is_arp = frame.len() >= 42 && frame[12..14] == [8, 6];
    if !is_arp || frame[28..32] != *ip {
        return None;
    }
    Some(Claim {
        operation: u16::from_be_bytes([frame[20], frame[21]]),
        sender: hardware(&frame[22..28]),
        to: hardware(&frame[..6]),
        at,
        gratuitous: frame[28..32] == frame[38..42] && frame[..6] == [0xff; 6],
    })
}

/// An advertisement of the address, or a question that comes from it.
fn ndp(frame: &[u8], ip: &[u8], at: SystemTime) -> Option<Claim> {
    let is_ndp = frame.len() >= 86 && frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[21] == 255;
    let operation = u16::from(*frame.get(54)?);
    let says = match operation {
        ADVERTISEMENT => frame.get(62..78)? == ip,
        SOLICITATION => frame.get(22..38)? == ip,
        _ => false,
    };
    (is_ndp && says).then(|| Claim {
        operation,
        sender: hardware(&frame[80..86]),
        to: hardware(&frame[..6]),
        at,
        gratuitous: operation == ADVERTISEMENT && frame[58] & 0x40 == 0 && frame[0] == 0x33,
    })
}

/// The kernel notes arrival times from a moment after the first socket wants them; until then, it tells the time of reading.
fn arrival_times() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
    let own = socket.local_addr().unwrap();
    until("arrival times", || {
        socket.send_to(b"?", own).unwrap();
        let sent = SystemTime::now();
        let mut bytes = [0; 8];
        let mut control = nix::cmsg_space!(TimeSpec);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::empty();
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags).unwrap();
        message.cmsgs().unwrap().find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(at) => {
                (SystemTime::UNIX_EPOCH + Duration::from(at) < sent).then_some(())
            }
            _ => None,
        })
    });
}
