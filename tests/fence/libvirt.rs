//! The backend libvirt against libvirt's own test driver, in a daemon of its own, as it would be on a host.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::harness::{Ended, fence};

struct Host {
    directory: TempDir,
    daemon: Child,
    /// The driver forgets everything with its last connection.
    keeper: Option<Child>,
}

impl Host {
    fn start() -> Host {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let configuration = format!("unix_sock_dir = \"{path}\"\nauth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n");
        let file = directory.path().join("libvirtd.conf");
        std::fs::write(&file, configuration).unwrap();
        let daemon = Command::new("/usr/sbin/libvirtd")
            .args(["--config", file.to_str().unwrap(), "--pid-file", &format!("{path}/pid")])
            // No other driver: this machine has no hypervisor, and its network is not to be touched.
            .env("LIBVIRT_DRIVER_DIR", path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need libvirt's daemon: install libvirt-daemon and libvirt-clients");
        let mut host = Host {
            directory,
            daemon,
            keeper: None,
        };
        let since = Instant::now();
        while !host.virsh(&["list", "--all"]).1 {
            assert!(since.elapsed() < Duration::from_secs(30), "libvirtd does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut keeper = Command::new("virsh");
        keeper.args(["--quiet", "--connect", &host.uri()]).stdin(Stdio::piped());
        host.keeper = Some(keeper.stdout(Stdio::piped()).spawn().unwrap());
        host.define("db1");
        host.define("db2");
        host
    }

    /// Defines a domain through the connection that stays, and starts it.
    fn define(&mut self, name: &str) {
        let file = self.directory.path().join(format!("{name}.xml"));
        let xml =
            format!("<domain type='test'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os></domain>");
        std::fs::write(&file, xml).unwrap();
        let input = self.keeper.as_mut().unwrap().stdin.as_mut().unwrap();
        std::io::Write::write_all(input, format!("define {}\nstart {name}\n", file.display()).as_bytes()).unwrap();
        let since = Instant::now();
        while self.state(name) != "running" {
            assert!(since.elapsed() < Duration::from_secs(30), "{name} is not defined");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn uri(&self) -> String {
        format!(
            "test+unix:///default?socket={}/libvirt-sock",
            self.directory.path().display()
        )
    }

    fn virsh(&self, words: &[&str]) -> (String, bool) {
        let output = Command::new("virsh")
            .args(["--quiet", "--connect", &self.uri()])
            .args(words)
            .output()
            .unwrap();
        (
            String::from_utf8(output.stdout).unwrap().trim().to_owned(),
            output.status.success(),
        )
    }

    fn state(&self, name: &str) -> String {
        self.virsh(&["domstate", name]).0
    }

    fn ask(&self, action: &str, plug: &str, more: &str) -> Ended {
        ask_at(&self.uri(), action, plug, more)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for process in self.keeper.iter_mut().chain([&mut self.daemon]) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn ask_at(uri: &str, action: &str, plug: &str, more: &str) -> Ended {
    let lines = format!("action={action}\nbackend=libvirt\nlibvirt_uri={uri}\nplug={plug}\n{more}\n");
    fence(&[], &lines)
}

#[test]
fn domains_are_switched_whatever_state_they_are_in() {
    let host = Host::start();
    assert_eq!(host.ask("status", "db1", "").code(), 0);
    assert_eq!(host.ask("off", "db1", "").code(), 0);
    assert_eq!(
        (host.state("db1"), host.state("db2")),
        ("shut off".to_owned(), "running".to_owned())
    );
    assert_eq!(host.ask("status", "db1", "").code(), 2);
    assert_eq!(host.ask("off", "db1", "").code(), 0, "off is off");
    assert_eq!(host.ask("on", "db1", "").code(), 0);
    host.virsh(&["suspend", "db2"]);
    assert_eq!(host.ask("status", "db2", "").code(), 0, "it goes on where it stopped");
    assert_eq!(host.ask("off", "db1,db2", "").code(), 0);
    assert_eq!(host.ask("reboot", "db2", "").code(), 0);
    assert_eq!(host.state("db2"), "running");
    let list = host.ask("list-status", "", "");
    assert_eq!(list.code(), 0);
    assert!(list.stdout.starts_with("db1,,off\ndb2,,on\n"), "{}", list.stdout);
}

#[test]
fn a_domain_that_is_unknown_or_a_number_is_not_off() {
    let host = Host::start();
    for (plug, word) in [
        ("nobody", "no proof that the node is off"),
        ("1", "no mere number"),
        ("+1", "no mere number"),
    ] {
        for action in ["off", "status", "reboot", "monitor"] {
            let ended = host.ask(action, plug, "");
            assert_eq!(ended.code(), 1, "{action} {plug}");
            assert!(ended.stderr.contains(word), "{}", ended.stderr);
        }
    }
    assert_eq!(host.ask("off", "db1,nobody", "").code(), 1);
    assert_eq!(host.state("db1"), "running");
}

/// What libvirt-guests does when the host goes down: such a domain would go on where it stopped.
#[test]
fn a_domain_whose_memory_was_kept_is_not_off_until_that_is_gone() {
    let host = Host::start();
    assert!(host.virsh(&["managedsave", "db1"]).1);
    assert_eq!(host.state("db1"), "shut off");
    assert_eq!(host.ask("status", "db1", "").code(), 0);
    let list = host.ask("list-status", "", "");
    assert!(list.stdout.starts_with("db1,,on\n"), "{}", list.stdout);
    assert_eq!(host.ask("off", "db1", "").code(), 0);
    let info = host.virsh(&["dominfo", "db1"]).0;
    assert!(
        info.lines()
            .any(|line| line.starts_with("Managed save:") && line.ends_with("no")),
        "{info}"
    );
    assert_eq!(host.ask("status", "db1", "").code(), 2);
    assert_eq!(host.ask("reboot", "db1", "").code(), 0);
    assert_eq!(host.state("db1"), "running");
}

#[test]
fn what_would_bring_a_domain_back_is_told() {
    let host = Host::start();
    host.virsh(&["autostart", "db1"]);
    let monitor = host.ask("monitor", "db1", "");
    assert_eq!(monitor.code(), 0);
    assert!(
        monitor.stderr.contains("virsh autostart --disable db1"),
        "{}",
        monitor.stderr
    );
    let diag = host.ask("diag", "db1,nobody", "");
    assert_eq!(diag.code(), 1);
    assert!(
        diag.stdout.contains("db1: on\n") && diag.stdout.contains("nobody: cannot be fenced"),
        "{}",
        diag.stdout
    );
}

#[test]
fn a_host_that_is_gone_or_silent_proves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("libvirt-sock");
    let uri = format!("test+unix:///default?socket={}", path.display());
    let gone = ask_at(&uri, "off", "db1", "power_timeout=2\nlogin_timeout=1");
    assert_eq!(gone.code(), 1);
    assert!(gone.stderr.contains("Failed to connect"), "{}", gone.stderr);
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let silent = ask_at(&uri, "off", "db1", "power_timeout=2\nlogin_timeout=1");
    assert_eq!(silent.code(), 1);
    assert!(silent.stderr.contains("timed out"), "{}", silent.stderr);
    assert!(silent.took < Duration::from_secs(20), "{:?}", silent.took);
}
