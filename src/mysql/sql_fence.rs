//! Closes the server of another node while its power is being switched off: no commit, no client. Run by fence_baton as a
//! program of its own, so that whatever hangs here can be ended at any moment and holds up nothing.
//!
//! Never a proof: a server that obeys now may have committed a moment ago, and one that was not reached may still run.
//! The same order as in a demotion, so that no client is told OK that would not have been. See [`super::closing`].

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;

use super::closing;
use super::credentials::Secret;
use super::dialect;
use super::node::Database;
use super::sql::{Address, Connection, Login};
use crate::error::{During, Error, Result, seconds};
use crate::sys::deadline::Deadline;
use crate::sys::files;

const LONGEST_ORDER: u64 = 64 * 1024;

/// What fence_baton writes to our stdin.
#[derive(Debug, Deserialize)]
struct Order {
    host: String,
    port: u16,
    user: String,
    password_file: Option<std::path::PathBuf>,
    limit_ms: u64,
    /// Only look whether it could be done.
    dry: bool,
}

/// Says in one line what came of it; the exit status is 0 if the server is closed, or could be.
pub(crate) fn main(_: &[String]) -> ExitCode {
    let (text, code) = match order().and_then(|order| carry_out(&order)) {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(error) => (error.to_string(), ExitCode::FAILURE),
    };
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}

fn order() -> Result<Order> {
    let mut text = String::new();
    let read = std::io::stdin().take(LONGEST_ORDER).read_to_string(&mut text);
    read.map_err(|error| Error::os("reading the order from stdin", error))?;
    serde_json::from_str(&text).map_err(|error| Error::State(format!("the order on stdin is not understood: {error}")))
}

fn carry_out(order: &Order) -> Result<String> {
    let deadline = Deadline::after(Duration::from_millis(order.limit_ms));
    let password = order.password_file.as_ref();
    let password = password
        .map(|path| files::read_secret("sql_fence_password_file", path))
        .transpose()?;
    let login = Login {
        user: order.user.clone(),
        password: password.map(Secret::new),
        tls: None,
    };
    let mut last = Err(Error::Connection {
        address: order.host.clone(),
        message: "the name has no address".to_owned(),
    });
    for address in Address::of(&order.host, order.port, &login, deadline)? {
        let connect = || Connection::open(&address, &login, deadline.remaining()).and_then(dialect::database);
        last = match order.dry {
            true => look(connect),
            false => close(connect, deadline),
        };
        if last.is_ok() || deadline.expired() {
            break;
        }
    }
    last
}

fn close(connect: impl Fn() -> Result<Box<dyn Database + Send>>, deadline: Deadline) -> Result<String> {
    let mut closer = connect()?;
    let mut killer = connect()?;
    let events = closer.run_events(false);
    closing::close(closer, killer.as_mut(), deadline)?;
    killer
        .end_sessions(&[])
        .during("read-only now, but ending its sessions failed")?;
    if !killer.observe_as_peer()?.closed {
        return Err(Error::State(
            "read_only is off although it was just switched on".to_owned(),
        ));
    }
    let remark = events
        .err()
        .map(|error| format!("; its events go on: {error}"))
        .unwrap_or_default();
    Ok(format!(
        "read-only, its sessions ended, after {}{remark}",
        seconds(deadline.age())
    ))
}

/// Changes nothing. Whether the account may do more than look, only a fencing shows.
fn look(connect: impl Fn() -> Result<Box<dyn Database + Send>>) -> Result<String> {
    let server = connect()?.observe_as_peer()?;
    let state = if server.closed { "read-only" } else { "accepts writes" };
    Ok(format!("reached as this account, {state}"))
}
