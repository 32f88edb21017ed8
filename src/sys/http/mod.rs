//! A minimal HTTP client: container engines on a Unix socket, management controllers and clouds over TLS.
//!
//! One request per connection, one deadline for all of it (name, connection, handshake, answer), bounded sizes. No
//! redirects, no proxy, no keep-alive. It never interprets a status: whoever asked knows which ones mean success.

mod answer;
mod stream;

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;
use crate::sys::resolve;
use crate::sys::tls::Trust;
pub(crate) use answer::Response;
use stream::Connection;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Delete,
}

impl Method {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        }
    }
}

/// One request. Not printable: a header may hold a secret.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Path and query, appended to the path of the server's URL.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// JSON.
    pub(crate) body: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, target: &'a str) -> Request<'a> {
        Request {
            method,
            target,
            headers: &[],
            body: None,
        }
    }

    fn bytes(&self, host: &str, base: &str) -> Result<Vec<u8>> {
        let Request { method, target, .. } = self;
        // A line break in a value would make two headers of one.
        let clean = |text: &str| !text.contains(char::is_control);
        let headers = self.headers.iter().all(|(name, value)| clean(name) && clean(value));
        if !headers || target.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(Error::State(format!(
                "a request to {host} was not sent: its path has a blank, or a header has a line break"
            )));
        }
        let body = self.body.unwrap_or_default();
        let mut text = format!(
            "{} {base}{target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: baton/{}\r\nAccept: application/json\r\n",
            method.word(),
            env!("CARGO_PKG_VERSION")
        );
        for (name, value) in self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.body.is_some() {
            text.push_str("Content-Type: application/json\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n", body.len()));
        text.push_str("\r\n");
        Ok([text.as_bytes(), body].concat())
    }
}

/// A service that speaks HTTP.
#[derive(Clone)]
pub(crate) struct Server {
    at: At,
    /// For people.
    name: String,
    /// The value of the Host header.
    host: String,
    /// The path of its URL, without a slash at the end.
    base: String,
}

#[derive(Clone)]
enum At {
    Unix(PathBuf),
    Tcp {
        host: String,
        port: u16,
        tls: Option<Arc<ClientConfig>>,
        /// Which of the host's addresses may be used.
        keep: fn(&SocketAddr) -> bool,
        /// Addresses that it had some time ago: tried first, so that no name server is needed. Forgotten when they do
        /// not lead to the server any more, and a name server is there to say better ones.
        known: RefCell<Vec<SocketAddr>>,
    },
}

/// The parts of a URL that this client understands.
#[derive(Debug, PartialEq, Eq)]
struct Url<'a> {
    secure: bool,
    host: &'a str,
    port: u16,
    authority: &'a str,
    base: &'a str,
}

impl Server {
    /// A service of this machine.
    pub(crate) fn unix(path: &Path) -> Server {
        Server {
            at: At::Unix(path.to_owned()),
            name: path.display().to_string(),
            host: "localhost".to_owned(),
            base: String::new(),
        }
    }

    /// A service on the network: `https://HOST[:PORT][/PATH]`, or `http://` without TLS. Reads the certificates that
    /// `trust` names.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming `parameter` when it is no such URL; any of [`Trust::config`].
    pub(crate) fn at(parameter: &str, url: &str, trust: &Trust) -> Result<Server> {
        let allowed = "must be a URL such as https://api.example:8443/path";
        let parts = parse(url).ok_or_else(|| Error::parameter(parameter, url, allowed))?;
        if parts.secure && ServerName::try_from(parts.host).is_err() {
            return Err(Error::parameter(parameter, url, allowed));
        }
        let tls = parts.secure.then(|| trust.config()).transpose()?;
        Ok(Server {
            name: parts.authority.to_owned(),
            host: parts.authority.to_owned(),
            base: parts.base.to_owned(),
            at: At::Tcp {
                host: parts.host.to_owned(),
                port: parts.port,
                tls,
                keep: |_| true,
                known: RefCell::default(),
            },
        })
    }

    /// The same server, at those of its addresses only that `keep` accepts.
    pub(crate) fn only(mut self, keep: fn(&SocketAddr) -> bool) -> Server {
        if let At::Tcp { keep: kept, .. } = &mut self.at {
            *kept = keep;
        }
        self
    }

    /// Remembers addresses that it had some time ago.
    pub(crate) fn know(&self, addresses: Vec<SocketAddr>) {
        if let At::Tcp { known, .. } = &self.at {
            *known.borrow_mut() = addresses;
        }
    }

    /// The addresses that its name has now; none for a socket.
    pub(crate) fn addresses(&self, deadline: Deadline) -> Result<Vec<SocketAddr>> {
        match &self.at {
            At::Unix(_) => Ok(Vec::new()),
            At::Tcp { host, port, keep, .. } => {
                let mut addresses = resolve::addresses(host, *port, deadline)?;
                addresses.retain(keep);
                Ok(addresses)
            }
        }
    }

    /// The server as people know it: a path, or `host[:port]`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether nobody else can read what is sent there: TLS, or this machine itself.
    pub(crate) fn is_private(&self) -> bool {
        match &self.at {
            At::Unix(_) | At::Tcp { tls: Some(_), .. } => true,
            At::Tcp { host, tls: None, .. } => match host.parse::<std::net::IpAddr>() {
                Ok(ip) => ip.is_loopback(),
                Err(_) => host == "localhost",
            },
        }
    }

    /// Sends one request and returns the whole answer.
    ///
    /// # Errors
    /// [`Error::NoPermission`] and [`Error::Connection`] when it cannot be reached or is not trusted, [`Error::Timeout`]
    /// when it does not answer in time, [`Error::Unexpected`] when the answer is cut off, too long, or no HTTP.
    pub(crate) fn send(&self, request: &Request<'_>, deadline: Deadline) -> Result<Response> {
        let bytes = request.bytes(&self.host, &self.base)?;
        match &self.at {
            At::Unix(path) => self.exchange(stream::unix(path, deadline)?, &bytes, deadline),
            At::Tcp { known, .. } => {
                let before = known.borrow().clone();
                if before.is_empty() {
                    return self.converse(&self.addresses(deadline)?, &bytes, deadline);
                }
                match self.at_known(&before, request.method, &bytes, deadline) {
                    Ok(answered) => answered,
                    Err(missed) => {
                        let addresses = self.addresses(deadline).map_err(|_| missed)?;
                        known.borrow_mut().clear();
                        self.converse(&addresses, &bytes, deadline)
                    }
                }
            }
        }
    }

    /// Asks where the server was some time ago. An error says that it may be elsewhere now, and that asking there does
    /// not repeat an order: nothing was ordered yet.
    fn at_known(
        &self,
        known: &[SocketAddr],
        method: Method,
        bytes: &[u8],
        deadline: Deadline,
    ) -> Result<Result<Response>> {
        let half = deadline.within(deadline.remaining() / 2);
        let stream = self.connect(known, half)?.until(deadline);
        match self.exchange(stream, bytes, deadline) {
            Err(error) if method == Method::Get => Err(error),
            answered => Ok(answered),
        }
    }

    fn converse(&self, addresses: &[SocketAddr], bytes: &[u8], deadline: Deadline) -> Result<Response> {
        self.exchange(self.connect(addresses, deadline)?, bytes, deadline)
    }

    /// A connection over which a request can be sent: behind the handshake, if there is one.
    fn connect(&self, addresses: &[SocketAddr], deadline: Deadline) -> Result<Connection> {
        let stream = stream::tcp(&self.name, addresses, deadline)?;
        match &self.at {
            At::Tcp {
                host,
                tls: Some(config),
                ..
            } => self.secured(host, config, stream, deadline),
            At::Tcp { .. } | At::Unix(_) => Ok(Connection::Plain(stream)),
        }
    }

    fn secured(
        &self,
        host: &str,
        config: &Arc<ClientConfig>,
        mut stream: stream::Timed<TcpStream>,
        deadline: Deadline,
    ) -> Result<Connection> {
        let failed = |message: String| Error::Connection {
            address: self.name.clone(),
            message,
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(|error| failed(error.to_string()))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)
                .map_err(|error| self.broken(&error, deadline))?;
        }
        Ok(Connection::Secured(Box::new(StreamOwned::new(tls, stream))))
    }

    fn exchange(&self, mut stream: impl Read + Write, request: &[u8], deadline: Deadline) -> Result<Response> {
        let sent = stream.write_all(request).and_then(|()| stream.flush());
        sent.map_err(|error| self.broken(&error, deadline))?;
        let unexpected = |got: String| Error::Unexpected {
            from: self.name.clone(),
            got,
        };
        let mut received = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = match stream.read(&mut buffer) {
                // TLS without a word of farewell: whether the answer is whole is seen below.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
                result => result.map_err(|error| self.broken(&error, deadline))?,
            };
            received.extend_from_slice(buffer.get(..count).unwrap_or_default());
            if received.len() > answer::LONGEST {
                return Err(unexpected(format!("more than {} bytes", answer::LONGEST)));
            }
            match answer::parse(&received, count == 0).map_err(unexpected)? {
                Some(response) => return Ok(response),
                None if count == 0 => return Err(unexpected("the connection ended within the answer".to_owned())),
                None if deadline.expired() => return Err(self.late(deadline)),
                None => {}
            }
        }
    }

    fn late(&self, deadline: Deadline) -> Error {
        deadline.timeout(format!("an answer from {}", self.name))
    }

    fn broken(&self, error: &std::io::Error, deadline: Deadline) -> Error {
        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            return self.late(deadline);
        }
        Error::Connection {
            address: self.name.clone(),
            message: error.to_string(),
        }
    }
}

fn parse(url: &str) -> Option<Url<'_>> {
    let (secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return None,
    };
    let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let port = match port {
        "" if secure => 443,
        "" => 80,
        text => text.parse().ok()?,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    let fine = !host.is_empty() && host.chars().all(plain) && !base.contains(|c: char| "?# \r\n".contains(c));
    fine.then_some(Url {
        secure,
        host,
        port,
        authority,
        base: base.trim_end_matches('/'),
    })
}

#[cfg(test)]
mod tests;
