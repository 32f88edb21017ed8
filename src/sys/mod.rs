//! The machine: time, programs, files, accounts, processes. Nothing here knows about Pacemaker or databases.

pub(crate) mod clock;
pub(crate) mod command;
pub(crate) mod deadline;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod limit;
pub(crate) mod netlink;
pub(crate) mod passwd;
pub(crate) mod process;
pub(crate) mod resolve;
pub(crate) mod sockets;
pub(crate) mod tls;
