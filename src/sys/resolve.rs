//! Host names to addresses, within a deadline: /etc/hosts, then the name servers of /etc/resolv.conf.
//!
//! Not `getaddrinfo`: it has no deadline, and in a static binary it loads modules of the system's libc, which may be of
//! another version. One question for each family to one server after the other; no cache, no search for short names
//! beyond the configured domains.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::poll::PollFlags;

use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;

const HOSTS: &str = "/etc/hosts";
const CONFIGURATION: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// How long one server may take before the next one is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
const A: u16 = 1;
const AAAA: u16 = 28;
const HEADER: usize = 12;
const NAME_ERROR: u8 = 3;

/// What /etc/resolv.conf says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Resolver {
    servers: Vec<SocketAddr>,
    domains: Vec<String>,
}

/// What was said of one name. A name without an address is as good as none.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Addresses(Vec<IpAddr>),
    NoSuchName,
    Nothing,
}

/// The addresses of a host, IPv4 first; an address stands for itself.
///
/// # Errors
/// [`Error::Connection`] naming the host when nobody knows it, [`Error::Timeout`] when nobody answered in time.
pub(crate) fn addresses(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>> {
    let with_port = |found: Vec<IpAddr>| found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
    if let Ok(ip) = host.parse() {
        return Ok(with_port(vec![ip]));
    }
    // A comment in an old encoding must not hide all the rest.
    let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let listed = in_hosts(&read(HOSTS), host);
    if !listed.is_empty() {
        return Ok(with_port(listed));
    }
    look_up(&configuration(&read(CONFIGURATION)), host, deadline).map(with_port)
}

fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut found: Vec<IpAddr> = lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let ip = words.next()?.parse().ok()?;
            words.any(|name| name.eq_ignore_ascii_case(host)).then_some(ip)
        })
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

fn configuration(text: &str) -> Resolver {
    let mut resolver = Resolver::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let server = words.next().and_then(|word| word.parse().ok());
                resolver
                    .servers
                    .extend(server.map(|ip: IpAddr| SocketAddr::new(ip, PORT)));
            }
            Some("search" | "domain") => resolver.domains = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    if resolver.servers.is_empty() {
        resolver.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    resolver
}

/// A name with a dot is tried as it is first, one without in the configured domains first.
fn candidates(host: &str, domains: &[String]) -> Vec<String> {
    let whole = host.trim_end_matches('.').to_owned();
    let mut names: Vec<String> = domains.iter().map(|domain| format!("{whole}.{domain}")).collect();
    if whole.contains('.') {
        names.insert(0, whole);
    } else {
        names.push(whole);
    }
    if host.ends_with('.') {
        names.truncate(1);
    }
    names
}

fn look_up(resolver: &Resolver, host: &str, deadline: Deadline) -> Result<Vec<IpAddr>> {
    let servers = || resolver.servers.iter().map(SocketAddr::ip).map(|ip| ip.to_string());
    let failed = |message: &str| Error::Connection {
        address: host.to_owned(),
        message: format!("{message} (name servers {})", servers().collect::<Vec<_>>().join(", ")),
    };
    for name in candidates(host, &resolver.domains) {
        match ask_all(&resolver.servers, &name, deadline) {
            Said::Addresses(found) => return Ok(found),
            Said::NoSuchName => {}
            Said::Nothing if deadline.expired() => return Err(deadline.timeout(format!("looking up {host}"))),
            Said::Nothing => return Err(failed("no name server answered")),
        }
    }
    Err(failed("there is no such name"))
}

fn ask_all(servers: &[SocketAddr], name: &str, deadline: Deadline) -> Said {
    let questions = ROUNDS * servers.len();
    for (asked, server) in servers.iter().cycle().take(questions).enumerate() {
        // Servers that are dead leave time for the others.
        let shares = u32::try_from(questions - asked).unwrap_or(u32::MAX);
        match ask(
            *server,
            name,
            deadline.within(PATIENCE.min(deadline.remaining() / shares)),
        ) {
            Ok(Said::Nothing) | Err(_) => {}
            Ok(said) => return said,
        }
    }
    Said::Nothing
}

/// Asks one server for both families at the same time.
fn ask(server: SocketAddr, name: &str, deadline: Deadline) -> std::io::Result<Said> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    let Some(first) = random() else {
        return Ok(Said::Nothing);
    };
    let questions = [(first, A), (first.wrapping_add(1), AAAA)];
    for (id, kind) in questions {
        let Some(question) = question(id, name, kind) else {
            return Ok(Said::NoSuchName);
        };
        socket.send(&question)?;
    }
    let mut open = questions.to_vec();
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while !open.is_empty() {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                if let Some(at) = open.iter().position(|(id, kind)| answers(bytes, *id, name, *kind)) {
                    open.remove(at);
                    said.extend(parse(bytes));
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // A server that knows one family and is slow about the other has said enough.
                if deadline.ready(&socket, PollFlags::POLLIN).is_err() {
                    break;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(together(said, questions.len()))
}

/// What the answers to all questions say together.
fn together(said: Vec<Said>, questions: usize) -> Said {
    let unknown = said.iter().filter(|said| **said == Said::NoSuchName).count();
    let mut found: Vec<IpAddr> = said
        .into_iter()
        .flat_map(|said| match said {
            Said::Addresses(found) => found,
            Said::NoSuchName | Said::Nothing => Vec::new(),
        })
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    if !found.is_empty() {
        Said::Addresses(found)
    } else if unknown == questions {
        Said::NoSuchName
    } else {
        Said::Nothing
    }
}

fn random() -> Option<u16> {
    let mut bytes = [0; 2];
    File::open("/dev/urandom").ok()?.read_exact(&mut bytes).ok()?;
    Some(u16::from_ne_bytes(bytes))
}

/// A question of RFC 1035, section 4; none when the name cannot be written in one.
fn question(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut bytes = Vec::from(id.to_be_bytes());
    // Recursion desired; one question.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    bytes.extend(encoded(name)?);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(1u16.to_be_bytes());
    Some(bytes)
}

fn encoded(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..=63).contains(length))?;
        bytes.push(length);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    (bytes.len() <= 255).then_some(bytes)
}

/// Whether this is an answer to that very question.
fn answers(bytes: &[u8], id: u16, name: &str, kind: u16) -> bool {
    let Some(asked) = question(id, name, kind) else {
        return false;
    };
    let echoed = bytes.get(HEADER..asked.len());
    let is_answer = bytes.get(2).is_some_and(|flags| flags & 0x80 != 0);
    bytes.get(..2) == asked.get(..2)
        && is_answer
        && echoed
            .zip(asked.get(HEADER..))
            .is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// The addresses in an answer, whatever chain of aliases leads to them; none when it is garbled.
fn parse(bytes: &[u8]) -> Option<Said> {
    match bytes.get(3)? & 0x0f {
        0 => {}
        NAME_ERROR => return Some(Said::NoSuchName),
        _ => return Some(Said::Nothing),
    }
    let count = u16::from_be_bytes([*bytes.get(6)?, *bytes.get(7)?]);
    let mut at = after_name(bytes, HEADER)? + 4;
    let mut found = Vec::new();
    for _ in 0..count {
        at = after_name(bytes, at)?;
        let kind = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
        let length = usize::from(u16::from_be_bytes([*bytes.get(at + 8)?, *bytes.get(at + 9)?]));
        let data = bytes.get(at + 10..at + 10 + length)?;
        match kind {
            A => found.extend(<[u8; 4]>::try_from(data).ok().map(IpAddr::from)),
            AAAA => found.extend(<[u8; 16]>::try_from(data).ok().map(IpAddr::from)),
            _ => {}
        }
        at += 10 + length;
    }
    Some(if found.is_empty() {
        Said::NoSuchName
    } else {
        Said::Addresses(found)
    })
}

/// Where a name ends: labels, then an empty one or a pointer to somewhere before.
fn after_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            pointer if pointer >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests;
