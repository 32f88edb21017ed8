//! start: the server runs, closed for writes, and follows the primary if there is one. Never promotes.

use std::path::{Path, PathBuf};
use std::process::Child;

use super::{Resource, STEP, follow, phase};
use crate::error::{During, Error, Result};
use crate::mysql::daemon;
use crate::mysql::decide::{self, Recovery, Starting};
use crate::mysql::dialect::mariadb;
use crate::mysql::observe;
use crate::mysql::ownership;
use crate::mysql::record;
use crate::mysql::state::{Answer, Epoch, Liveness, Record, Seen, Server};
use crate::ocf::{Outcome, log};
use crate::sys::files;

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    check_host(resource)?;
    let _lock = ownership::take(&resource.config.datadir, resource.instance())?;
    let record = record::load(resource.instance())?;
    let epoch = match &resource.cluster {
        Some(cluster) => record::epoch(cluster, resource.instance())?,
        None => None,
    };
    let seen = match daemon::find_living(&resource.config.datadir, resource.context.deadline)? {
        Liveness::Absent => Seen::Absent,
        Liveness::Running(process) => Seen::Running(process, Answer::Silent(String::new())),
    };
    let server = match decide::start(
        &seen,
        &record,
        epoch.as_ref(),
        resource.own_name(),
        resource.config.policy,
    ) {
        Starting::Adopt => {
            log::info("a server runs already on this data directory: taking it over");
            phase("server ready", || wait_ready(resource, None))?
        }
        Starting::Launch(recovery) => boot(resource, recovery, &record)?,
    };
    phase("close", || close(resource, &server))?;
    if resource.cluster.is_some() {
        attach(resource, epoch.as_ref());
    } else {
        open_alone(resource, &record)?;
    }
    Ok(Outcome::SUCCESS)
}

/// Refuses what can be known to fail before anything is started.
fn check_host(resource: &Resource<'_>) -> Result<()> {
    let context = resource.context;
    if context.clone && resource.cluster.is_none() {
        let why = "a clone needs the meta attribute promotable=true, or every instance would be writable";
        return Err(Error::parameter("promotable", "false", why));
    }
    if resource.cluster.is_some() && !context.notifies {
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
    daemon::binary(&resource.config)?;
    let account = daemon::account(&resource.config)?;
    daemon::check_datadir(&resource.config, &account)
}

/// Launches the server and waits until it answers.
fn boot(resource: &Resource<'_>, recovery: Recovery, record: &Record) -> Result<Server> {
    let recovery = possible(resource, recovery, record)?;
    let server = launch(resource, recovery);
    match (server, recovery) {
        // Crash recovery refuses to drop a tail with statements that cannot be undone, such as DDL: then it is kept,
        // and the comparison with the primary decides.
        (Err(error @ Error::State(_)), Recovery::Truncate) if nothing_runs(resource)? => {
            log::warning(&format!(
                "the server cannot drop its tail ({error}): starting it with the tail"
            ));
            launch(resource, Recovery::Commit)
        }
        (result, Recovery::Truncate | Recovery::Commit) => result,
    }
}

fn nothing_runs(resource: &Resource<'_>) -> Result<bool> {
    Ok(daemon::find(&resource.config.datadir)? == Liveness::Absent)
}

/// What this server version can do of what was decided; keeps the evidence before anything is dropped.
fn possible(resource: &Resource<'_>, recovery: Recovery, record: &Record) -> Result<Recovery> {
    if recovery == Recovery::Commit {
        return Ok(Recovery::Commit);
    }
    let version = daemon::version(&daemon::binary(&resource.config)?, resource.context.deadline)?;
    if !mariadb::can_truncate(version) {
        log::warning("this server version cannot drop an unconfirmed tail: it may be held as diverged");
        return Ok(Recovery::Commit);
    }
    log::warning("this node was primary when it crashed and another was promoted since: dropping its tail");
    keep_last_binlog(resource, record).during("keeping a copy of the last binary log")?;
    Ok(Recovery::Truncate)
}

fn launch(resource: &Resource<'_>, recovery: Recovery) -> Result<Server> {
    let config = &resource.config;
    let binary = daemon::binary(config)?;
    daemon::version(&binary, resource.context.deadline)?;
    let mut child = phase("launch", || {
        daemon::launch(config, &binary, &daemon::account(config)?, recovery)
    })?;
    phase("server ready", || wait_ready(resource, Some(&mut child)))
}

/// Truncation removes evidence: the last binary log is copied first, to where only root can read it. The copy of one
/// crash is never overwritten, whatever happens to later starts; that of an earlier crash makes room for it.
fn keep_last_binlog(resource: &Resource<'_>, record: &Record) -> Result<()> {
    let Some(last) = last_binlog(Path::new(&record.binlog_base)) else {
        return Ok(());
    };
    let all = record::directory(resource.instance()).join("before-truncation");
    let target = all.join(format!("epoch-{}", record.epoch));
    if target.exists() {
        return Ok(());
    }
    if all.exists() {
        std::fs::remove_dir_all(&all).map_err(|error| Error::file("cannot remove", &all, error))?;
    }
    let unfinished = all.join("unfinished");
    files::private_directory(&unfinished)?;
    let copy = unfinished.join(last.file_name().unwrap_or_default());
    std::fs::copy(&last, &copy)
        .and_then(|_| std::fs::rename(&unfinished, &target))
        .map_err(|error| Error::file("cannot copy", &last, error))?;
    log::info(&format!("copied {} to {}", last.display(), target.display()));
    Ok(())
}

/// The binary log with the highest number: `base.000012`.
fn last_binlog(base: &Path) -> Option<PathBuf> {
    let stem = base.file_name()?.to_str()?;
    let entries = std::fs::read_dir(base.parent()?).ok()?;
    let mut logs: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path
                .file_name()?
                .to_str()?
                .strip_prefix(stem)?
                .strip_prefix('.')?
                .parse()
                .ok()?;
            Some((number, path))
        })
        .collect();
    logs.sort();
    logs.pop().map(|(_, path)| path)
}

/// Waits until the server answers; crash recovery may take as long as the action's timeout allows. `child` is the
/// server if it was launched here: between its launch and the moment when it works in its data directory there is
/// nothing else to find.
fn wait_ready(resource: &Resource<'_>, mut child: Option<&mut Child>) -> Result<Server> {
    let config = &resource.config;
    let deadline = resource.context.deadline;
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

/// Brings any server to the state in which a start must leave it: read-only, waiting for nobody, and recorded as
/// such before anything else may look.
fn close(resource: &Resource<'_>, server: &Server) -> Result<()> {
    if !server.read_only || server.semi_sync.source_enabled {
        super::demote::close(resource)?;
    }
    let mut connection = resource.connect()?;
    connection.run(mariadb::EVENTS_OFF)?;
    let after = observe::server(&mut connection)?;
    if !after.read_only || after.semi_sync.source_enabled {
        return Err(Error::State(
            "the server did not stay read-only after its start".to_owned(),
        ));
    }
    super::demote::record_closed(resource, after.binlog_base)
}

/// Follows the primary that Pacemaker names. Without one, or when it cannot be reached yet, the server just runs:
/// the next notification or monitor attaches it.
fn attach(resource: &Resource<'_>, epoch: Option<&Epoch>) {
    let Some(primary) = resource.context.notify.primary_now() else {
        return;
    };
    if primary == resource.own_name() {
        return;
    }
    match phase("attach", || follow::run(resource, primary, epoch)) {
        Ok(None) => {}
        Ok(Some(why)) => log::warning(&why.to_string()),
        Err(error) => log::warning(&format!("cannot follow {primary} yet: {error}")),
    }
}

/// A server on its own has no role: it is opened, unless it was ever part of a replicated set.
fn open_alone(resource: &Resource<'_>, record: &Record) -> Result<()> {
    let server = resource.server()?;
    if record.epoch > 0 || server.link.is_some() {
        log::warning("this server took part in replication: it stays read-only until it is promoted");
        return Ok(());
    }
    resource.connect()?.run(mariadb::READ_ONLY_OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_binary_log_has_the_highest_number() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "binlog.000009",
            "binlog.000010",
            "binlog.index",
            "binlog.state",
            "other.000099",
        ] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let last = last_binlog(&directory.path().join("binlog"));
        assert_eq!(last, Some(directory.path().join("binlog.000010")));
        assert_eq!(last_binlog(Path::new("")), None);
    }
}
