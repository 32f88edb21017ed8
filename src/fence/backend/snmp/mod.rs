//! An SNMP client: one question and its answer at a time, over UDP, within a deadline.
//!
//! Asks again when nothing comes back, because UDP loses things, and takes only the answer to its own last questions.
//! Why not a crate: those there are know one timeout for a socket instead of a deadline, no retransmission, and bring
//! thirty others; what is needed of SNMP is small.

mod ber;
mod crypto;
mod message;
mod usm;

use std::cell::RefCell;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;
pub(crate) use ber::Oid;
pub(crate) use crypto::{Cipher, Signature};
pub(crate) use message::Value;
use message::{GET, GET_NEXT, Pdu, REPORT, RESPONSE, SET};
pub(crate) use usm::User;
use usm::{Engine, Keys};

/// After this time without an answer the question is repeated.
const AGAIN: Duration = Duration::from_millis(700);
/// Why a device of version 3 did not answer, by the counter that it reports (usmStats of RFC 3414).
const USM_STATS: [u32; 9] = [1, 3, 6, 1, 6, 3, 15, 1, 1];
const NOT_IN_TIME: u32 = 2;
const USM_REASONS: [(u32, &str); 6] = [
    (1, "it does not offer this level of security: see snmp_sec_level"),
    (NOT_IN_TIME, "our clock of it is wrong"),
    (3, "it does not know the account: see username"),
    (4, "it does not know its own name"),
    (5, "the signature is wrong: see password and snmp_auth_prot"),
    (
        6,
        "it cannot decipher the message: see snmp_priv_passwd and snmp_priv_prot",
    ),
];
/// Refusals of RFC 3416 that last until somebody changes the device's configuration, or ours: noSuchName (version 1, also
/// for lack of permission), badValue, readOnly, noAccess, wrongType to wrongValue, noCreation, authorizationError,
/// notWritable, inconsistentName.
const LASTING: [i64; 12] = [2, 3, 4, 6, 7, 8, 9, 10, 11, 16, 17, 18];
const NO_SUCH_NAME: i64 = 2;

/// How to be let in.
#[derive(Clone)]
pub(crate) enum Access {
    /// Version 1 (0) or 2c (1).
    Community(i32, String),
    User(User),
}

/// A device on the network.
pub(crate) struct Agent {
    name: String,
    address: SocketAddr,
    access: Access,
    /// Of version 3, once known.
    peer: RefCell<Option<(Engine, Deadline, Keys)>>,
}

/// What one received datagram is.
enum Read3 {
    Answer(Pdu),
    /// The device says what time it is: ask again.
    Clock,
    Nothing,
}

impl Agent {
    pub(crate) fn new(name: String, address: SocketAddr, access: Access) -> Agent {
        Agent {
            name,
            address,
            access,
            peer: RefCell::new(None),
        }
    }

    /// Why somebody else may be able to switch there, too.
    pub(crate) fn in_the_open(&self) -> Option<&'static str> {
        match &self.access {
            Access::Community(..) => Some(
                "snmp_version 1 and 2c send the community in the open: whoever reads it can switch every outlet; use \
                 version 3, or a network of its own",
            ),
            Access::User(user) if user.signature.is_none() => Some(
                "snmp_sec_level=noAuthNoPriv asks for no password: whoever knows the account's name can switch every \
                 outlet; use authPriv",
            ),
            Access::User(_) => None,
        }
    }

    /// The value of a variable. One that does not exist is [`Value::Missing`], in every version.
    pub(crate) fn get(&self, oid: &Oid, deadline: Deadline) -> Result<Value> {
        let (_, value) = self.ask(GET, oid, Value::Nothing, deadline)?;
        Ok(value)
    }

    pub(crate) fn set(&self, oid: &Oid, value: Value, deadline: Deadline) -> Result<()> {
        match self.ask(SET, oid, value, deadline)? {
            (_, Value::Missing) => Err(Error::State(format!(
                "{} does not let us write {oid}: it does not exist, or the community or account may only read",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    /// All variables below `above`, in order.
    pub(crate) fn walk(&self, above: &[u32], most: usize, deadline: Deadline) -> Result<Vec<(Oid, Value)>> {
        let mut found: Vec<(Oid, Value)> = Vec::new();
        let mut last = Oid::new(above);
        while found.len() < most {
            let (oid, value) = self.ask(GET_NEXT, &last, Value::Nothing, deadline)?;
            // A device that goes backwards would be walked for ever.
            if value == Value::Missing || !oid.is_within(above) || oid <= last {
                break;
            }
            last = oid.clone();
            found.push((oid, value));
        }
        Ok(found)
    }

    fn ask(&self, kind: u8, oid: &Oid, value: Value, deadline: Deadline) -> Result<(Oid, Value)> {
        let socket = self.socket()?;
        let pdu = match &self.access {
            Access::Community(version, community) => {
                let pdu = Pdu::request(kind, random()?, oid, value);
                let question = message::with_community(*version, community, &pdu);
                let read = |bytes: &[u8]| {
                    message::read_with_community(*version, community, bytes).filter(|answer| answer.id == pdu.id)
                };
                self.exchange(&socket, &question, read, deadline)?
            }
            Access::User(user) => self.ask_as(user, &socket, kind, oid, &value, deadline)?,
        };
        self.meaning(kind, oid, pdu)
    }

    /// What the answer says about the one variable that was asked for.
    fn meaning(&self, kind: u8, oid: &Oid, pdu: Pdu) -> Result<(Oid, Value)> {
        let refused = || format!("{} refused {oid} with error {}", self.name, pdu.error);
        match pdu.error {
            0 => {}
            NO_SUCH_NAME => return Ok((oid.clone(), Value::Missing)),
            error if LASTING.contains(&error) => {
                let hint = "may the community or account write there, and is it a switched outlet?";
                return Err(Error::State(format!("{}: {hint}", refused())));
            }
            _ => return Err(self.unexpected(refused())),
        }
        let variable = pdu.variables.into_iter().next().filter(|_| pdu.kind == RESPONSE);
        // Only a walk may be answered with another variable than was asked for.
        let found = variable.filter(|(name, _)| kind == GET_NEXT || name == oid);
        found.ok_or_else(|| self.unexpected(format!("no answer about {oid}")))
    }

    fn ask_as(
        &self,
        user: &User,
        socket: &UdpSocket,
        kind: u8,
        oid: &Oid,
        value: &Value,
        deadline: Deadline,
    ) -> Result<Pdu> {
        if self.peer.borrow().is_none() {
            self.meet(user, socket, deadline)?;
        }
        // The clock is told at most once: one that goes on being wrong is an error.
        for _ in 0..2 {
            let pdu = Pdu::request(kind, random()?, oid, value.clone());
            let question = self.wrapped(user, &pdu)?;
            let read = |bytes: &[u8]| match self.read(user, &pdu, bytes) {
                Ok(Read3::Nothing) => None,
                other => Some(other),
            };
            if let Read3::Answer(answer) = self.exchange(socket, &question, read, deadline)?? {
                return Ok(answer);
            }
        }
        Err(self.unexpected("again and again that our clock of it is wrong".to_owned()))
    }

    /// Asks who is there, and makes the keys.
    fn meet(&self, user: &User, socket: &UdpSocket, deadline: Deadline) -> Result<()> {
        let id = random()?;
        let nothing = Pdu {
            kind: GET,
            id,
            error: 0,
            variables: Vec::new(),
        };
        let read = |bytes: &[u8]| {
            let received = usm::unwrap(bytes, user, None)?;
            (received.message_id == i64::from(id) && !received.engine.id.is_empty()).then_some(received.engine)
        };
        let engine = self.exchange(socket, &usm::greeting(id, &nothing), read, deadline)?;
        let keys = user.keys(&engine);
        *self.peer.borrow_mut() = Some((engine, Deadline::after(Duration::ZERO), keys));
        Ok(())
    }

    fn wrapped(&self, user: &User, pdu: &Pdu) -> Result<Vec<u8>> {
        let salt = [random()?.to_be_bytes(), random()?.to_be_bytes()].concat();
        let peer = self.peer.borrow();
        let wrapped = peer.as_ref().and_then(|(engine, since, keys)| {
            let seconds = u32::try_from(since.age().as_secs()).unwrap_or(0);
            let now = Engine {
                time: engine.time.saturating_add(seconds),
                ..engine.clone()
            };
            usm::wrap(pdu.id, user, &now, keys, salt.try_into().ok()?, pdu)
        });
        wrapped.ok_or_else(|| Error::State("a message of SNMP version 3 cannot be made".to_owned()))
    }

    fn read(&self, user: &User, asked: &Pdu, bytes: &[u8]) -> Result<Read3> {
        let received = {
            let peer = self.peer.borrow();
            let keys = peer.as_ref().map(|(_, _, keys)| keys);
            usm::unwrap(bytes, user, keys)
        };
        let Some(received) = received.filter(|received| received.message_id == i64::from(asked.id)) else {
            return Ok(Read3::Nothing);
        };
        if received.pdu.kind != REPORT {
            let ours = received.protected && received.pdu.id == asked.id;
            return Ok(if ours {
                Read3::Answer(received.pdu)
            } else {
                Read3::Nothing
            });
        }
        let counter = received.pdu.variables.first().map(|(oid, _)| oid);
        let reason = USM_REASONS.iter().find(|(number, _)| {
            let counter_of = Oid::new(&USM_STATS).child(*number).child(0);
            counter == Some(&counter_of)
        });
        match reason {
            // Anybody could set our clock back, and then repeat what the device once said.
            Some((NOT_IN_TIME, _)) if received.signed != user.signature.is_some() => Ok(Read3::Nothing),
            Some((NOT_IN_TIME, _)) => {
                if let Some((engine, since, _)) = self
                    .peer
                    .borrow_mut()
                    .as_mut()
                    .filter(|peer| peer.0.id == received.engine.id)
                {
                    *engine = received.engine;
                    *since = Deadline::after(Duration::ZERO);
                }
                Ok(Read3::Clock)
            }
            Some((_, sentence)) => Err(self.unexpected(format!("a refusal: {sentence}"))),
            None => Err(self.unexpected("a refusal without a known reason".to_owned())),
        }
    }

    /// Sends the question until `read` finds the answer to it.
    fn exchange<T>(
        &self,
        socket: &UdpSocket,
        question: &[u8],
        read: impl Fn(&[u8]) -> Option<T>,
        deadline: Deadline,
    ) -> Result<T> {
        let mut buffer = vec![0; 65_536];
        let broken = |error: std::io::Error| Error::Connection {
            address: self.name.clone(),
            message: error.to_string(),
        };
        loop {
            let turn = deadline.within(AGAIN);
            socket.send(question).map_err(broken)?;
            while !turn.expired() {
                let rest = turn.remaining().max(Duration::from_millis(1));
                socket.set_read_timeout(Some(rest)).map_err(broken)?;
                match socket.recv(&mut buffer) {
                    Ok(length) => {
                        if let Some(found) = read(buffer.get(..length).unwrap_or_default()) {
                            return Ok(found);
                        }
                    }
                    Err(error) if is_only_late(&error) => {}
                    Err(error) => return Err(broken(error)),
                }
            }
            if deadline.expired() {
                let hint = "a device does not answer a wrong community either";
                return Err(deadline.timeout(format!("an answer from {} ({hint})", self.name)));
            }
        }
    }

    /// Connected: only what comes from the device itself is received.
    fn socket(&self) -> Result<UdpSocket> {
        let any: IpAddr = match self.address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let opened = UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(self.address).map(|()| socket));
        opened.map_err(|error| Error::Connection {
            address: self.name.clone(),
            message: error.to_string(),
        })
    }

    fn unexpected(&self, got: String) -> Error {
        Error::Unexpected {
            from: self.name.clone(),
            got,
        }
    }
}

fn is_only_late(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// A number that nobody else guesses: an answer must have it.
fn random() -> Result<i32> {
    let mut bytes = [0; 4];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| Error::file("cannot read", Path::new("/dev/urandom"), error))?;
    Ok((u32::from_ne_bytes(bytes) & 0x7fff_ffff).cast_signed())
}
