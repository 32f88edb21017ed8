//! Log lines for the administrator: to syslog, and to Pacemaker's own log file in its format.
//!
//! Never carries a secret: callers pass statements and commands without them. Logging never fails an action.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;

use super::env::{Env, is_true};
use crate::sys::clock;

#[derive(Debug, Clone, Copy)]
enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

impl Level {
    /// The word that Pacemaker's own log uses.
    fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

struct Log {
    tag: String,
    debug: bool,
    file: Option<File>,
    /// Without a log of the cluster (a run by hand) the lines go to the terminal.
    stderr: bool,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Opens the log of this process. Lines before that, and in unit tests, go nowhere.
pub(crate) fn open(env: &Env, agent: &str) {
    let path = ["HA_LOGFILE", "PCMK_logfile", "HA_logfile"]
        .iter()
        .find_map(|name| env.get(name))
        .filter(|path| path.starts_with('/') && *path != "/dev/null");
    let file = path.and_then(|path| OpenOptions::new().append(true).open(path).ok());
    let debug = ["HA_debug", "PCMK_debug"]
        .iter()
        .any(|name| env.get(name).is_some_and(is_true));
    let instance = env.get("OCF_RESOURCE_INSTANCE").unwrap_or("-");
    let _ = LOG.set(Log {
        tag: format!("baton-{agent}({instance})[{}]", std::process::id()),
        debug,
        stderr: file.is_none() && env.get("PCMK_service").is_none() && !cfg!(test),
        file,
    });
}

pub(crate) fn error(text: &str) {
    write(Level::Error, text);
}

pub(crate) fn warning(text: &str) {
    write(Level::Warning, text);
}

pub(crate) fn info(text: &str) {
    write(Level::Info, text);
}

pub(crate) fn debug(text: &str) {
    if LOG.get().is_some_and(|log| log.debug) {
        write(Level::Debug, text);
    }
}

fn write(level: Level, text: &str) {
    let Some(log) = LOG.get() else { return };
    let text = text.replace('\n', " ");
    if let Some(mut file) = log.file.as_ref() {
        let line = format!(
            "{} {} {} {}: {text}\n",
            clock::log_stamp(),
            clock::host_name(),
            log.tag,
            level.word()
        );
        let _ = file.write_all(line.as_bytes());
    }
    if log.stderr {
        let _ = writeln!(std::io::stderr(), "{}: {text}", level.word());
    }
    to_syslog(log, level, &text);
}

fn to_syslog(log: &Log, level: Level, text: &str) {
    let formatter = syslog::Formatter3164 {
        facility: syslog::Facility::LOG_DAEMON,
        hostname: None,
        process: log.tag.split('[').next().unwrap_or("baton").to_owned(),
        pid: std::process::id(),
    };
    // No syslog socket is normal in a container: the other destinations have the line.
    let Ok(mut logger) = syslog::unix(formatter) else {
        return;
    };
    let _ = match level {
        Level::Error => logger.err(text),
        Level::Warning => logger.warning(text),
        Level::Info => logger.info(text),
        Level::Debug => logger.debug(text),
    };
}
