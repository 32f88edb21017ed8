//! The transport to the kernel's tables: one socket, one request at a time, answers checked.
//!
//! Knows sequence numbers, multipart answers, interrupted dumps and error texts; nothing about addresses.
//! <https://docs.kernel.org/userspace-api/netlink/intro.html>

use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable,
    NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::error::{Error, Result};

/// Asks the kernel for a sentence with each refusal.
#[derive(Debug, Clone, Copy)]
struct ExtendedAck;
nix::setsockopt_impl!(
    ExtendedAck,
    libc::SOL_NETLINK,
    libc::NETLINK_EXT_ACK,
    bool,
    sockopt::SetBool
);

/// Asks the kernel to honour the filter of a dump.
#[derive(Debug, Clone, Copy)]
struct StrictCheck;
nix::setsockopt_impl!(
    StrictCheck,
    libc::SOL_NETLINK,
    libc::NETLINK_GET_STRICT_CHK,
    bool,
    sockopt::SetBool
);

/// Attribute of an error answer that holds its text.
const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSG_HEADER_LEN: usize = 16;
/// The kernel answers within a system call; this only bounds a wait that should not exist.
const ANSWER_SECONDS: i64 = 5;
/// How often a dump is repeated that other changes interrupted.
const DUMP_ATTEMPTS: usize = 10;

/// What a table's messages can do.
pub(crate) trait Message: NetlinkSerializable + NetlinkDeserializable + Clone {}

impl<M: NetlinkSerializable + NetlinkDeserializable + Clone> Message for M {}

/// A socket to one family of tables, the routing tables unless said otherwise.
pub(crate) struct Netlink<M = RouteNetlinkMessage> {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
    messages: PhantomData<M>,
}

/// How the answer to one request ended.
enum End {
    Complete,
    Interrupted,
    Refused { errno: i32, text: Option<String> },
}

impl Netlink {
    pub(crate) fn open() -> Result<Netlink> {
        Netlink::over(SockProtocol::NetlinkRoute)
    }
}

impl<M: Message> Netlink<M> {
    pub(crate) fn over(protocol: SockProtocol) -> Result<Netlink<M>> {
        let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
        let socket = socket::socket(AddressFamily::Netlink, kind, flags, protocol)
            .map_err(|errno| Error::os("opening a netlink socket", errno))?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_SECONDS))
            .map_err(|errno| Error::os("limiting the wait for a netlink answer", errno))?;
        // Kernels before 4.12 have no error texts, those before 4.20 no filtered dumps: both are only for comfort.
        let _ = setsockopt(&socket, ExtendedAck, &true);
        let _ = setsockopt(&socket, StrictCheck, &true);
        Ok(Netlink {
            socket,
            sequence: 0,
            buffer: vec![0; 64 * 1024],
            messages: PhantomData,
        })
    }

    /// Sends one change or question and waits for the kernel's word on it. `doing` completes "refused to".
    pub(crate) fn request(&mut self, doing: &str, message: M, flags: u16) -> Result<Vec<M>> {
        let mut answers = Vec::new();
        self.send(doing, message, flags | NLM_F_ACK)?;
        match self.receive(doing, &mut answers)? {
            End::Complete | End::Interrupted => Ok(answers),
            End::Refused { errno, text } => Err(refused(doing, errno, text)),
        }
    }

    /// Reads a whole table. A dump that was interrupted by a change may miss entries that exist, so it is repeated.
    pub(crate) fn dump(&mut self, doing: &str, message: &M) -> Result<Vec<M>> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut answers = Vec::new();
            self.send(doing, message.clone(), NLM_F_DUMP)?;
            match self.receive(doing, &mut answers)? {
                End::Complete => return Ok(answers),
                End::Interrupted => {}
                End::Refused { errno, text } => return Err(refused(doing, errno, text)),
            }
        }
        Err(Error::State(format!(
            "could not {doing}: the table changed during each of {DUMP_ATTEMPTS} attempts"
        )))
    }

    fn send(&mut self, doing: &str, message: M, flags: u16) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.sequence_number = self.sequence;
        header.flags = NLM_F_REQUEST | flags;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        socket::send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())
            .map(|_| ())
            .map_err(|errno| Error::os(format!("asking the kernel to {doing}"), errno))
    }

    fn receive(&mut self, doing: &str, answers: &mut Vec<M>) -> Result<End> {
        let mut interrupted = false;
        loop {
            let length = loop {
                match socket::recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                    Err(Errno::EINTR) => {}
                    other => break other,
                }
            }
            .map_err(|errno| Error::os(format!("waiting for the kernel to {doing}"), errno))?;
            let mut rest = self.buffer.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                let packet =
                    NetlinkMessage::<M>::deserialize(rest).map_err(|error| garbled(doing, &error.to_string()))?;
                let step = (packet.header.length as usize)
                    .next_multiple_of(4)
                    .max(NLMSG_HEADER_LEN);
                rest = rest.get(step..).unwrap_or_default();
                if packet.header.sequence_number != self.sequence {
                    continue;
                }
                interrupted |= packet.header.flags & NLM_F_DUMP_INTR != 0;
                if let Some(end) = take(packet, answers) {
                    let torn = interrupted && matches!(end, End::Complete);
                    return Ok(if torn { End::Interrupted } else { end });
                }
            }
        }
    }
}

/// Sorts one message in; the last one of an answer says how it ended.
fn take<M>(packet: NetlinkMessage<M>, answers: &mut Vec<M>) -> Option<End> {
    match packet.payload {
        NetlinkPayload::InnerMessage(message) => {
            answers.push(message);
            None
        }
        NetlinkPayload::Done(done) if done.code < 0 => Some(End::Refused {
            errno: -done.code,
            text: error_text(&done.extended_ack),
        }),
        NetlinkPayload::Done(_) => Some(End::Complete),
        NetlinkPayload::Error(error) => match error.code {
            None => Some(End::Complete),
            Some(code) => Some(End::Refused {
                errno: -code.get(),
                text: extended_text(packet.header.flags, &error.header),
            }),
        },
        _ => None,
    }
}

/// The kernel's sentence behind the echoed request.
fn extended_text(flags: u16, payload: &[u8]) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let echoed = if flags & NLM_F_CAPPED != 0 {
        NLMSG_HEADER_LEN
    } else {
        let length = u32::from_ne_bytes(payload.get(..4)?.try_into().ok()?);
        (length as usize).next_multiple_of(4)
    };
    error_text(payload.get(echoed..)?)
}

fn error_text(attributes: &[u8]) -> Option<String> {
    NlasIterator::new(attributes)
        .map_while(std::result::Result::ok)
        .find(|attribute| attribute.kind() == NLMSGERR_ATTR_MSG)
        .map(|attribute| {
            String::from_utf8_lossy(attribute.value())
                .trim_end_matches('\0')
                .to_owned()
        })
}

/// Takes these refusals of the kernel for an empty answer.
pub(crate) fn unless<T>(result: Result<Vec<T>>, harmless: &[i32]) -> Result<Vec<T>> {
    match result {
        Err(Error::Kernel { errno, .. }) if harmless.contains(&errno) => Ok(Vec::new()),
        other => other,
    }
}

fn refused(doing: &str, errno: i32, text: Option<String>) -> Error {
    let known = Errno::from_raw(errno);
    if matches!(known, Errno::EPERM | Errno::EACCES) {
        return Error::NoPermission {
            what: format!("the request to {doing}"),
            hint: "the agent must run as root with CAP_NET_ADMIN in this network namespace".to_owned(),
        };
    }
    Error::Kernel {
        doing: doing.to_owned(),
        errno,
        message: text.unwrap_or_else(|| known.desc().to_owned()),
    }
}

fn garbled(doing: &str, what: &str) -> Error {
    Error::Unexpected {
        from: format!("the kernel, asked to {doing}"),
        got: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_sentence_is_found_behind_the_echoed_request() {
        let mut payload = vec![0; 20];
        payload[..4].copy_from_slice(&20u32.to_ne_bytes());
        payload.extend_from_slice(&[12, 0, 1, 0]);
        payload.extend_from_slice(b"in use\0\0");
        assert_eq!(extended_text(NLM_F_ACK_TLVS, &payload).as_deref(), Some("in use"));
        assert_eq!(extended_text(0, &payload), None);
        assert_eq!(extended_text(NLM_F_ACK_TLVS, &payload[..10]), None);
        payload.drain(16..20);
        assert_eq!(
            extended_text(NLM_F_ACK_TLVS | NLM_F_CAPPED, &payload).as_deref(),
            Some("in use")
        );
    }

    #[test]
    fn a_refusal_without_text_still_says_what_the_number_means() {
        let text = refused("add 10.0.0.1/24 to eth0", libc::EEXIST, None).to_string();
        assert_eq!(
            text,
            "kernel refused to add 10.0.0.1/24 to eth0: File exists (errno 17)"
        );
        let error = refused("add it", libc::EPERM, None);
        assert!(matches!(error, Error::NoPermission { .. }));
    }
}
