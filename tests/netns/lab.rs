//! A small network of namespaces: two nodes and a client on one bridge, and a way to see what the client sees.
//!
//! The namespaces have no names; the kernel takes them away with the last descriptor and process.

use std::fs::File;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use nix::sched::{CloneFlags, setns, unshare};

use crate::support;

/// What a test waits for at most, where the time itself is not the claim.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// Waits for a condition.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < SOON, "{what} did not happen within {SOON:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}

/// A network namespace.
pub(crate) struct Net {
    namespace: File,
}

impl Net {
    pub(crate) fn new() -> Net {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make network namespaces: run them as root, for example `sudo -E cargo test --test netns`"
        );
        let namespace = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a new network namespace");
            File::open("/proc/thread-self/ns/net").unwrap()
        })
        .join()
        .unwrap();
        let net = Net { namespace };
        net.ip("link set lo up");
        net
    }

    /// Runs something in the namespace, in a thread of its own; programs that it starts are there, too.
    pub(crate) fn inside<T: Send>(&self, task: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("entering a network namespace");
                    task()
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs a shell command, which must succeed; returns its output.
    pub(crate) fn shell(&self, command: &str) -> String {
        let output = self.inside(|| Command::new("/bin/sh").args(["-c", command]).output().unwrap());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn ip(&self, arguments: &str) -> String {
        self.shell(&format!("ip {arguments}"))
    }

    /// Every copy of the address, as `interface prefix`.
    pub(crate) fn copies(&self, ip: &str) -> Vec<String> {
        self.ip("-o addr show")
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let (found, prefix) = words[3].split_once('/')?;
                (found == ip).then(|| format!("{} {prefix}", words[1]))
            })
            .collect()
    }

    pub(crate) fn mac(&self, interface: &str) -> String {
        self.ip(&format!("-br link show {interface}"))
            .split_whitespace()
            .find(|word| word.matches(':').count() == 5)
            .unwrap()
            .to_owned()
    }

    pub(crate) fn index(&self, interface: &str) -> usize {
        let line = self.ip(&format!("-o link show {interface}"));
        line.split(':').next().unwrap().parse().unwrap()
    }

    /// What the ARP or NDP cache says of an address.
    pub(crate) fn neighbour(&self, ip: &str) -> Option<String> {
        let line = self.ip(&format!("neigh show {ip}"));
        let mut words = line.split_whitespace().skip_while(|word| *word != "lladdr");
        words.nth(1).map(str::to_owned)
    }

    /// Talks to an address until it is known who has it.
    pub(crate) fn knows(&self, ip: &str) -> String {
        let to: IpAddr = ip.parse().unwrap();
        self.inside(|| {
            let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(from).unwrap();
            until("the answer to the question who has the address", || {
                // Nobody listens there; an ICMP error from an earlier round is as good as an answer.
                let _ = socket.send_to(b"?", (to, 9));
                self.neighbour(ip)
            })
        })
    }

    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }

    /// The file that an announcer of this namespace keeps locked.
    pub(crate) fn announcer_lock(&self, ip: &str) -> PathBuf {
        PathBuf::from(format!(
            "/run/baton/announcer-{ip}@{}",
            self.namespace.metadata().unwrap().ino()
        ))
    }

    pub(crate) fn announcer_runs(&self, ip: &str) -> bool {
        let Ok(file) = File::open(self.announcer_lock(ip)) else {
            return false;
        };
        nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).is_err()
    }

    /// Runs one action of the agent; `parameters` are those of the resource.
    pub(crate) fn agent(&self, action: &str, parameters: &[(&str, &str)]) -> Run {
        self.agent_by(&[env!("CARGO_BIN_EXE_baton")], action, parameters)
    }

    /// Runs one action through another program, such as one that takes a capability away first.
    pub(crate) fn agent_by(&self, program: &[&str], action: &str, parameters: &[(&str, &str)]) -> Run {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).args(["floating-ip", action]);
        self.act(command, parameters)
    }

    /// Runs one action of any agent.
    pub(crate) fn act(&self, mut command: Command, parameters: &[(&str, &str)]) -> Run {
        command.env("OCF_RESKEY_CRM_meta_timeout", "20000");
        for (name, value) in parameters {
            let prefix = if name.starts_with("OCF_") { "" } else { "OCF_RESKEY_" };
            command.env(format!("{prefix}{name}"), value);
        }
        self.inside(|| {
            let began = SystemTime::now();
            let ended = support::run(command);
            Run {
                code: ended.code,
                stderr: ended.stderr,
                began,
                ended: ended.at,
                took: ended.took,
                cpu: ended.cpu,
            }
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let inode = self.namespace.metadata().unwrap().ino();
        let files = std::fs::read_dir("/run/baton").into_iter().flatten().flatten();
        for file in files.filter(|file| file.file_name().to_string_lossy().ends_with(&format!("@{inode}"))) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

/// How one action ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stderr: String,
    pub(crate) began: SystemTime,
    pub(crate) ended: SystemTime,
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
}

impl Run {
    /// The exit reason that Pacemaker would show; it takes the last one.
    pub(crate) fn reason(&self) -> &str {
        self.stderr
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("ocf-exit-reason:"))
            .unwrap_or("")
    }

    #[track_caller]
    pub(crate) fn ends_with(&self, code: i32) -> &Run {
        assert_eq!(self.code, code, "{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn because(&self, words: &str) -> &Run {
        assert!(
            self.reason().contains(words),
            "exit reason {:?} lacks {words:?}",
            self.reason()
        );
        self
    }
}

/// Two nodes `a` and `b`, each with `eth0`, and a client with the bridge `br0` between them, all in 10.0.0.0/24.
pub(crate) struct Lan {
    pub(crate) client: Net,
    pub(crate) a: Net,
    pub(crate) b: Net,
}

impl Lan {
    pub(crate) fn new() -> Lan {
        let lan = Lan {
            client: Net::new(),
            a: Net::new(),
            b: Net::new(),
        };
        lan.client.ip("link add br0 type bridge");
        lan.client.ip("addr add 10.0.0.9/24 dev br0");
        lan.client.ip("addr add fd00:10::9/64 dev br0 nodad");
        lan.client.ip("link set br0 up");
        for (node, port, ip) in [(&lan.a, "to-a", "10.0.0.1"), (&lan.b, "to-b", "10.0.0.2")] {
            lan.client.ip(&format!(
                "link add {port} type veth peer name eth0 netns {}",
                node.path()
            ));
            lan.client.ip(&format!("link set {port} master br0 up"));
            node.ip(&format!("addr add {ip}/24 dev eth0"));
            node.ip(&format!(
                "addr add fd00:10::{}/64 dev eth0 nodad",
                ip.rsplit('.').next().unwrap()
            ));
            node.ip("link set eth0 up");
        }
        for node in [&lan.a, &lan.b] {
            until("carrier", || {
                node.ip("link show eth0").contains("LOWER_UP").then_some(())
            });
        }
        // The kernel opens a port of the bridge a moment after its carrier, and drops everything until then.
        for port in ["to-a", "to-b"] {
            until("forwarding", || {
                let shown = lan.client.ip(&format!("-d link show {port}"));
                shown.contains("state forwarding").then_some(())
            });
        }
        lan
    }

    /// What the client's ARP or NDP cache says of an address.
    pub(crate) fn neighbour(&self, ip: &str) -> Option<String> {
        self.client.neighbour(ip)
    }

    /// Makes the client talk to an address until it knows who has it.
    pub(crate) fn client_knows(&self, ip: &str) -> String {
        self.client.knows(ip)
    }
}
