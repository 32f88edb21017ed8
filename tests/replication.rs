//! ocf:baton:mysql with three real servers that replicate: elections, divergence, and what stops replication.
//!
//! Each test has its own servers, on one port of three loopback addresses, and is their Pacemaker: it calls the actions
//! and notifications of a transition in Pacemaker's order. Needs root and the Debian package mariadb-server; with another
//! server, MySQL for one, it runs in a container: `tests/in-lab`. What one family alone does is in `on_mariadb.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

mod support;

#[path = "replication/archived.rs"]
mod archived;
#[path = "replication/cost.rs"]
mod cost;
#[path = "replication/lab.rs"]
mod lab;
#[path = "replication/load.rs"]
mod load;
#[path = "replication/relay.rs"]
mod relay;
#[path = "replication/transition.rs"]
mod transition;

#[path = "replication/accounts.rs"]
mod accounts;
#[path = "replication/ackers.rs"]
mod ackers;
#[path = "replication/broken.rs"]
mod broken;
#[path = "replication/diverged.rs"]
mod diverged;
#[path = "replication/facts.rs"]
mod facts;
#[path = "replication/failover.rs"]
mod failover;
#[path = "replication/received.rs"]
mod received;
#[path = "replication/reign.rs"]
mod reign;
#[path = "replication/restored.rs"]
mod restored;
#[path = "replication/reverted.rs"]
mod reverted;
#[path = "replication/switchover.rs"]
mod switchover;
#[path = "replication/votes.rs"]
mod votes;
