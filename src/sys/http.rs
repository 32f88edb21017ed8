//! A minimal HTTP client for services of this machine that listen on a Unix socket, such as a container engine.
//!
//! One request per connection, one deadline for all of it, bounded sizes. No TLS, no redirects, no keep-alive: this
//! is not for the network. It never interprets a status: whoever asked knows which ones mean success.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;

/// The list of a host with thousands of containers fits; an endless answer does not.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;
const MOST_HEADERS: usize = 64;
const CONNECT_STEP: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

impl Method {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends one request without a body to the server on a Unix socket and returns its whole answer.
///
/// # Errors
/// [`Error::NoPermission`] and [`Error::Connection`] when it cannot be reached, [`Error::Timeout`] when it does not
/// answer in time, [`Error::Unexpected`] when the answer is cut off, too long, or no HTTP.
pub(crate) fn over_unix_socket(path: &Path, method: Method, target: &str, deadline: Deadline) -> Result<Response> {
    let from = path.display().to_string();
    let mut stream = open(path, deadline)?;
    let request = format!(
        "{} {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: baton/{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        method.word(),
        env!("CARGO_PKG_VERSION")
    );
    stream
        .set_write_timeout(Some(wait(deadline)))
        .and_then(|()| stream.write_all(request.as_bytes()))
        .map_err(|error| broken(&from, &error, deadline))?;
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = receive(&mut stream, &mut buffer, deadline).map_err(|error| broken(&from, &error, deadline))?;
        received.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let unexpected = |got: String| Error::Unexpected {
            from: from.clone(),
            got,
        };
        if received.len() > LONGEST_ANSWER {
            return Err(unexpected(format!("more than {LONGEST_ANSWER} bytes")));
        }
        match answer(&received, count == 0).map_err(unexpected)? {
            Some(response) => return Ok(response),
            None if count == 0 => return Err(unexpected("the connection ended within the answer".to_owned())),
            None => {}
        }
    }
}

/// Connects without ever blocking: a server that is stopped with a full backlog would hold a blocking connect for ever.
fn open(path: &Path, deadline: Deadline) -> Result<UnixStream> {
    let address = path.display().to_string();
    let failed = |errno: Errno| {
        if matches!(errno, Errno::EACCES | Errno::EPERM) {
            return Error::NoPermission {
                what: format!("the socket {address}"),
                hint: "run this as root".to_owned(),
            };
        }
        Error::Connection {
            address: address.clone(),
            message: errno.desc().to_owned(),
        }
    };
    let name = UnixAddr::new(path).map_err(failed)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(failed)?;
    deadline.poll(&format!("a connection to {address}"), CONNECT_STEP, || {
        match connect(socket.as_raw_fd(), &name) {
            Ok(()) => Ok(Some(())),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(failed(errno)),
        }
    })?;
    let stream = UnixStream::from(socket);
    stream
        .set_nonblocking(false)
        .map_err(|error| broken(&address, &error, deadline))?;
    Ok(stream)
}

fn receive(stream: &mut UnixStream, buffer: &mut [u8], deadline: Deadline) -> std::io::Result<usize> {
    loop {
        if deadline.expired() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(wait(deadline)))?;
        match stream.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What is left of the deadline; a socket takes no timeout of zero.
fn wait(deadline: Deadline) -> Duration {
    deadline.remaining().max(Duration::from_millis(1))
}

fn broken(address: &str, error: &std::io::Error, deadline: Deadline) -> Error {
    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
        return deadline.timeout(format!("an answer from {address}"));
    }
    Error::Connection {
        address: address.to_owned(),
        message: error.to_string(),
    }
}

/// The answer in these bytes; none while it is incomplete. `ended`: no more bytes will come.
fn answer(bytes: &[u8], ended: bool) -> std::result::Result<Option<Response>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("no HTTP ({error})")),
    };
    let status = head.code.ok_or("no HTTP status")?;
    let body = bytes.get(length..).unwrap_or_default();
    let header = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    };
    let body = if status == 204 || status == 304 {
        Some(Vec::new())
    } else if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        unchunk(body)?
    } else if let Some(text) = header("content-length") {
        let length: usize = text.parse().map_err(|_| format!("content-length {text}"))?;
        body.get(..length).map(<[u8]>::to_vec)
    } else {
        ended.then(|| body.to_vec())
    };
    Ok(body.map(|body| Response { status, body }))
}

/// Decodes a chunked body; none while its last chunk is missing.
fn unchunk(mut rest: &[u8]) -> std::result::Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("a chunk without a size".to_owned()),
        };
        if size == 0 {
            return Ok(Some(body));
        }
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
        let end = end.filter(|end| *end <= LONGEST_ANSWER).ok_or("a chunk too long")?;
        let Some(chunk) = rest.get(start..end) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        match rest.get(end..end + 2) {
            Some(b"\r\n") => rest = rest.get(end + 2..).unwrap_or_default(),
            Some(_) => return Err("a chunk without an end".to_owned()),
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> (u16, String) {
        let response = answer(text.as_bytes(), true).unwrap().unwrap();
        (response.status, String::from_utf8(response.body).unwrap())
    }

    #[test]
    fn a_body_ends_at_its_length_its_last_chunk_or_the_end_of_the_connection() {
        let expected = (200, "hello".to_owned());
        assert_eq!(whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), expected);
        assert_eq!(
            whole("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
            expected
        );
        assert_eq!(whole("HTTP/1.0 200 OK\r\n\r\nhello"), expected);
        assert_eq!(whole("HTTP/1.1 204 No Content\r\n\r\n"), (204, String::new()));
    }

    #[test]
    fn every_beginning_of_an_answer_is_incomplete() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ] {
            for end in 0..text.len() {
                assert_eq!(answer(&text.as_bytes()[..end], true), Ok(None), "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn what_is_no_http_is_an_error() {
        assert!(answer(b"SSH-2.0-OpenSSH_9.2\r\n", false).is_err());
        assert!(answer(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", false).is_err());
        assert!(answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false).is_err());
        assert!(unchunk(b"ffffffffffffffff\r\n").is_err());
        assert!(unchunk(b"2\r\nabcd").is_err());
    }

    #[test]
    fn a_server_that_accepts_nothing_cannot_hold_us() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stalled.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let deadline = Deadline::after(Duration::from_millis(60));
        let error = over_unix_socket(&path, Method::Get, "/", deadline).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(deadline.age() < Duration::from_secs(2));
    }

    #[test]
    fn a_full_backlog_cannot_hold_us() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("full.sock");
        let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
        nix::sys::socket::bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        let mut held = Vec::new();
        let error = loop {
            match open(&path, Deadline::after(Duration::from_millis(60))) {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(held.len() < 10);
    }
}
