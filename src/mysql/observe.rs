//! Looks at servers: the local one, those of other nodes. Changes nothing.

use std::time::Duration;

use super::config::Config;
use super::daemon;
use super::dialect;
use super::disk;
use super::node::Database;
use super::sql::{Address, Connection, Login};
use super::state::{Answer, Liveness, Seen, Server};
use crate::error::{During, Error, Result};
use crate::sys::deadline::Deadline;

/// A killed server is usually gone after this time; waiting longer would delay its successor.
const DYING: Duration = Duration::from_millis(200);

/// Looks at the local server: process first, then what it answers within `limit`.
pub(crate) fn local(config: &Config, limit: Duration) -> Result<Seen> {
    match daemon::find_living(&config.datadir, Deadline::after(limit.min(DYING)))? {
        Liveness::Absent => Ok(Seen::Absent),
        Liveness::Running(process) => Ok(Seen::Running(process, answer(config, limit)?)),
    }
}

fn answer(config: &Config, limit: Duration) -> Result<Answer> {
    match connect(config, limit).and_then(|mut database| database.observe()) {
        Ok(mut server) => {
            server.disk = disk::room(config, &server);
            if let Some(accounts) = &mut server.bypassing {
                accounts.retain(|account| !config.trusts(account));
            }
            Ok(Answer::Facts(Box::new(server)))
        }
        // A password file that the agent refuses says nothing about the server.
        Err(error @ (Error::TooManyConnections(_) | Error::Sql { .. } | Error::NoPermission { .. })) => {
            Ok(Answer::Alive(error.to_string()))
        }
        Err(error @ Error::Connection { .. }) => Ok(Answer::Silent(error.to_string())),
        Err(other) => Err(other),
    }
}

/// Connects to the local server as the administrator.
///
/// # Errors
/// [`Error::NotInstalled`] when it is a server that baton does not support.
pub(crate) fn connect(config: &Config, limit: Duration) -> Result<Box<dyn Database + Send>> {
    dialect::database(connect_raw(config, limit)?)
}

/// The same, for statements that only one family has.
pub(super) fn connect_raw(config: &Config, limit: Duration) -> Result<Connection> {
    let address = Address::Socket(config.socket.clone());
    Connection::open(&address, &config.admin.login()?, limit)
}

/// What the server of another node says of itself, asked with the replication account.
pub(crate) fn remote(config: &Config, node: &str, limit: Duration) -> Result<Server> {
    let replication = &config.replication;
    let login = replication.credentials.login()?;
    let deadline = Deadline::after(limit);
    reach(&config.address_of(node), replication.port, &login, deadline)
        .and_then(dialect::database)
        .and_then(|mut database| database.observe_as_peer())
        .during(format!("asking {node} what it holds as {}", login.user))
}

/// Connects to the first address of a host where a server answers, be it that it refuses.
fn reach(host: &str, port: u16, login: &Login, deadline: Deadline) -> Result<Connection> {
    let mut reached = Err(deadline.timeout(format!("reaching {host}")));
    for address in Address::of(host, port, login, deadline)? {
        reached = Connection::open(&address, login, deadline.remaining());
        if !matches!(reached, Err(Error::Connection { .. })) || deadline.expired() {
            break;
        }
    }
    reached
}
