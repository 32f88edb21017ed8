//! Runs another program: no shell, a deadline, its output captured, its whole process group killed when time is up.
//!
//! Secrets never go on the command line; no program that needs one is run here.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::{Error, Result, seconds};
use crate::sys::deadline::Deadline;

/// Where programs look for others. They get no other variable of ours: parameters, a password among them, are variables.
pub(crate) const SAFE_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What a killed program may need to be gone.
const REAP: Duration = Duration::from_millis(100);
const REAP_STEP: Duration = Duration::from_millis(5);

pub(crate) struct Command {
    program: String,
    /// What the program is called, if not by its path.
    called: Option<String>,
    arguments: Vec<String>,
}

/// What a program that ended by itself left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Command {
    pub(crate) fn new(program: impl Into<String>) -> Command {
        Command {
            program: program.into(),
            called: None,
            arguments: Vec::new(),
        }
    }

    /// This very binary as one of its applets.
    pub(crate) fn itself(applet: &str) -> Command {
        Command {
            called: Some(applet.to_owned()),
            ..Command::new("/proc/self/exe")
        }
    }

    pub(crate) fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Command {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] when it does not exist, [`Error::Command`] when it cannot be started or outlives the
    /// deadline. An exit status other than 0 is not an error here.
    pub(crate) fn run(&self, deadline: Deadline) -> Result<Output> {
        let mut child = self.spawn(Stdio::null())?;
        self.end(&mut child, deadline)
    }

    /// Starts the program with this on its stdin, and lets it run. The text must fit into a pipe.
    pub(crate) fn start(self, stdin: &[u8]) -> Result<Running> {
        let mut child = self.spawn(Stdio::piped())?;
        if let Some(mut input) = child.stdin.take() {
            // One that has ended already says so itself.
            let _ = input.write_all(stdin);
        }
        Ok(Running { command: self, child })
    }

    fn end(&self, child: &mut Child, deadline: Deadline) -> Result<Output> {
        let result = self.finish(child, deadline);
        if result.is_err() {
            let group = Pid::from_raw(child.id().cast_signed());
            let _ = killpg(group, Signal::SIGKILL);
            // One that waits for a disk which does not answer does not end: nobody waits for it.
            let _ = Deadline::after(REAP).poll("the end of a killed program", REAP_STEP, || {
                child
                    .try_wait()
                    .map_err(|error| Error::os("waiting for a program", error))
            });
        }
        result
    }

    /// Runs the program and demands exit status 0; returns its stdout.
    pub(crate) fn output(&self, deadline: Deadline) -> Result<String> {
        let output = self.run(deadline)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(self.failed(format!("ended with {}: {}", output.status, output.stderr.trim())))
    }

    /// The command as it may be shown; it never contains a secret.
    pub(crate) fn shown(&self) -> String {
        std::iter::once(self.program.as_str())
            .chain(self.arguments.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn failed(&self, outcome: String) -> Error {
        Error::Command {
            command: self.shown(),
            outcome,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "one of the two places that start programs")]
    fn spawn(&self, stdin: Stdio) -> Result<Child> {
        std::process::Command::new(&self.program)
            .arg0(self.called.as_ref().unwrap_or(&self.program))
            .args(&self.arguments)
            .env_clear()
            .env("PATH", SAFE_PATH)
            .env("LC_ALL", "C")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Error::NotInstalled {
                    what: self.program.clone(),
                    hint: "install the package that provides it".to_owned(),
                },
                _ => self.failed(format!("cannot be started: {error}")),
            })
    }

    fn finish(&self, child: &mut Child, deadline: Deadline) -> Result<Output> {
        let broken = |error| self.failed(format!("cannot be read: {error}"));
        let mut stdout = Stream::new(child.stdout.take()).map_err(broken)?;
        let mut stderr = Stream::new(child.stderr.take()).map_err(broken)?;
        while !(stdout.ended && stderr.ended) {
            wait_readable(&stdout, &stderr, deadline).map_err(broken)?;
            stdout.drain().and_then(|()| stderr.drain()).map_err(broken)?;
            if deadline.expired() && !(stdout.ended && stderr.ended) {
                return Err(self.failed(format!("did not end within {}", seconds(deadline.age()))));
            }
        }
        let status = deadline.poll(
            &format!("the end of `{}`", self.shown()),
            Duration::from_millis(5),
            || {
                child
                    .try_wait()
                    .map_err(|error| Error::os("waiting for a program", error))
            },
        )?;
        Ok(Output {
            status,
            stdout: stdout.text(),
            stderr: stderr.text(),
        })
    }
}

/// A program that was started and runs beside us.
pub(crate) struct Running {
    command: Command,
    child: Child,
}

impl Running {
    /// Waits for its end; kills it when the deadline has passed.
    ///
    /// # Errors
    /// As [`Command::run`].
    pub(crate) fn finish(mut self, deadline: Deadline) -> Result<Output> {
        self.command.end(&mut self.child, deadline)
    }
}

/// Starts this very binary once more as `applet`, to go on working after this process has ended. Of the files it inherits
/// these two alone, and it keeps the environment: it logs where that says. Leaving this process' session is its own first
/// duty.
#[expect(clippy::disallowed_methods, reason = "one of the two places that start programs")]
pub(crate) fn respawn(applet: &str, arguments: &[String], stdin: OwnedFd, stdout: OwnedFd) -> Result<()> {
    std::process::Command::new("/proc/self/exe")
        .arg0(applet)
        .args(arguments)
        .current_dir("/")
        .stdin(stdin)
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .map(|_| ())
        .map_err(|error| Error::os(format!("starting {applet} in the background"), error))
}

/// One captured stream of a child.
struct Stream<T> {
    source: Option<T>,
    bytes: Vec<u8>,
    ended: bool,
}

impl<T: Read + AsFd + AsRawFd> Stream<T> {
    fn new(source: Option<T>) -> std::io::Result<Stream<T>> {
        if let Some(source) = &source {
            fcntl(source, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Stream {
            ended: source.is_none(),
            source,
            bytes: Vec::new(),
        })
    }

    fn drain(&mut self) -> std::io::Result<()> {
        let Some(source) = self.source.as_mut() else {
            return Ok(());
        };
        match source.read_to_end(&mut self.bytes) {
            Ok(_) => {
                self.ended = true;
                self.source = None;
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn wait_readable<A: AsFd, B: AsFd>(a: &Stream<A>, b: &Stream<B>, deadline: Deadline) -> std::io::Result<()> {
    let mut fds: Vec<PollFd<'_>> = Vec::new();
    fds.extend(
        a.source
            .as_ref()
            .map(|source| PollFd::new(source.as_fd(), PollFlags::POLLIN)),
    );
    fds.extend(
        b.source
            .as_ref()
            .map(|source| PollFd::new(source.as_fd(), PollFlags::POLLIN)),
    );
    let millis = deadline.remaining().as_millis().min(i32::MAX as u128);
    let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(10))
    }

    #[test]
    fn output_and_status_are_captured() {
        let output = Command::new("/bin/sh")
            .args(["-c", "printf in; echo err >&2; exit 3"])
            .run(soon())
            .unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("in", "err\n"));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let started = std::time::Instant::now();
        let error = Command::new("/bin/sh")
            .args(["-c", "sleep 60 & sleep 60"])
            .run(Deadline::after(Duration::from_millis(50)))
            .unwrap_err();
        assert!(error.to_string().contains("did not end within"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_missing_program_is_not_installed() {
        let error = Command::new("/no/such/tool").run(soon()).unwrap_err();
        assert!(matches!(error, Error::NotInstalled { .. }), "{error}");
    }

    #[test]
    fn a_failure_shows_status_and_stderr() {
        let error = Command::new("/bin/sh")
            .args(["-c", "echo no such attribute >&2; exit 6"])
            .output(soon())
            .unwrap_err();
        assert!(
            error.to_string().contains("exit status: 6: no such attribute"),
            "{error}"
        );
    }
}
