//! start: the server runs, closed for writes, and follows the primary if there is one. Never promotes.

use super::{Resource, ackers, archive, follow, phase};
use crate::error::{Error, Result};
use crate::mysql::data;
use crate::mysql::decide::{self, Recovery, Starting};
use crate::mysql::state::{Answer, Epoch, Liveness, Record, Role, Seen, Server};
use crate::ocf::{Outcome, log};

pub(crate) fn run(resource: &Resource<'_>) -> Result<Outcome> {
    let node = resource.node;
    let record = known(resource)?;
    let epoch = node.epoch()?;
    let seen = match node.liveness()? {
        Liveness::Absent => Seen::Absent,
        Liveness::Running(process) => Seen::Running(process, Answer::Silent(String::new())),
    };
    let server = match decide::start(&seen, &record, epoch.as_ref(), node.name(), resource.config.policy) {
        Starting::Adopt => {
            log::info("a server runs already on this data directory: taking it over");
            let server = phase("server ready", || node.await_ready())?;
            if let Some(epoch) = &epoch {
                ackers::end_duty(resource, &server, epoch)?;
            }
            server
        }
        Starting::Launch(recovery) => {
            before_launch(resource, recovery, &record, epoch.as_ref())?;
            node.launch(recovery)?
        }
    };
    // A launch may replace the data (CLONE). What was not noted is noted only now: it may also have created them.
    known(resource)?;
    let present = node.data()?;
    resource.remember(|record| record.data = present)?;
    phase("close", || close(resource, &server))?;
    if resource.is_clustered() {
        attach(resource, epoch.as_ref());
    } else {
        open_alone(resource, &record)?;
    }
    Ok(Outcome::SUCCESS)
}

/// This node's record, as far as it is about the data that are here.
///
/// # Errors
/// When there are none although it is about some: a disk is not mounted.
fn known(resource: &Resource<'_>) -> Result<Record> {
    let record = resource.node.record()?;
    let found = resource.node.data()?;
    if record.data.is_empty() || data::is_same(&record.data, &found) {
        return Ok(record);
    }
    if found.is_empty() {
        let datadir = resource.config.datadir.display();
        return Err(Error::State(format!(
            "{datadir} had data when the server ran last, and has none: mount its file system"
        )));
    }
    log::warning("the data are others than when the server ran last: what this node remembers of those does not count");
    let record = record.of_other_data(found);
    resource.node.store_record(&record)?;
    Ok(record)
}

/// What must be known of a launch whatever becomes of it.
fn before_launch(resource: &Resource<'_>, recovery: Recovery, record: &Record, epoch: Option<&Epoch>) -> Result<()> {
    if let Some(epoch) = epoch {
        // The primary may give up a replica that it saw stop: it must not find it acknowledging again.
        ackers::resign(resource, epoch)?;
        if recovery == Recovery::Truncate {
            phase("archive", || archive::before_recovery(resource, record, epoch))?;
        }
    }
    let boot = resource.node.boot()?;
    resource.remember(|record| {
        let crashed = record.role == Role::Primary;
        // What a killed server has written is the kernel's to keep, as long as that runs.
        record.machine_crashed |= crashed && record.boot != boot;
        if crashed && record.unsynced {
            record.distrusted = true;
            record.held = true;
        }
        record.dropped_tail |= recovery == Recovery::Truncate;
    })
}

/// Brings any server to the state in which a start must leave it: read-only, waiting for nobody, and recorded as
/// such before anything else may look.
fn close(resource: &Resource<'_>, server: &Server) -> Result<()> {
    if !server.closed || server.semi_sync.source_enabled {
        super::demote::close(resource)?;
    }
    let mut database = resource.node.connect()?;
    database.run_events(false)?;
    let after = database.observe()?;
    if !after.closed || after.semi_sync.source_enabled {
        return Err(Error::State(
            "the server did not stay read-only after its start".to_owned(),
        ));
    }
    super::demote::record_closed(resource, after)
}

/// Follows the primary that Pacemaker names. Without one, or when it cannot be reached yet, the server just runs:
/// the next notification or monitor attaches it.
fn attach(resource: &Resource<'_>, epoch: Option<&Epoch>) {
    let Some(primary) = resource.context.notify.primary_now() else {
        return;
    };
    if primary == resource.node.name() {
        return;
    }
    match phase("attach", || follow::run(resource, primary, epoch)) {
        // The primary hears of it with the news of this start.
        Ok(None) => report_for_duty(resource),
        Ok(Some(held)) => log::warning(&held.why.to_string()),
        Err(error) => log::warning(&format!("cannot follow {primary} yet: {error}")),
    }
}

fn report_for_duty(resource: &Resource<'_>) {
    if let Err(error) = resource.server().and_then(|server| ackers::serve(resource, &server)) {
        log::warning(&format!("the primary is not told of this replica yet: {error}"));
    }
}

/// A server on its own has no role: it is opened, unless it was ever part of a replicated set.
fn open_alone(resource: &Resource<'_>, record: &Record) -> Result<()> {
    let server = resource.server()?;
    if record.epoch > 0 || server.link.is_some() {
        log::warning("this server took part in replication: it stays read-only until it is promoted");
        return Ok(());
    }
    resource.node.connect()?.open()
}
