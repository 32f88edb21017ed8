//! The server process: find it, launch it, end it. Never a pid file as truth.
//!
//! The server that owns a data directory is the one that holds the lock of its system tablespace, or, before it has
//! taken the lock, the one that works in that directory. It runs in a session of its own, so that the end of an
//! action, even by Pacemaker's SIGKILL, does not end a server that recovers from a crash.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use super::config::Config;
use super::dialect::Product;
use super::state::Liveness;
use crate::error::{Error, Result};
use crate::ocf::log;
use crate::sys::command::{Command, SAFE_PATH};
use crate::sys::deadline::Deadline;
use crate::sys::passwd::{self, Account};
use crate::sys::process::{self, Process};

const SERVER_NAMES: [&str; 2] = ["mariadbd", "mysqld"];
const BINARIES: [&str; 4] = [
    "/usr/sbin/mariadbd",
    "/usr/libexec/mariadbd",
    "/usr/sbin/mysqld",
    "/usr/libexec/mysqld",
];
/// Files that a running server keeps locked: the system tablespaces of InnoDB and Aria.
const LOCKED_FILES: [&str; 2] = ["ibdata1", "aria_log_control"];
/// What a killed process may need to be gone: the kernel has to release its memory first.
const DEATH: Duration = Duration::from_secs(5);
/// A part of a killed process that still waits for a device after this time will not get an answer.
const UNINTERRUPTIBLE: Duration = Duration::from_secs(3);

/// The server that owns the data directory.
///
/// # Errors
/// When the lock is held by a process that cannot be seen from here: then nothing is proven.
pub(crate) fn find(datadir: &Path) -> Result<Liveness> {
    for file in LOCKED_FILES {
        if let Some(holder) = process::lock_holder(&datadir.join(file))? {
            return Ok(Liveness::Running(holder));
        }
    }
    let mut working = process::working_in(datadir, &SERVER_NAMES).into_iter();
    Ok(working.next().map_or(Liveness::Absent, Liveness::Running))
}

/// The server that owns the data directory, once one that is dying is gone. The kernel frees the memory of a killed
/// server before its locks, which takes milliseconds, or much longer for a large one: then it is still there.
pub(crate) fn find_living(datadir: &Path, deadline: Deadline) -> Result<Liveness> {
    let settled = deadline.poll("the end of a dying server", Duration::from_millis(5), || {
        let found = find(datadir)?;
        let dying = matches!(&found, Liveness::Running(server) if !server.is_alive());
        Ok((!dying).then_some(found))
    });
    match settled {
        Err(Error::Timeout { .. }) => find(datadir),
        other => other,
    }
}

/// The server program.
pub(crate) fn binary(config: &Config) -> Result<PathBuf> {
    let found = match &config.binary {
        Some(name) => Some(PathBuf::from(name)).filter(|path| is_executable(path)),
        None => BINARIES.iter().map(PathBuf::from).find(|path| is_executable(path)),
    };
    found.ok_or_else(|| Error::NotInstalled {
        what: config
            .binary
            .clone()
            .unwrap_or_else(|| "a MariaDB or MySQL server".to_owned()),
        hint: "set parameter binary to the absolute path of the server program (not of mysqld_safe)".to_owned(),
    })
}

fn is_executable(path: &Path) -> bool {
    path.is_absolute()
        && std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Asks the program what it is and refuses what baton does not support.
pub(crate) fn product(binary: &Path, deadline: Deadline) -> Result<Product> {
    let output = Command::new(binary.display().to_string())
        .args(["--version"])
        .output(deadline)?;
    Product::identify(&output)
}

/// The account that the server runs under.
pub(crate) fn account(config: &Config) -> Result<Account> {
    let missing = |what: String| Error::NotInstalled {
        what,
        hint: "create it, or set the parameter to an account of this node".to_owned(),
    };
    let account = passwd::account(&config.user)?.ok_or_else(|| missing(format!("user \"{}\"", config.user)))?;
    let gid = passwd::group(&config.group)?.ok_or_else(|| missing(format!("group \"{}\"", config.group)))?;
    Ok(Account { gid, ..account })
}

/// Checks that the account can use the data directory, without changing anything.
pub(crate) fn check_datadir(config: &Config, account: &Account) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let datadir = &config.datadir;
    let meta = std::fs::metadata(datadir).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NotInstalled {
            what: format!("data directory {}", datadir.display()),
            hint: "initialise it with mariadb-install-db or mysqld --initialize, or set parameter datadir".to_owned(),
        },
        _ => Error::file("cannot look at the data directory", datadir, error),
    })?;
    let needed = if meta.uid() == account.uid {
        0o700
    } else if meta.gid() == account.gid {
        0o070
    } else {
        0o007
    };
    if meta.is_dir() && meta.mode() & needed == needed {
        return Ok(());
    }
    Err(Error::NoPermission {
        what: format!("user {} in data directory {}", account.name, datadir.display()),
        hint: format!(
            "it has mode {:04o} and owner {}:{}; the server must be able to read, write and enter it",
            meta.mode() & 0o7777,
            meta.uid(),
            meta.gid()
        ),
    })
}

/// Starts the server in a session of its own and returns at once. `closed` are the options that keep it closed.
pub(crate) fn launch(config: &Config, binary: &Path, account: &Account, closed: Vec<String>) -> Result<Child> {
    for file in [&config.socket, &config.pid] {
        make_directory_of(file, account)?;
    }
    let arguments = arguments(config, closed);
    log::info(&format!("launching {} {}", binary.display(), arguments.join(" ")));
    let output = startup_output(config, account)?;
    let errors = output
        .try_clone()
        .map_err(|error| Error::file("cannot use", &config.log, error))?;
    #[expect(clippy::disallowed_methods, reason = "one of the two places that start programs")]
    let mut command = std::process::Command::new(binary);
    command
        .args(arguments)
        // Parameters are variables of this process, a password among them: none of it is the server's business.
        .env_clear()
        .env("PATH", SAFE_PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(errors));
    own_session(&mut command);
    command.spawn().map_err(|error| Error::Command {
        command: binary.display().to_string(),
        outcome: format!("cannot be started: {error}"),
    })
}

#[expect(unsafe_code, reason = "a new session can only be made between fork and exec")]
fn own_session(command: &mut std::process::Command) {
    // SAFETY: setsid is async-signal-safe and touches no memory of the parent.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(std::io::Error::from));
    }
}

/// The command line. What keeps the server closed comes last, so that nothing before it wins.
fn arguments(config: &Config, closed: Vec<String>) -> Vec<String> {
    let mut arguments: Vec<String> = config
        .config
        .iter()
        .map(|file| format!("--defaults-file={}", file.display()))
        .collect();
    arguments.push(format!("--datadir={}", config.datadir.display()));
    arguments.push(format!("--socket={}", config.socket.display()));
    arguments.push(format!("--pid-file={}", config.pid.display()));
    arguments.push(format!("--log-error={}", config.log.display()));
    arguments.push(format!("--user={}", config.user));
    arguments.extend(config.additional.iter().cloned());
    arguments.extend(closed);
    arguments
}

/// /run is empty after a boot, and nobody else makes this directory when the distribution's unit is disabled. The owner
/// is changed through the open directory, never by name: the parent may belong to the server's account.
fn make_directory_of(file: &Path, account: &Account) -> Result<()> {
    let Some(directory) = file.parent().filter(|directory| !directory.exists()) else {
        return Ok(());
    };
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
    std::fs::create_dir_all(directory)
        .and_then(|()| OpenOptions::new().read(true).custom_flags(flags).open(directory))
        .and_then(|opened| fchown(&opened, Some(account.uid), Some(account.gid)))
        .map_err(|error| Error::file("cannot create directory", directory, error))
}

/// The server's own log, which also takes what it prints before it has opened it. Never changes an existing file.
fn startup_output(config: &Config, account: &Account) -> Result<File> {
    make_directory_of(&config.log, account)?;
    let failed = |error| Error::file("cannot open the server's log", &config.log, error);
    // Non-blocking: the directory is the server's, and a pipe in place of the file would stop this for ever.
    let open = |create: bool| {
        OpenOptions::new()
            .append(true)
            .create_new(create)
            .mode(0o640)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(&config.log)
    };
    match open(true) {
        Ok(file) => {
            fchown(&file, Some(account.uid), Some(account.gid)).map_err(failed)?;
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open(false).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// The last errors of the server's log, for an exit reason.
pub(crate) fn log_tail(config: &Config) -> String {
    let text = end_of(&config.log).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().filter(|line| line.contains("[ERROR]")).collect();
    lines.drain(..lines.len().saturating_sub(3));
    match lines.is_empty() {
        true => format!("see {}", config.log.display()),
        false => format!("{}: {}", config.log.display(), lines.join(" | ")),
    }
}

fn end_of(log: &Path) -> std::io::Result<String> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
    let mut bytes = Vec::new();
    file.take(4096).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Ends the server: SIGTERM, and SIGKILL when the deadline nears, or where a frozen process cannot hear, or a killed one
/// need not be asked. Proven when this returns: the process is gone and nobody owns the data directory.
pub(crate) fn stop(datadir: &Path, deadline: Deadline) -> Result<()> {
    let Liveness::Running(server) = find(datadir)? else {
        return Ok(());
    };
    let patience = deadline.keeping(DEATH);
    if !server.is_frozen() && !server.is_ending() {
        server.signal(Signal::SIGTERM)?;
        let gone = patience.poll("the end of the server", Duration::from_millis(20), || {
            is_gone(datadir, &server)
        });
        match gone {
            Ok(()) => return Ok(()),
            Err(Error::Timeout { .. }) => log::warning("the server did not stop in time: killing it"),
            Err(other) => return Err(other),
        }
    }
    kill(datadir, deadline)
}

/// Kills the server and waits for the proof.
///
/// # Errors
/// Before the deadline too, when the kernel cannot end it because its disk does not answer: only fencing helps then.
pub(crate) fn kill(datadir: &Path, deadline: Deadline) -> Result<()> {
    let Liveness::Running(server) = find(datadir)? else {
        return Ok(());
    };
    server.signal(Signal::SIGKILL)?;
    let what = "the end of the killed server";
    let gone = |deadline: Deadline| deadline.poll(what, Duration::from_millis(5), || is_gone(datadir, &server));
    match gone(deadline.within(UNINTERRUPTIBLE)) {
        Err(Error::Timeout { .. }) if server.is_uninterruptible() => Err(Error::State(format!(
            "server process {} was killed and does not end: it waits for a disk that does not answer",
            server.pid
        ))),
        Err(Error::Timeout { .. }) => gone(deadline),
        other => other,
    }
}

/// `server` owned the data directory. Its locks may be gone before the last of its threads is.
fn is_gone(datadir: &Path, server: &Process) -> Result<Option<()>> {
    Ok((find(datadir)? == Liveness::Absent && !server.has_threads()).then_some(()))
}
