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

    /// The one that may look at replication.
    pub(crate) fn replica(lab: &Lab) -> Result<Account> {
        let password = lab.exec_anywhere(&["cat", "/etc/baton/replication.password"])?;
        Ok(Account {
            user: "replica",
            password: password.trim().to_owned(),
        })
    }
}

pub(crate) fn connect(address: &str, account: &Account, limit: Duration) -> mysql::Result<Conn> {
    connect_within(address, account, limit, limit)
}

/// Waits up to `connect` for the connection, and up to `limit` for every answer.
pub(crate) fn connect_within(
    address: &str,
    account: &Account,
    connect: Duration,
    limit: Duration,
) -> mysql::Result<Conn> {
    let options = OptsBuilder::new()
        .ip_or_hostname(Some(address))
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
