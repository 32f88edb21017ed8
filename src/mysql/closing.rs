//! Makes a server read-only in spite of whatever holds that up: commits that wait for an acknowledgement, long
//! statements, locks. Two connections, because the statement on the one blocks while the other removes what blocks it.

use std::time::Duration;

use super::config::Config;
use super::node::Database;
use super::observe;
use crate::error::{During, Error, Result};
use crate::sys::deadline::Deadline;

/// How long commits in progress may take to get their acknowledgement before their sessions are ended: a session that is
/// ended leaves a transaction behind that nobody confirmed.
const GRACE: Duration = Duration::from_millis(300);
/// Between two rounds of ending sessions: new ones may have come.
const ROUND: Duration = Duration::from_millis(50);

/// Returns once no write is accepted.
///
/// # Errors
/// When that is not so at the deadline; then it may come about later, or never.
pub(super) fn make_read_only(config: &Config, deadline: Deadline) -> Result<()> {
    let mut closer = observe::connect(config, deadline.remaining())?;
    let mut killer = observe::connect(config, deadline.remaining())?;
    closer.run_events(false)?;
    close(closer, killer.as_mut(), deadline)
}

/// The same through these connections.
pub(super) fn close(mut closer: Box<dyn Database + Send>, killer: &mut dyn Database, deadline: Deadline) -> Result<()> {
    let session = closer.session();
    let limit = deadline.remaining();
    let closing = std::thread::spawn(move || closer.make_read_only(limit));
    let grace = deadline.within(GRACE);
    while !closing.is_finished() && !deadline.expired() {
        if grace.expired() {
            killer.end_sessions(&[session])?;
            deadline.pause(ROUND);
        } else {
            grace.pause(Duration::from_millis(2));
        }
    }
    if !closing.is_finished() {
        return Err(deadline.timeout("the end of all writes (SET GLOBAL read_only=ON)"));
    }
    match closing.join() {
        Ok(result) => result.during("closing the server for writes"),
        Err(_) => Err(Error::State("closing the server for writes: internal error".to_owned())),
    }
}
