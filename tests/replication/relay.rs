//! A way between two nodes that can be cut: carries TCP connections as long as it is whole.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::socket::{Backlog, listen};

/// None once it is cut.
type Streams = Arc<Mutex<Option<Vec<TcpStream>>>>;

pub(crate) struct Relay {
    pub(crate) address: &'static str,
    streams: Streams,
    listener: TcpListener,
    vanished: Arc<AtomicBool>,
    /// Nobody looks at these: they are in the way of others.
    unheard: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// None when the port is taken on this address.
    fn new(address: &'static str, target: &'static str, port: u16) -> Option<Relay> {
        let listener = TcpListener::bind((address, port)).ok()?;
        let streams: Streams = Arc::new(Mutex::new(Some(Vec::new())));
        let vanished = Arc::new(AtomicBool::new(false));
        let relay = Relay {
            address,
            streams: Arc::clone(&streams),
            listener: listener.try_clone().unwrap(),
            vanished: Arc::clone(&vanished),
            unheard: Mutex::default(),
        };
        std::thread::spawn(move || {
            for near in listener.incoming() {
                if vanished.load(Ordering::SeqCst) {
                    return std::mem::forget(near);
                }
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

    /// Ends every connection, and leaves every later attempt without an answer, as a host does that is off.
    pub(crate) fn vanish(&self) {
        self.vanished.store(true, Ordering::SeqCst);
        self.cut();
        // A queue of connections that nobody accepts takes no more once it is full.
        listen(&self.listener, Backlog::new(0).unwrap()).unwrap();
        let own = self.listener.local_addr().unwrap();
        while let Ok(stream) = TcpStream::connect_timeout(&own, Duration::from_millis(200)) {
            self.unheard.lock().unwrap().push(stream);
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

/// A port that is free on all addresses, and two ways to the first of them.
pub(crate) fn ways(addresses: &[&'static str; 3]) -> (u16, [Relay; 2]) {
    loop {
        let first = TcpListener::bind((addresses[0], 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let others: Result<Vec<TcpListener>, _> = addresses[1..]
            .iter()
            .map(|address| TcpListener::bind((*address, port)))
            .collect();
        let relays = ["127.0.0.5", "127.0.0.6"].map(|address| Relay::new(address, addresses[0], port));
        if let (Ok(_), [Some(one), Some(two)]) = (others, relays) {
            return (port, [one, two]);
        }
    }
}
