//! start: the server runs, closed for writes, and follows the primary if there is one. Never promotes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Resource, STEP, follow, phase};
use crate::error::{During, Error, Result};
use crate::mysql::daemon;
use crate::mysql::decide::{self, Recovery, Starting};
use crate::mysql::dialect::mariadb;
use crate::mysql::observe;
use crate::mysql::record;
use crate::mysql::state::{Answer, Liveness, Record, Role, Seen, Server};
use crate::ocf::{Outcome, log};
use crate::sys::files::{self, Lock};

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    check_host(resource)?;
    let _lock = own_datadir(resource)?;
    let record = record::load(resource.instance())?;
    let epoch = match &resource.cluster {
        Some(cluster) => record::epoch(cluster, resource.instance())?,
        None => None,
    };
    let seen = match daemon::find_living(&resource.config.datadir, resource.context.deadline)? {
        Liveness::Absent => Seen::Absent,
        Liveness::Running(process) => Seen::Running(process, Answer::Silent(String::new())),
    };
    let server = match decide::start(&seen, &record, epoch.as_ref(), resource.own_name()) {
        Starting::Adopt => {
            log::info("a server runs already on this data directory: taking it over");
            phase("server ready", || wait_ready(resource))?
        }
        Starting::Launch(recovery) => boot(resource, recovery, &record)?,
    };
    phase("close", || close(resource, &server))?;
    if resource.cluster.is_some() {
        attach(resource);
    } else {
        open_alone(resource, &record)?;
    }
    Ok(Outcome::SUCCESS)
}

/// Refuses what can be known to fail before anything is started.
fn check_host(resource: &Resource<'_>) -> Result<()> {
    if resource.cluster.is_some() && !resource.context.notifies {
        return Err(Error::parameter(
            "notify",
            "false",
            "the clone needs the meta attribute notify=true",
        ));
    }
    daemon::binary(&resource.config)?;
    let account = daemon::account(&resource.config)?;
    daemon::check_datadir(&resource.config, &account)
}

/// Two resources on one data directory would each stop and promote the other's server: the first one owns it.
fn own_datadir(resource: &Resource<'_>) -> Result<Lock> {
    let datadir = resource
        .config
        .datadir
        .canonicalize()
        .unwrap_or_else(|_| resource.config.datadir.clone());
    let name = datadir.display().to_string().replace('/', "!");
    let directory = Path::new("/run/baton");
    files::private_directory(directory)?;
    let lock = Lock::try_take(&directory.join(format!("datadir{name}.lock")))?;
    let lock = lock.ok_or_else(|| {
        Error::State(format!(
            "another action works on {}: wait for its end",
            datadir.display()
        ))
    })?;
    let owner_file = directory.join(format!("datadir{name}.owner"));
    let owner = files::read(&owner_file)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let runs = daemon::find(&datadir)? != Liveness::Absent;
    if let Some(owner) = owner.filter(|owner| runs && owner != resource.instance()) {
        // Not a wrong parameter: that code would stop this resource on all nodes, and a server left behind by a renamed
        // resource is the fault of one node.
        return Err(Error::State(format!(
            "datadir {}: resource {owner} already runs a server on it; every resource needs a data directory of its own",
            datadir.display()
        )));
    }
    files::replace(&owner_file, resource.instance().as_bytes())?;
    Ok(lock)
}

/// Launches the server and waits until it answers.
fn boot(resource: &Resource<'_>, recovery: Recovery, record: &Record) -> Result<Server> {
    let recovery = possible(resource, recovery, record)?;
    phase("launch", || launch(resource, recovery))?;
    let server = phase("server ready", || wait_ready(resource));
    match (server, recovery) {
        // Crash recovery refuses to drop a tail with statements that cannot be undone, such as DDL: then it is kept,
        // and the comparison with the primary decides.
        (Err(error @ Error::State(_)), Recovery::Truncate)
            if daemon::find(&resource.config.datadir)? == Liveness::Absent =>
        {
            log::warning(&format!(
                "the server cannot drop its tail ({error}): starting it with the tail"
            ));
            phase("launch", || launch(resource, Recovery::Commit))?;
            phase("server ready", || wait_ready(resource))
        }
        (result, Recovery::Truncate | Recovery::Commit) => result,
    }
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

fn launch(resource: &Resource<'_>, recovery: Recovery) -> Result<()> {
    let config = &resource.config;
    let binary = daemon::binary(config)?;
    daemon::version(&binary, resource.context.deadline)?;
    daemon::launch(config, &binary, &daemon::account(config)?, recovery)
}

/// Truncation removes evidence: the last binary log is copied first, to where only root can read it. One copy is
/// kept, that of the last crash.
fn keep_last_binlog(resource: &Resource<'_>, record: &Record) -> Result<()> {
    let Some(last) = last_binlog(Path::new(&record.binlog_base)) else {
        return Ok(());
    };
    let target = record::directory(resource.instance()).join("before-truncation");
    if target.exists() {
        std::fs::remove_dir_all(&target).map_err(|error| Error::file("cannot remove", &target, error))?;
    }
    files::private_directory(&target)?;
    let copy = target.join(last.file_name().unwrap_or_default());
    std::fs::copy(&last, &copy).map_err(|error| Error::file("cannot copy", &last, error))?;
    log::info(&format!("copied {} to {}", last.display(), copy.display()));
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

/// Waits until the server answers; crash recovery may take as long as the action's timeout allows.
fn wait_ready(resource: &Resource<'_>) -> Result<Server> {
    let config = &resource.config;
    let deadline = resource.context.deadline;
    // Between fork and the moment when the server works in its data directory there is nothing to find yet.
    let boot = deadline.within(Duration::from_secs(5));
    deadline.poll(
        "the server's readiness (it may be recovering from a crash)",
        STEP,
        || match observe::local(config, config.hang_timeout.min(deadline.remaining()))? {
            Seen::Running(_, Answer::Facts(server)) => Ok(Some(*server)),
            Seen::Running(_, Answer::Silent(_)) => Ok(None),
            Seen::Running(_, Answer::Alive(how)) => Err(Error::State(format!(
                "the server runs but refuses the agent: {how}; check parameters admin_user and admin_password_file"
            ))),
            Seen::Absent if !boot.expired() => Ok(None),
            Seen::Absent => Err(Error::State(format!(
                "the server ended during its start; {}",
                daemon::log_tail(config)
            ))),
        },
    )
}

/// Brings any server to the state in which a start must leave it: read-only, waiting for nobody, and recorded as
/// such before anything else may look.
fn close(resource: &Resource<'_>, server: &Server) -> Result<()> {
    if !server.read_only {
        super::demote::make_read_only(resource)?;
    }
    let mut connection = resource.connect()?;
    if server.semi_sync.source_enabled {
        connection.run(mariadb::DISARM_SEMI_SYNC)?;
    }
    let after = observe::server(&mut connection)?;
    if !after.read_only || after.semi_sync.source_enabled {
        return Err(Error::State(
            "the server did not stay read-only after its start".to_owned(),
        ));
    }
    let old = record::load(resource.instance())?;
    record::store(
        resource.instance(),
        &Record {
            role: Role::Replica,
            closed: true,
            binlog_base: after.binlog_base,
            ..old
        },
    )
}

/// Follows the primary that Pacemaker names. Without one, or when it cannot be reached yet, the server just runs:
/// the next notification or monitor attaches it.
fn attach(resource: &Resource<'_>) {
    let Some(primary) = resource.context.notify.primary_now() else {
        return;
    };
    if primary == resource.own_name() {
        return;
    }
    match phase("attach", || follow::run(resource, primary)) {
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
