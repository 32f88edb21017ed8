//! ocf:baton:mysql with three real MariaDB servers that replicate: elections, divergence, and what stops replication.
//!
//! Each test has its own servers, on one port of three loopback addresses, and is their Pacemaker: it calls the actions
//! and notifications of a transition in Pacemaker's order. Needs root and the Debian package mariadb-server.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

mod support;

#[path = "replication/lab.rs"]
mod lab;
#[path = "replication/load.rs"]
mod load;
#[path = "replication/relay.rs"]
mod relay;
#[path = "replication/transition.rs"]
mod transition;

#[path = "replication/broken.rs"]
mod broken;
#[path = "replication/diverged.rs"]
mod diverged;
#[path = "replication/failover.rs"]
mod failover;
#[path = "replication/received.rs"]
mod received;
#[path = "replication/switchover.rs"]
mod switchover;
#[path = "replication/votes.rs"]
mod votes;
