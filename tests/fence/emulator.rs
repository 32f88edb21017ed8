//! OpenStack's emulator of management boards, whose state follows an order seconds later.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::harness::{Ended, fence};

/// Where tests/setup puts it.
fn emulator_program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    cache
        .unwrap_or_else(home)
        .join("baton-tests/sushy-tools/bin/sushy-emulator")
}

pub(crate) fn certificate(name: &str) -> String {
    format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) const NODES: [&str; 3] = [
    "aaaaaaaa-0000-0000-0000-000000000001",
    "aaaaaaaa-0000-0000-0000-000000000002",
    "aaaaaaaa-0000-0000-0000-000000000003",
];

pub(crate) struct Emulator {
    directory: TempDir,
    pub(crate) port: u16,
    process: Child,
}

impl Emulator {
    pub(crate) fn start(more: &str) -> Emulator {
        let directory = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let systems: Vec<String> = NODES
            .iter()
            .map(|uuid| {
                format!(
                    "{{'uuid': '{uuid}', 'name': '{}', 'power_state': 'On', 'nics': []}}",
                    &uuid[30..]
                )
            })
            .collect();
        let configuration = format!(
            "SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\nSUSHY_EMULATOR_LISTEN_PORT = {port}\n\
             SUSHY_EMULATOR_SSL_CERT = '{}'\nSUSHY_EMULATOR_SSL_KEY = '{}'\nSUSHY_EMULATOR_FAKE_DRIVER = True\n\
             SUSHY_EMULATOR_STATE_DIR = '{}'\nSUSHY_EMULATOR_FAKE_SYSTEMS = [{}]\n{more}\n",
            certificate("server.pem"),
            certificate("server.key"),
            directory.path().display(),
            systems.join(", ")
        );
        let file = directory.path().join("emulator.conf");
        std::fs::write(&file, configuration).unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new(emulator_program())
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("these tests need OpenStack's Redfish emulator: tests/setup installs sushy-tools");
        let emulator = Emulator {
            directory,
            port,
            process,
        };
        emulator.wait();
        emulator
    }

    fn wait(&self) {
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(since.elapsed() < Duration::from_secs(60), "{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn ask(&self, action: &str, plug: &str, more: &str) -> Ended {
        let ca = certificate("ca.pem");
        ask_at(self.port, action, plug, &format!("ssl_cacert={ca}\n{more}"))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn ask_at(port: u16, action: &str, plug: &str, more: &str) -> Ended {
    let lines = format!("action={action}\nbackend=redfish\nip=localhost\nipport={port}\nplug={plug}\n{more}\n");
    fence(&[], &lines)
}
