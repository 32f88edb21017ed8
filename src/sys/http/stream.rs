//! Connections that end at a deadline: every step waits for the kernel with `poll`, never in a call that cannot end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, UnixAddr, connect, getsockopt, socket, sockopt,
};
use rustls::{ClientConnection, StreamOwned};

use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;

const CONNECT_STEP: Duration = Duration::from_millis(20);

/// A non-blocking stream whose reads and writes end at the deadline, with [`ErrorKind::TimedOut`].
pub(super) struct Timed<S> {
    inner: S,
    deadline: Deadline,
}

impl<S: AsFd> Timed<S> {
    fn wait(&self, events: PollFlags) -> std::io::Result<()> {
        self.deadline.ready(&self.inner, events)
    }
}

impl<S: Read + AsFd> Read for Timed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::POLLIN)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl<S: Write + AsFd> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        loop {
            match self.inner.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(PollFlags::POLLOUT)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A connection to a server on the network.
pub(super) enum Connection {
    Plain(Timed<TcpStream>),
    Secured(Box<StreamOwned<ClientConnection, Timed<TcpStream>>>),
}

impl Connection {
    /// The same connection with another deadline.
    pub(super) fn until(mut self, deadline: Deadline) -> Connection {
        match &mut self {
            Connection::Plain(stream) => stream.deadline = deadline,
            Connection::Secured(stream) => stream.sock.deadline = deadline,
        }
        self
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Connection::Plain(stream) => stream.read(buffer),
            Connection::Secured(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Connection::Plain(stream) => stream.write(bytes),
            Connection::Secured(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Connection::Plain(stream) => stream.flush(),
            Connection::Secured(stream) => stream.flush(),
        }
    }
}

/// Connects without ever blocking: a server that is stopped with a full backlog would hold a blocking connect for ever.
pub(super) fn unix(path: &Path, deadline: Deadline) -> Result<Timed<UnixStream>> {
    let address = path.display().to_string();
    let failed = |errno: Errno| {
        if matches!(errno, Errno::EACCES | Errno::EPERM) {
            return Error::NoPermission {
                what: format!("the socket {address}"),
                hint: "run this as root".to_owned(),
            };
        }
        refused(&address, errno)
    };
    let name = UnixAddr::new(path).map_err(failed)?;
    let socket = open(AddressFamily::Unix).map_err(failed)?;
    deadline.poll(&format!("a connection to {address}"), CONNECT_STEP, || {
        match connect(socket.as_raw_fd(), &name) {
            Ok(()) => Ok(Some(())),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(errno) => Err(failed(errno)),
        }
    })?;
    Ok(Timed {
        inner: UnixStream::from(socket),
        deadline,
    })
}

/// Connects to the first of the addresses that answers; each gets its share of the time. `name` is for errors.
pub(super) fn tcp(name: &str, addresses: &[SocketAddr], deadline: Deadline) -> Result<Timed<TcpStream>> {
    let mut last = Error::Connection {
        address: name.to_owned(),
        message: "the name has no address".to_owned(),
    };
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match tcp_to(name, *address, deadline.within(deadline.remaining() / left)) {
            Ok(stream) => {
                return Ok(Timed {
                    inner: stream,
                    deadline,
                });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn tcp_to(name: &str, address: SocketAddr, deadline: Deadline) -> Result<TcpStream> {
    let shown = if name.starts_with(&address.ip().to_string()) {
        name.to_owned()
    } else {
        format!("{name} ({address})")
    };
    let failed = |errno: Errno| refused(&shown, errno);
    let family = if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let socket = open(family).map_err(failed)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) => {}
        Err(Errno::EINPROGRESS | Errno::EINTR) => {
            deadline
                .ready(&socket, PollFlags::POLLOUT)
                .map_err(|_| deadline.timeout(format!("a connection to {shown}")))?;
            let error = getsockopt(&socket, sockopt::SocketError).map_err(failed)?;
            if error != 0 {
                return Err(failed(Errno::from_raw(error)));
            }
        }
        Err(errno) => return Err(failed(errno)),
    }
    let stream = TcpStream::from(socket);
    // One small request, one answer: nothing to collect.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn open(family: AddressFamily) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(family, SockType::Stream, flags, None)
}

fn refused(address: &str, errno: Errno) -> Error {
    Error::Connection {
        address: address.to_owned(),
        message: errno.desc().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_full_backlog_cannot_hold_us() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("full.sock");
        let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
        nix::sys::socket::bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        let mut held = Vec::new();
        let error = loop {
            match unix(&path, Deadline::after(Duration::from_millis(60))) {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(held.len() < 10);
    }

    #[test]
    fn an_address_that_refuses_does_not_hide_the_next_one() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [closed, open.local_addr().unwrap()];
        let deadline = Deadline::after(Duration::from_secs(10));
        tcp("api.example", &addresses, deadline).map(|_| ()).unwrap();
        let error = tcp("api.example", &addresses[..1], deadline).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("api.example (127.0.0.1:"), "{error}");
        assert!(tcp("api.example", &[], deadline).is_err());
    }
}
