//! Brings a stopped server up, closed: launches it and waits through its crash recovery.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use super::act::phase;
use super::config::Config;
use super::daemon;
use super::decide::Recovery;
use super::dialect::Family;
use super::dialect::mysql::persisted;
use super::observe;
use super::state::{Answer, Liveness, Seen, Server};
use crate::error::{During, Error, Result};
use crate::ocf::env::Context;
use crate::ocf::log;
use crate::sys::files;

/// How often the server is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Refuses what can be known to fail before anything is started.
pub(super) fn check_host(context: &Context, config: &Config) -> Result<()> {
    if context.clone && !context.promotable {
        let why = "a clone needs the meta attribute promotable=true, or every instance would be writable";
        return Err(Error::parameter("promotable", "false", why));
    }
    if context.promotable && !context.notifies {
        return Err(Error::parameter(
            "notify",
            "false",
            "the clone needs the meta attribute notify=true",
        ));
    }
    if let Some(most) = context.promoted_max.filter(|most| *most != 1) {
        return Err(Error::parameter(
            "promoted-max",
            &most.to_string(),
            "there can be only one primary: 1",
        ));
    }
    daemon::binary(config)?;
    let account = daemon::account(config)?;
    daemon::check_datadir(config, &account)
}

/// Launches the server and waits until it answers.
pub(super) fn boot(context: &Context, config: &Config, recovery: Recovery) -> Result<Server> {
    let recovery = possible(context, config, recovery)?;
    let server = launch(context, config, recovery);
    match (server, recovery) {
        // Crash recovery refuses to drop a tail with statements that cannot be undone, such as DDL: then it is kept,
        // and the comparison with the primary decides.
        (Err(error @ Error::State(_)), Recovery::Truncate) if nothing_runs(config)? => {
            log::warning(&format!(
                "the server cannot drop its tail ({error}): starting it with the tail"
            ));
            launch(context, config, Recovery::Commit)
        }
        (result, Recovery::Truncate | Recovery::Commit) => result,
    }
}

fn nothing_runs(config: &Config) -> Result<bool> {
    Ok(daemon::find(&config.datadir)? == Liveness::Absent)
}

/// What this server version can do of what was decided.
fn possible(context: &Context, config: &Config, recovery: Recovery) -> Result<Recovery> {
    if recovery == Recovery::Commit {
        return Ok(Recovery::Commit);
    }
    let product = daemon::product(&daemon::binary(config)?, context.deadline)?;
    if !product.can_truncate() {
        log::warning("this server version cannot drop an unconfirmed tail: it may be held as diverged");
        return Ok(Recovery::Commit);
    }
    log::warning("this node was primary when it crashed and another was promoted since: dropping its tail");
    Ok(Recovery::Truncate)
}

fn launch(context: &Context, config: &Config, recovery: Recovery) -> Result<Server> {
    let product = daemon::product(&daemon::binary(config)?, context.deadline)?;
    let persisted = match product.family {
        Family::MySql => persisted_in(&config.datadir)?,
        Family::MariaDb => Vec::new(),
    };
    let options = product.boot_options(recovery);
    if !persisted.is_empty() {
        forget_persisted(context, config, &options, &persisted)?;
    }
    start(context, config, options)
}

/// What a server would take from this data directory over the command line. A file that cannot be read ends the start:
/// nobody knows how the server would come up.
fn persisted_in(datadir: &Path) -> Result<Vec<&'static str>> {
    let contents = files::read(&datadir.join(persisted::FILE))?;
    Ok(contents.map(|contents| persisted::found(&contents)).unwrap_or_default())
}

fn start(context: &Context, config: &Config, options: Vec<String>) -> Result<Server> {
    let (binary, account) = (daemon::binary(config)?, daemon::account(config)?);
    let mut child = phase("launch", || daemon::launch(config, &binary, &account, options))?;
    phase("server ready", || wait_ready(context, config, Some(&mut child)))
}

/// A server that would come up open is started once without what it persisted, made to forget that, and stopped.
fn forget_persisted(context: &Context, config: &Config, options: &[String], names: &[&str]) -> Result<()> {
    let names_shown = names.join(", ");
    log::warning(&format!(
        "{names_shown} were set with SET PERSIST, which beats the command line: making the server forget them"
    ));
    let options = options.iter().cloned().chain([persisted::IGNORE.to_owned()]).collect();
    start(context, config, options)?;
    observe::connect_raw(config, context.deadline.remaining())
        .and_then(|mut connection| persisted::forget(&mut connection, names))
        .during("RESET PERSIST")?;
    daemon::stop(&config.datadir, context.deadline)
}

/// Waits until a server that was found running answers.
pub(super) fn await_ready(context: &Context, config: &Config) -> Result<Server> {
    wait_ready(context, config, None)
}

/// Waits until the server answers; crash recovery may take as long as the action's timeout allows. `child` is the
/// server if it was launched here: between its launch and the moment when it works in its data directory there is
/// nothing else to find.
fn wait_ready(context: &Context, config: &Config, mut child: Option<&mut Child>) -> Result<Server> {
    let deadline = context.deadline;
    deadline.poll(
        "the server's readiness (it may be recovering from a crash)",
        STEP,
        || {
            if let Some(child) = child.as_deref_mut() {
                let ended = child
                    .try_wait()
                    .map_err(|error| Error::os("waiting for the server", error))?;
                if let Some(status) = ended {
                    let words = daemon::log_tail(config);
                    return Err(Error::State(format!(
                        "the server ended during its start with {status}; {words}"
                    )));
                }
            }
            match observe::local(config, config.hang_timeout.min(deadline.remaining()))? {
                Seen::Running(_, Answer::Facts(server)) => Ok(Some(*server)),
                Seen::Running(_, Answer::Silent(_)) => Ok(None),
                Seen::Running(_, Answer::Alive(how)) => Err(Error::State(format!(
                    "the server runs but refuses the agent: {how}; check parameters admin_user and admin_password_file"
                ))),
                Seen::Absent if child.is_some() => Ok(None),
                Seen::Absent => Err(Error::State(format!(
                    "the server that was found running has ended; {}",
                    daemon::log_tail(config)
                ))),
            }
        },
    )
}
