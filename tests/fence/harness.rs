//! Runs the agent, makes nodes that are real containers, and plays engines that misbehave.
//!
//! Containers carry a name of their own and are removed at the end of each test, also of one that fails.

use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use tempfile::TempDir;

const IMAGE: &str = "baton-fence-test:pause";

// ---------------------------------------------------------------------------------------------- the agent

pub(crate) struct Ended {
    code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ended {
    /// The exit code, after demanding what holds for every run: silence on success, and the words that Pacemaker
    /// looks for only where they are true.
    pub(crate) fn code(&self) -> i32 {
        let words = self.stderr.to_ascii_lowercase();
        if self.code == 1 {
            assert!(words.starts_with("fence_baton: "), "a failure has a reason: {words}");
        } else {
            let only_warnings = words.lines().all(|line| line.starts_with("fence_baton: warning: "));
            assert!(only_warnings, "{words}");
        }
        let timeout = words.contains("timed out") || words.contains("timeout");
        assert!(!timeout || words.contains("did not happen within"), "{words}");
        self.code
    }
}

/// Runs the agent through a link, as Pacemaker does; also with its environment, which must not unbound anything.
pub(crate) fn fence(arguments: &[&str], stdin: &str) -> Ended {
    static LINK: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, link) = LINK.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("fence_baton");
        symlink(env!("CARGO_BIN_EXE_baton"), &link).unwrap();
        (directory, link)
    });
    let started = Instant::now();
    let output = Command::new(link)
        .args(arguments)
        .env_clear()
        .env("PCMK_service", "pacemaker-fenced")
        .write_stdin(stdin)
        .timeout(Duration::from_secs(60))
        .output()
        .unwrap();
    Ended {
        code: output.status.code().expect("fence_baton was killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        took: started.elapsed(),
    }
}

/// An action with the options that Pacemaker passes on stdin.
pub(crate) fn action(action: &str, plug: &str, more: &str) -> Ended {
    let lines = format!("action={action}\nnodename=node1\nplug={plug}\nbackend=docker\n{more}\n");
    fence(&[], &lines)
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

// ---------------------------------------------------------------------------------------------- the Docker Engine

pub(crate) fn docker(arguments: &[&str], stdin: Vec<u8>) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .write_stdin(stdin)
        .output()
        .expect("these tests need a Docker Engine and its client: install docker.io");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {stderr}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A program that calls pause(2) for ever, as a whole ELF file: no image has to be pulled, nothing to be compiled.
fn pause_program() -> Vec<u8> {
    let code: [u8; 9] = [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]; // mov eax, 34; syscall; jmp back
    let (base, head) = (0x40_0000_u64, 120_u64);
    let size = head + code.len() as u64;
    let mut elf = vec![
        0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0,
    ];
    for number in [base + head, 64, 0] {
        elf.extend(number.to_le_bytes()); // entry point, program headers, section headers
    }
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]); // one segment to load, readable and executable
    for number in [0, base, base, size, size, 0x1000] {
        elf.extend(number.to_le_bytes());
    }
    elf.extend(code);
    elf
}

fn image() -> &'static str {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        if !docker(&["image", "ls", "--quiet", IMAGE], Vec::new()).is_empty() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("pause");
        std::fs::write(&program, pause_program()).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let tar = Command::new("tar")
            .args(["--create", "--directory"])
            .arg(directory.path())
            .arg("pause")
            .output()
            .unwrap();
        docker(&["import", "-", IMAGE], tar.stdout);
    });
    IMAGE
}

pub(crate) struct Container(pub(crate) String);

impl Container {
    pub(crate) fn run(more: &[&str]) -> Container {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Made before it is started: a start that fails leaves a container behind.
        let container = Container(format!("baton-fence-test-{}-{number}", std::process::id()));
        let mut arguments = vec!["run", "--detach", "--network", "none", "--name", &container.0];
        arguments.extend(more);
        arguments.extend([image(), "/pause"]);
        docker(&arguments, Vec::new());
        container
    }

    pub(crate) fn inspect(&self, template: &str) -> String {
        docker(&["inspect", "--format", template, &self.0], Vec::new())
    }

    pub(crate) fn state(&self) -> String {
        self.inspect("{{.State.Status}}")
    }

    /// Gives its name to a new container that has never run; it goes on under another one.
    pub(crate) fn make_way(&self) -> Container {
        let old = Container(format!("{}-old", self.0));
        docker(&["rename", &self.0, &old.0], Vec::new());
        docker(
            &["create", "--network", "none", "--name", &self.0, image(), "/pause"],
            Vec::new(),
        );
        old
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Nothing to say when it is gone already, and a second panic would abort the run.
        let _ = Command::new("docker").args(["rm", "--force", &self.0]).output();
    }
}

// ---------------------------------------------------------------------------------------------- engines that misbehave

/// A server on a socket of its own that gives one answer to every request but that for the version.
pub(crate) struct Engine {
    _directory: TempDir,
    pub(crate) socket: PathBuf,
}

impl Engine {
    pub(crate) fn answering(status: &'static str, body: String) -> Engine {
        let engine = Engine::silent();
        let listener = UnixListener::bind(&engine.socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap_or(0);
                let (status, body) = match buffer[..count].starts_with(b"GET /version ") {
                    true => (
                        "200 OK",
                        r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"fake"}"#,
                    ),
                    false => (status, body.as_str()),
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        engine
    }

    /// A socket's path, on which nobody listens.
    pub(crate) fn silent() -> Engine {
        let directory = tempfile::tempdir().unwrap();
        Engine {
            socket: directory.path().join("docker.sock"),
            _directory: directory,
        }
    }

    pub(crate) fn container(state: &str) -> String {
        format!(r#"{{"Id":"0123456789abcdef","Name":"/db1","State":{state}}}"#)
    }

    pub(crate) fn options(&self) -> String {
        let socket = self.socket.display();
        format!("docker_socket={socket}\npower_timeout=600ms\nlogin_timeout=300ms")
    }
}
