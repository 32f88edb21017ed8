//! ocf:baton:mysql where MariaDB is unlike MySQL: its privileges, its relay logs, and its crash recovery.
//!
//! The servers are those of tests/replication. Needs root and the Debian package mariadb-server.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

mod support;

#[allow(dead_code, reason = "tests/replication uses all of it")]
#[path = "replication/archived.rs"]
mod archived;
#[allow(dead_code, reason = "tests/replication uses all of it")]
#[path = "replication/lab.rs"]
mod lab;
#[allow(dead_code, reason = "tests/replication uses all of it")]
#[path = "replication/load.rs"]
mod load;
#[allow(dead_code, reason = "tests/replication uses all of it")]
#[path = "replication/relay.rs"]
mod relay;
#[allow(dead_code, reason = "tests/replication uses all of it")]
#[path = "replication/transition.rs"]
mod transition;

#[path = "on_mariadb/accounts.rs"]
mod accounts;
#[path = "on_mariadb/archive.rs"]
mod archive;
#[path = "on_mariadb/facts.rs"]
mod facts;
#[path = "on_mariadb/recovery.rs"]
mod recovery;
#[path = "on_mariadb/relay_log.rs"]
mod relay_log;
