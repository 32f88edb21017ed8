//! A small network of namespaces: two nodes and a client on one bridge, and a way to see what the client sees.
//!
//! The namespaces have no names; the kernel takes them away with the last descriptor and process.

use std::fs::File;
use std::io::IoSliceMut;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeSpec;

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
        self.ip("-o -4 addr show")
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

    fn index(&self, interface: &str) -> usize {
        let line = self.ip(&format!("-o link show {interface}"));
        line.split(':').next().unwrap().parse().unwrap()
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }

    /// The file that an announcer of this namespace keeps locked.
    fn announcer_lock(&self, ip: &str) -> PathBuf {
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
        command.env("OCF_RESKEY_CRM_meta_timeout", "20000");
        for (name, value) in parameters {
            command.env(format!("OCF_RESKEY_{name}"), value);
        }
        self.inside(|| {
            let (began, clock) = (SystemTime::now(), Instant::now());
            let output = command.output().unwrap();
            let took = clock.elapsed();
            Run {
                code: output.status.code().unwrap(),
                stderr: String::from_utf8(output.stderr).unwrap(),
                began,
                ended: SystemTime::now(),
                took,
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
        lan.client.ip("link set br0 up");
        for (node, port, ip) in [(&lan.a, "to-a", "10.0.0.1"), (&lan.b, "to-b", "10.0.0.2")] {
            lan.client.ip(&format!(
                "link add {port} type veth peer name eth0 netns {}",
                node.path()
            ));
            lan.client.ip(&format!("link set {port} master br0 up"));
            node.ip(&format!("addr add {ip}/24 dev eth0"));
            node.ip("link set eth0 up");
        }
        for node in [&lan.a, &lan.b] {
            until("carrier", || {
                node.ip("link show eth0").contains("LOWER_UP").then_some(())
            });
        }
        lan
    }

    /// What the client's ARP cache says of an address.
    pub(crate) fn neighbour(&self, ip: &str) -> Option<String> {
        let line = self.client.ip(&format!("neigh show {ip}"));
        let mut words = line.split_whitespace().skip_while(|word| *word != "lladdr");
        words.nth(1).map(str::to_owned)
    }

    /// Makes the client talk to an address until it knows who has it.
    pub(crate) fn client_knows(&self, ip: &str) -> String {
        let to: Ipv4Addr = ip.parse().unwrap();
        self.client.inside(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            until("the answer to an ARP request", || {
                // Nobody listens there; an ICMP error from an earlier round is as good as an answer.
                let _ = socket.send_to(b"?", (to, 9));
                self.neighbour(ip)
            })
        })
    }
}

/// One ARP frame as the client's bridge received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) operation: u16,
    pub(crate) sender: String,
    pub(crate) at: SystemTime,
    pub(crate) gratuitous: bool,
    pub(crate) broadcast: bool,
}

pub(crate) const REQUEST: u16 = 1;
pub(crate) const REPLY: u16 = 2;

/// Collects the frames about one address that reach an interface, from now on.
pub(crate) struct Capture {
    socket: OwnedFd,
    interface: usize,
    ip: Ipv4Addr,
    frames: Vec<Arp>,
}

impl Capture {
    pub(crate) fn on(net: &Net, interface: &str, ip: &str) -> Capture {
        let socket = net.inside(|| {
            let socket = socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_NONBLOCK,
                SockProtocol::EthAll,
            );
            socket.unwrap()
        });
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
        Capture {
            socket,
            interface: net.index(interface),
            ip: ip.parse().unwrap(),
            frames: Vec::new(),
        }
    }

    /// Everything that was received so far.
    pub(crate) fn frames(&mut self) -> &[Arp] {
        while let Some(frame) = self.next() {
            self.frames.extend(frame);
        }
        &self.frames
    }

    pub(crate) fn wait_for(&mut self, count: usize) -> &[Arp] {
        until(&format!("frame {count}"), || {
            (self.frames().len() >= count).then_some(())
        });
        &self.frames
    }

    /// The next packet; its inner value is none when it is of no interest.
    fn next(&mut self) -> Option<Option<Arp>> {
        let mut bytes = [0; 2048];
        let mut control = nix::cmsg_space!(TimeSpec);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<LinkAddr>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        )
        .ok()?;
        let at = message.cmsgs().unwrap().find_map(|message| {
            let ControlMessageOwned::ScmTimestampns(at) = message else {
                return None;
            };
            Some(SystemTime::UNIX_EPOCH + Duration::from(at))
        })?;
        let here = message.address.is_some_and(|from| from.ifindex() == self.interface);
        let length = message.bytes;
        Some(parse(&bytes[..length], self.ip, at).filter(|_| here))
    }
}

fn parse(frame: &[u8], ip: Ipv4Addr, at: SystemTime) -> Option<Arp> {
    let is_arp = frame.len() >= 42 && frame[12..14] == [8, 6];
    if !is_arp || frame[28..32] != ip.octets() {
        return None;
    }
    let sender: Vec<String> = frame[22..28].iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Arp {
        operation: u16::from_be_bytes([frame[20], frame[21]]),
        sender: sender.join(":"),
        at,
        gratuitous: frame[28..32] == frame[38..42],
        broadcast: frame[..6] == [0xff; 6],
    })
}
