//! A way between two nodes that can be cut: carries TCP connections as long as it is whole.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// None once it is cut.
type Streams = Arc<Mutex<Option<Vec<TcpStream>>>>;

pub(crate) struct Relay {
    pub(crate) address: &'static str,
    streams: Streams,
}

impl Relay {
    /// None when the port is taken on this address.
    pub(crate) fn new(address: &'static str, target: &'static str, port: u16) -> Option<Relay> {
        let listener = TcpListener::bind((address, port)).ok()?;
        let streams: Streams = Arc::new(Mutex::new(Some(Vec::new())));
        let relay = Relay {
            address,
            streams: Arc::clone(&streams),
        };
        std::thread::spawn(move || {
            for near in listener.incoming() {
                carry(&streams, near.unwrap(), (target, port));
            }
        });
        Some(relay)
    }

    /// Ends every connection, and every later one as soon as it is made.
    pub(crate) fn cut(&self) {
        for stream in self.streams.lock().unwrap().take().unwrap_or_default() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Without a target the near end is just closed, as by a server that is away.
fn carry(streams: &Streams, near: TcpStream, target: (&str, u16)) {
    let mut whole = streams.lock().unwrap();
    let Some(streams) = whole.as_mut() else { return };
    let Ok(far) = TcpStream::connect(target) else { return };
    let pairs = [
        (near.try_clone().unwrap(), far.try_clone().unwrap()),
        (far.try_clone().unwrap(), near.try_clone().unwrap()),
    ];
    streams.extend([near, far]);
    for (mut from, mut to) in pairs {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
}
