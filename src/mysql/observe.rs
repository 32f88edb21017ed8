//! Looks at the world: the local server, other servers, the votes. Changes nothing.

use std::time::Duration;

use super::config::Config;
use super::daemon;
use super::dialect::{self, mariadb};
use super::sql::{Address, Connection};
use super::state::{Answer, Liveness, Seen, Server, Vote};
use crate::cluster::Cluster;
use crate::error::{During, Error, Result};
use crate::ocf::log;
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
    match connect(config, limit).and_then(|mut connection| server(&mut connection)) {
        Ok(server) => Ok(Answer::Facts(Box::new(server))),
        // A password file that the agent refuses says nothing about the server.
        Err(error @ (Error::TooManyConnections(_) | Error::Sql { .. } | Error::NoPermission { .. })) => {
            Ok(Answer::Alive(error.to_string()))
        }
        Err(error @ Error::Connection { .. }) => Ok(Answer::Silent(error.to_string())),
        Err(other) => Err(other),
    }
}

/// Connects to the local server as the administrator.
pub(crate) fn connect(config: &Config, limit: Duration) -> Result<Connection> {
    Connection::open(&Address::Socket(config.socket.clone()), &config.admin.login()?, limit)
}

/// Reads everything that decisions need from a connected server.
///
/// # Errors
/// [`Error::NotInstalled`] when it is a server that baton does not support.
pub(crate) fn server(connection: &mut Connection) -> Result<Server> {
    let version = connection.row(mariadb::VERSION)?;
    dialect::identify(version.text(&["version"])?)?;
    // The replica's own status before the positions: what is received may only be counted too low, never too high.
    let replica = connection.rows(mariadb::REPLICA_STATUS)?;
    let variables = connection.row(mariadb::VARIABLES)?;
    let semi_sync = connection.rows(mariadb::SEMI_SYNC_STATUS)?;
    mariadb::server(&variables, replica.first(), &semi_sync)
}

/// What the server of another node says of itself, asked with the replication account. Of its replication only what
/// it has executed is known: the account may not see more.
pub(crate) fn remote(config: &Config, node: &str, limit: Duration) -> Result<Server> {
    let address = Address::Tcp {
        host: config.address_of(node),
        port: config.replication.port,
    };
    let login = config.replication.credentials.login()?;
    let variables = Connection::open(&address, &login, limit)
        .and_then(|mut connection| connection.row(mariadb::VARIABLES))
        .during(format!("asking {node} what it holds as {}", login.user))?;
    mariadb::server(&variables, None, &[])
}

/// Name of the private attribute that carries a vote.
pub(crate) fn vote_attribute(instance: &str) -> String {
    format!("baton-{instance}-vote")
}

/// The votes of the election that ends `epoch`; those of other elections are left out. A vote that cannot be read
/// counts as none: its node is named by the decision.
pub(crate) fn votes(cluster: &Cluster, instance: &str, epoch: u64) -> Result<Vec<(String, Vote)>> {
    let name = vote_attribute(instance);
    let all = cluster.private_of_all(&name)?;
    let read = all
        .into_iter()
        .filter_map(|(node, text)| match serde_json::from_str::<Vote>(&text) {
            Ok(vote) => Some((node, vote)),
            Err(error) => {
                log::warning(&format!("the vote of {node} cannot be read ({error}): {text}"));
                None
            }
        });
    Ok(read.filter(|(_, vote)| vote.epoch == epoch).collect())
}
