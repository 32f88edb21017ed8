//! A way into a node that needs no network: connections to a port of this machine are carried by `docker exec`.

use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::lab::{Lab, Node, Result};
use crate::screen::pause;

const PERIOD: Duration = Duration::from_millis(20);

/// As long as it is there, new connections are taken.
pub(crate) struct Console {
    /// For clients on this machine.
    pub(crate) address: String,
    closed: Arc<AtomicBool>,
}

impl Console {
    /// Opens a way from inside `node` to `target`, which is written as `socat` wants it.
    pub(crate) fn open(lab: &Lab, node: Node, target: &str) -> Result<Console> {
        let problem = |error: std::io::Error| format!("no port for a console: {error}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(problem)?;
        listener.set_nonblocking(true).map_err(problem)?;
        let address = listener.local_addr().map_err(problem)?.to_string();
        let closed = Arc::new(AtomicBool::new(false));
        let (lab, target, end) = (lab.clone(), target.to_owned(), Arc::clone(&closed));
        std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match listener.accept() {
                    // What becomes of it, its user sees.
                    Ok((near, _)) => drop(carry(&lab, node, &target, near)),
                    Err(_) => pause(PERIOD),
                }
            }
        });
        Ok(Console { address, closed })
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// Both directions end together, with the program between them.
fn carry(lab: &Lab, node: Node, target: &str, near: TcpStream) -> Option<()> {
    near.set_nonblocking(false).ok()?;
    near.set_nodelay(true).ok()?;
    let mut program = lab.tunnel(node, target).ok()?;
    let (mut input, mut output) = (program.stdin.take()?, program.stdout.take()?);
    let (mut from, mut to) = (near.try_clone().ok()?, near);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut input);
    });
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut output, &mut to);
        let _ = to.shutdown(Shutdown::Both);
        let _ = program.wait();
    });
    Some(())
}
