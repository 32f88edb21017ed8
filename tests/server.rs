//! ocf:baton:mysql with a real database server: what Pacemaker, clients and the administrator see.
//!
//! Each test has its own server, data directory and port. Needs root and the Debian package mariadb-server; with another
//! server, MySQL for one, it runs in a container: `tests/in-lab`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic and start programs"
)]

mod support;

#[path = "server/accounts.rs"]
mod accounts;
#[path = "server/clone.rs"]
mod clone;
#[path = "server/closing.rs"]
mod closing;
#[path = "server/cost.rs"]
mod cost;
#[path = "server/faults.rs"]
mod faults;
#[path = "server/fencing.rs"]
mod fencing;
#[path = "server/mount.rs"]
mod mount;
#[path = "server/ocft.rs"]
mod ocft;
#[path = "server/roles.rs"]
mod roles;
#[path = "server/start.rs"]
mod start;
