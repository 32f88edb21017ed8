//! baton passes the write role of a replicated MySQL or MariaDB server between nodes under Pacemaker.
//!
//! One binary, several faces (see [`applet`]):
//! - [`ocf`] is the contract of an OCF resource agent, [`cluster`] is Pacemaker as a store, [`sys`] is the machine;
//! - [`mysql`], [`floating_ip`] and [`fence`] are the three agents, independent of each other;
//! - [`cli`] is what an operator types.
//!
//! Each agent observes, decides (pure), acts, and observes again. docs/architecture.md has the map and the invariants.

mod applet;
mod cli;
mod cloud;
mod cluster;
mod error;
mod fence;
mod floating_ip;
mod mysql;
mod ocf;
mod sys;

use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        ocf::exit_reason(&format!("internal error, please report it: {panic}"));
        std::process::exit(ocf::OcfCode::ErrGeneric.number().into());
    }));
    // Not args(), which panics at an argument that is not text; Pacemaker may add arguments, and they are ignored.
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    applet::run(arguments.collect())
}
