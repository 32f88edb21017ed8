//! Connections to the lab's servers. Every answer has a time limit.

use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};

use crate::lab::{Lab, Node, Result};

#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) user: &'static str,
    pub(crate) password: String,
}

impl Account {
    /// The client's.
    pub(crate) fn app() -> Account {
        Account {
            user: "app",
            password: "app".to_owned(),
        }
    }

    /// One that may do everything, from everywhere.
    pub(crate) fn administrator() -> Account {
        Account {
            user: "root",
            password: "administrator".to_owned(),
        }
    }
}

pub(crate) fn connect(address: &str, account: &Account, limit: Duration) -> mysql::Result<Conn> {
    connect_within(address, account, limit, limit)
}

/// Waits up to `connect` for the connection, and up to `limit` for every answer. The address may name a port.
pub(crate) fn connect_within(
    address: &str,
    account: &Account,
    connect: Duration,
    limit: Duration,
) -> mysql::Result<Conn> {
    // An IPv6 address has several colons, and never a port here.
    let named = address.split_once(':').filter(|(_, port)| !port.contains(':'));
    let (host, port) = named.unwrap_or((address, "3306"));
    let options = OptsBuilder::new()
        .ip_or_hostname(Some(host))
        .tcp_port(port.parse().unwrap_or(3306))
        .user(Some(account.user))
        .pass(Some(&account.password))
        .prefer_socket(false)
        .tcp_connect_timeout(Some(connect))
        .read_timeout(Some(limit))
        .write_timeout(Some(limit))
        // Known beforehand, so that connecting does not ask for it.
        .max_allowed_packet(Some(1 << 24))
        .stmt_cache_size(Some(0));
    Conn::new(options)
}

/// A connection for questions after the fact, where an answer may take its time.
pub(crate) fn visit(lab: &Lab, node: Node, account: &Account) -> Result<Conn> {
    connect(&lab.address(node), account, Duration::from_secs(10)).map_err(|error| format!("{node}: {error}"))
}

/// The first row of an answer, or an error that names the node.
pub(crate) fn ask<T: mysql::prelude::FromRow>(connection: &mut Conn, node: Node, question: &str) -> Result<T> {
    connection
        .query_first(question)
        .map_err(|error| format!("{node}: {error}"))?
        .ok_or_else(|| format!("{node}: no answer to {question}"))
}

/// Carries out statements that are separated by semicolons, in one session.
pub(crate) fn run(connection: &mut Conn, node: Node, statements: &str) -> Result<()> {
    for statement in statements.split(';').map(str::trim).filter(|text| !text.is_empty()) {
        connection
            .query_drop(statement)
            .map_err(|error| format!("{node}: {statement}: {error}"))?;
    }
    Ok(())
}

/// Makes the administrator's account on the primary, and so on all. Until it is there, `root` is asked.
pub(crate) fn make_administrator(lab: &Lab) -> Result<()> {
    let Account { user, password } = Account::administrator();
    let statements =
        format!("CREATE USER IF NOT EXISTS {user}@'%' IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO {user}@'%'");
    for node in Node::ALL {
        let ask = |words: &str| {
            lab.exec(
                node,
                &[lab.family().client(), "--skip-column-names", "--execute", words],
            )
        };
        if ask("SELECT @@GLOBAL.read_only")?.trim() == "0" {
            return ask(&statements).map(drop);
        }
    }
    Err("no server is writable".to_owned())
}
