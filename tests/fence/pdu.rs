//! Plays power distribution units: net-snmp's agent, with a script for its outlets.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::harness::{Ended, fence};

/// The columns and numbers of a kind of PDU, from its vendor's MIB: sysObjectID, state, switch, label, then on and off
/// as shown, on and off as written.
pub(crate) struct Kind(
    pub(crate) &'static str,
    &'static str,
    &'static str,
    &'static str,
    pub(crate) [u8; 4],
);

pub(crate) const RPDU: Kind = Kind(
    ".1.3.6.1.4.1.318.1.3.4.5",
    ".1.3.6.1.4.1.318.1.1.12.3.5.1.1.4",
    ".1.3.6.1.4.1.318.1.1.12.3.3.1.1.4",
    ".1.3.6.1.4.1.318.1.1.12.3.5.1.1.2",
    [1, 2, 1, 2],
);
pub(crate) const RPDU2: Kind = Kind(
    ".1.3.6.1.4.1.318.1.3.4.6",
    ".1.3.6.1.4.1.318.1.1.26.9.2.3.1.5",
    ".1.3.6.1.4.1.318.1.1.26.9.2.4.1.5",
    ".1.3.6.1.4.1.318.1.1.26.9.2.3.1.3",
    [2, 1, 1, 2],
);
pub(crate) const TRIPP_LITE: Kind = Kind(
    ".1.3.6.1.4.1.850.1",
    ".1.3.6.1.4.1.850.10.2.3.5.1.2.1",
    ".1.3.6.1.4.1.850.10.2.3.5.1.4.1",
    ".1.3.6.1.4.1.850.10.2.3.5.1.5.1",
    [2, 1, 2, 1],
);
pub(crate) const TRIPP_LITE_LX: Kind = Kind(
    ".1.3.6.1.4.1.850.1.1.1",
    ".1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.4.1",
    ".1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.6.1",
    ".1.3.6.1.4.1.850.1.1.3.2.3.3.1.1.2.1",
    [2, 1, 2, 1],
);
pub(crate) const CYBER_POWER: Kind = Kind(
    ".1.3.6.1.4.1.3808.1.1.3.7",
    ".1.3.6.1.4.1.3808.1.1.3.3.5.1.1.4",
    ".1.3.6.1.4.1.3808.1.1.3.3.3.1.1.4",
    ".1.3.6.1.4.1.3808.1.1.3.3.3.1.1.2",
    [1, 2, 1, 2],
);

pub(crate) const V2: &str = "snmp_version=2c\ncommunity=writer";
pub(crate) const V3: &str = "snmp_version=3\nusername=fence\npassword=signing-secret\nsnmp_priv_passwd=hiding-secret";

/// An agent of net-snmp on a port of its own.
pub(crate) struct Agent {
    directory: TempDir,
    pub(crate) port: u16,
    process: Child,
}

impl Agent {
    pub(crate) fn playing(kind: &Kind) -> Agent {
        let Kind(id, state, switch, label, numbers) = kind;
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fence/pdu.sh");
        let numbers = numbers.map(|number| number.to_string()).join(" ");
        // snmpd asks the script about nothing outside of the vendor's own tree.
        let tree: Vec<&str> = id.split('.').take(8).collect();
        let tree = tree.join(".");
        Agent::start(|directory| {
            format!(
                "sysObjectID {id}\npass_persist {tree} /bin/bash {} {directory} {state} {switch} {label} {numbers}\n",
                script.display()
            )
        })
    }

    /// What runs on any machine: an agent that has no outlets at all.
    pub(crate) fn no_pdu() -> Agent {
        Agent::start(|_| String::new())
    }

    fn start(more: impl Fn(&str) -> String) -> Agent {
        let directory = tempfile::tempdir().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = directory.path().to_str().unwrap();
        let users = [
            ("fence", "SHA", "AES"),
            ("old", "MD5", "DES"),
            ("new", "SHA-256", "AES"),
            ("long", "SHA-512", "AES"),
        ];
        let users: String = users
            .iter()
            .map(|(name, auth, privacy)| {
                format!("createUser {name} {auth} signing-secret {privacy} hiding-secret\nrwuser {name} priv\n")
            })
            .collect();
        let configuration = format!(
            "agentAddress udp:127.0.0.1:{port}\nrwcommunity writer\nrocommunity reader\n{users}\
             createUser signer SHA signing-secret\nrwuser signer auth\n{}",
            more(path)
        );
        let file = directory.path().join("snmpd.conf");
        std::fs::write(&file, configuration).unwrap();
        let process = Command::new("/usr/sbin/snmpd")
            .args([
                "-f",
                "-C",
                "-Lf",
                &format!("{path}/log"),
                "-I",
                "-smux,mteTrigger,mteTriggerConf",
            ])
            .args(["-c", file.to_str().unwrap(), &format!("--persistentDir={path}/kept")])
            .env("MIBS", "")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need net-snmp's agent: install snmpd");
        let agent = Agent {
            directory,
            port,
            process,
        };
        agent.wait();
        agent
    }

    /// It answers when it is ready, and until then it is quiet.
    fn wait(&self) {
        let since = Instant::now();
        loop {
            let ended = self.ask("monitor", "", &format!("{V2}\nlogin_timeout=1"));
            if ended.stderr.is_empty() || ended.stderr.contains("calls itself") || ended.stderr.contains("in the open")
            {
                return;
            }
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(since.elapsed() < Duration::from_secs(30), "{}{log}", ended.stderr);
        }
    }

    pub(crate) fn ask(&self, action: &str, plug: &str, more: &str) -> Ended {
        ask_at(self.port, action, plug, more)
    }

    pub(crate) fn set(&self, name: &str, value: &str) {
        std::fs::write(self.directory.path().join(name), value).unwrap();
    }

    pub(crate) fn state(&self, outlet: u8) -> String {
        let text = std::fs::read_to_string(self.directory.path().join(outlet.to_string())).unwrap();
        text.trim().to_owned()
    }

    pub(crate) fn orders(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.directory.path().join("orders")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn ask_at(port: u16, action: &str, plug: &str, more: &str) -> Ended {
    let lines = format!("action={action}\nbackend=snmp_pdu\nip=127.0.0.1\nipport={port}\nplug={plug}\n{more}\n");
    fence(&[], &lines)
}
