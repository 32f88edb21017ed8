//! Stops replication from a source whose host may be gone.
//!
//! A receiver that waits for a host which does not answer does not hear of the order to stop before its attempt to connect
//! ends, `slave_net_timeout` later (MariaDB 11.8 and MySQL 9.7: 2 to 5 s in the lab), and then a semi-synchronous one of
//! MariaDB tries once more, to end its former session there. Nobody would answer: the kernel ends these attempts.
//!
//! A kernel that cannot do that costs this time and nothing else.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::node::Database;
use crate::error::Result;
use crate::ocf::log;
use crate::sys::process::Process;
use crate::sys::sockets::Attempts;

/// An attempt that lasts longer than this is vain: the way to the next server and back is shorter.
const PATIENCE: Duration = Duration::from_millis(50);

/// Stops receiver and applier of the local server, which is this process. `port` is that of all sources.
pub(super) fn stop_replication(database: &mut dyn Database, server: Process, port: u16) -> Result<()> {
    std::thread::scope(|scope| {
        let (stopped, stopping) = channel::<()>();
        scope.spawn(move || abort_attempts(server, port, &stopping));
        let result = database.stop_replication();
        drop(stopped);
        result
    })
}

fn abort_attempts(server: Process, port: u16, stopping: &Receiver<()>) {
    let mut attempts = match Attempts::of(server, port) {
        Ok(attempts) => attempts,
        Err(error) => return log::debug(&format!("attempts to connect are not aborted: {error}")),
    };
    while stopping.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
        match attempts.abort_known() {
            Ok(0) => {}
            Ok(_) => log::debug("aborted the receiver's attempt to connect to a source that does not answer"),
            Err(error) => return log::debug(&format!("attempts to connect are not aborted: {error}")),
        }
    }
}
