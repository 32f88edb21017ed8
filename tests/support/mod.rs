//! What the black-box tests share: calling the binary as Pacemaker does, waiting for conditions, scratch directories.

#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, start programs and wait"
)]

pub(crate) mod cloud_api;
pub(crate) mod family;
pub(crate) mod server;

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_baton");
/// No action of a test may take longer; one that does is killed and fails its test.
const PATIENCE: Duration = Duration::from_secs(120);

/// One call of the binary.
#[derive(Clone)]
pub(crate) struct Call {
    program: PathBuf,
    arg0: OsString,
    /// What comes before the action.
    prefix: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    directory: PathBuf,
    uid: Option<u32>,
}

/// How a call ended, and what it cost.
#[derive(Debug)]
pub(crate) struct Ended {
    /// -1 when it was killed.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    /// When it was gone.
    pub(crate) at: SystemTime,
    /// User and system time, without the programs that were left running.
    pub(crate) cpu: Duration,
    pub(crate) resident_kib: i64,
}

/// The agent `name`, called through argv[0] with an empty environment and a name of its own.
pub(crate) fn agent(name: &str) -> Call {
    Call {
        program: BINARY.into(),
        arg0: format!("/usr/lib/ocf/resource.d/baton/{name}").into(),
        prefix: Vec::new(),
        arguments: Vec::new(),
        environment: Vec::new(),
        directory: "/".into(),
        uid: None,
    }
    .env("OCF_RESOURCE_INSTANCE", &unique("db"))
}

/// The binary, called by another program name; `program` is the file that is executed.
pub(crate) fn called(program: impl Into<PathBuf>, arg0: impl Into<OsString>) -> Call {
    Call {
        program: program.into(),
        arg0: arg0.into(),
        prefix: Vec::new(),
        arguments: Vec::new(),
        environment: Vec::new(),
        directory: "/".into(),
        uid: None,
    }
}

impl Call {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Call {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A parameter of the resource.
    pub(crate) fn param(self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Call {
        let value = value.as_ref().to_str().expect("a parameter is UTF-8").to_owned();
        self.env(&format!("OCF_RESKEY_{name}"), &value)
    }

    /// A meta attribute as Pacemaker passes it.
    pub(crate) fn meta(self, name: &str, value: &str) -> Call {
        self.env(&format!("OCF_RESKEY_CRM_meta_{name}"), value)
    }

    /// The only instance of a promotable clone, on node `n1`, which Pacemaker promotes.
    pub(crate) fn promotable(self, state: &Path) -> Call {
        self.instance_on("n1", state).meta("notify_promote_uname", "n1")
    }

    /// An instance of a promotable clone on `node`, with stand-ins for the cluster's tools that keep what they are told
    /// in `state`.
    pub(crate) fn instance_on(self, node: &str, state: &Path) -> Call {
        self.meta("promotable", "true")
            .meta("notify", "true")
            .meta("interval", "1000")
            .meta("on_node", node)
            .env("PATH", "/usr/bin:/bin")
            .env(
                "HA_SBIN_DIR",
                tools(state, &format!("working@{node}")).to_str().unwrap(),
            )
    }

    /// Runs where `/var/lib/baton` and `/run/baton` are directories of its own: several nodes on one machine. So are
    /// those of `/etc/resolv.conf` and `/etc/hosts` that `own` has.
    pub(crate) fn on_machine(mut self, own: &Path) -> Call {
        for directory in ["/var/lib/baton", "/run/baton"] {
            std::fs::create_dir_all(directory).unwrap();
            std::fs::create_dir_all(own.join(directory.trim_start_matches('/'))).unwrap();
        }
        let script = "set -e; own=$1; shift; for at in /var/lib/baton /run/baton /etc/resolv.conf /etc/hosts; do \
            [ ! -e $own$at ] || mount --bind $own$at $at; done; exec \"$@\"";
        let base_name = Path::new(&self.arg0).file_name().unwrap().to_str().unwrap();
        let mut called = own.join(base_name);
        if !called.exists() {
            called = link(own, base_name);
        }
        self.prefix = ["--mount", "sh", "-c", script, "sh"].map(OsString::from).to_vec();
        self.prefix.extend([own.into(), called.into()]);
        self.program = program("unshare", "util-linux");
        self.arg0 = "unshare".into();
        self
    }

    /// The same, with stand-ins that misbehave: `TOOL:garbage` or `TOOL:hang`.
    pub(crate) fn stub(self, how: &str) -> Call {
        let (_, working) = self.environment.iter().find(|(name, _)| name == "HA_SBIN_DIR").unwrap();
        let state = Path::new(working).ancestors().nth(2).unwrap().to_owned();
        self.env("HA_SBIN_DIR", tools(&state, how).to_str().unwrap())
    }

    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Call {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn by_user(mut self, uid: u32) -> Call {
        self.uid = Some(uid);
        self
    }

    pub(crate) fn in_directory(mut self, directory: impl Into<PathBuf>) -> Call {
        self.directory = directory.into();
        self
    }

    pub(crate) fn instance(&self) -> String {
        let name = "OCF_RESOURCE_INSTANCE";
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    pub(crate) fn run(&self, action: &str) -> Ended {
        run(self.clone().first(action).command())
    }

    /// Runs with the given arguments alone.
    pub(crate) fn run_bare(&self) -> Ended {
        run(self.command())
    }

    fn first(mut self, action: &str) -> Call {
        self.arguments.insert(0, action.into());
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg0(&self.arg0)
            .args(&self.prefix)
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory)
            .stdin(Stdio::null());
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }
}

/// A directory with the stand-ins for Pacemaker's tools. They get no variables, as the real ones do: where they keep
/// what they are told, and how they behave, is in the way to them.
fn tools(state: &Path, how: &str) -> PathBuf {
    let directory = state.join("sbin").join(how);
    std::fs::create_dir_all(&directory).unwrap();
    for tool in ["attrd_updater", "crm_attribute", "crm_mon", "crm_node"] {
        let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stubs").join(tool);
        match std::os::unix::fs::symlink(stub, directory.join(tool)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => panic!("{error}"),
            Ok(()) | Err(_) => {}
        }
    }
    directory
}

impl Ended {
    /// The sentence that Pacemaker shows: the last one with the prefix.
    pub(crate) fn reason(&self) -> &str {
        let last = self
            .stderr
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("ocf-exit-reason:"));
        last.unwrap_or_else(|| panic!("no exit reason: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Ended {
        let reason = self.reason();
        for word in words {
            assert!(reason.contains(word), "\"{word}\" is not in the reason: {reason}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn within(self, limit: Duration) -> Ended {
        assert!(self.took <= limit, "took {:?}, allowed {limit:?}: {self:#?}", self.took);
        self
    }
}

/// Runs a command to its end.
#[expect(clippy::zombie_processes, reason = "wait4 reaps it")]
pub(crate) fn run(mut command: Command) -> Ended {
    let shown = format!("{command:?}");
    let started = Instant::now();
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let pid = child.id().cast_signed();
    let (ended, watch) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if watch.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let group = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        }
    });
    let (status, usage) = wait(pid);
    let (took, at) = (started.elapsed(), SystemTime::now());
    drop(ended);
    watchdog.join().unwrap();
    let text = |stream: mpsc::Receiver<String>| {
        let text = stream.recv_timeout(Duration::from_secs(10));
        text.unwrap_or_else(|_| panic!("{shown} left a process behind that holds its output open"))
    };
    let time = |time: libc::timeval| Duration::new(time.tv_sec.cast_unsigned(), time.tv_usec as u32 * 1000);
    Ended {
        code: if libc::WIFEXITED(status) {
            libc::WEXITSTATUS(status)
        } else {
            -1
        },
        stdout: text(stdout),
        stderr: text(stderr),
        took,
        at,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        resident_kib: usage.ru_maxrss,
    }
}

fn reader(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    let mut stream = stream.unwrap();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

#[expect(unsafe_code, reason = "only wait4 tells what one child has cost")]
fn wait(pid: i32) -> (i32, libc::rusage) {
    let mut status = 0;
    // SAFETY: both pointers are to initialised values that live longer than the call; all bits zero is a valid rusage.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        loop {
            if libc::wait4(pid, &raw mut status, 0, &raw mut usage) == pid {
                return (status, usage);
            }
        }
    }
}

/// A program in one of the usual places.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let mut paths = places.iter().map(|place| Path::new(place).join(name));
    paths.find(|path| path.exists())
}

/// A program that the tests need; `tests/setup` installs the package.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("{name} is missing: tests/setup installs it (Debian package {package})"))
}

/// These tests change owners and start servers under other accounts.
pub(crate) fn require_root() {
    assert!(nix::unistd::geteuid().is_root(), "this test must run as root");
}

/// A name that no other test uses.
pub(crate) fn unique(prefix: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{count}", std::process::id())
}

/// A directory that every account may enter, removed at the end.
pub(crate) fn scratch() -> TempDir {
    let directory = TempDir::with_prefix_in("baton-test-", "/tmp").unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// A link to the binary, as `make install` makes them.
pub(crate) fn link(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    symlink(BINARY, &path).unwrap();
    path
}

pub(crate) fn write(path: impl AsRef<Path>, text: &str, mode: u32) {
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Waits for a condition; its absence is a failure that names it.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < limit, "{what} did not happen within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
