//! Three nodes on one machine: a server on an address of its own, the agent with directories of its own, one cluster.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::TcpListener;

use mysql::prelude::Queryable;
use tempfile::TempDir;

use crate::relay::Relay;
use crate::support::server::{SOON, Server};
use crate::support::{Call, Ended, eventually, scratch, unique, write};
use crate::transition::Transition;

pub(crate) const N1: usize = 0;
pub(crate) const N2: usize = 1;
pub(crate) const N3: usize = 2;
pub(crate) const NAMES: [&str; 3] = ["n1", "n2", "n3"];
const ADDRESSES: [&str; 3] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];

pub(crate) struct Lab {
    nodes: Vec<Server>,
    /// The way of n2 and n3 to n1, which a test may cut; on addresses of their own.
    pub(crate) relays: [Relay; 2],
    directory: TempDir,
    pub(crate) active: Cell<[bool; 3]>,
    pub(crate) primary: Cell<Option<usize>>,
}

impl Lab {
    /// Three servers with the same data, started by the agent, closed, following nobody.
    pub(crate) fn new() -> Lab {
        let (port, relays) = ways();
        let instance = unique("db");
        let node = |index: usize| {
            let options = format!(
                "bind_address={}\nserver_id={}\nslave_net_timeout=4\nrelay_log=relay\nsync_relay_log=1\n\
                 sync_binlog=1\nmax_connections=20",
                ADDRESSES[index],
                index + 11
            );
            Server::member(&instance, port, &options)
        };
        let lab = Lab {
            nodes: (0..3).map(node).collect(),
            relays,
            directory: scratch(),
            active: Cell::new([false; 3]),
            primary: Cell::new(None),
        };
        for node in [N1, N2, N3] {
            lab.set_password(node, "replica");
            write(lab.log(node), "", 0o600);
        }
        lab.transition().start(&[N1, N2, N3]).carry_out();
        lab
    }

    /// The same, with n1 promoted and followed by the others.
    pub(crate) fn serving() -> Lab {
        let lab = Lab::new();
        lab.transition().promote(N1).carry_out();
        lab.await_follows(N2, N1);
        lab.await_follows(N3, N1);
        lab
    }

    /// What Pacemaker does next.
    pub(crate) fn transition(&self) -> Transition<'_> {
        Transition::new(self)
    }

    pub(crate) fn server(&self, node: usize) -> &Server {
        &self.nodes[node]
    }

    /// The agent on this node, without what Pacemaker says of a transition.
    pub(crate) fn call(&self, node: usize) -> Call {
        let addresses = |index: usize| {
            let relayed = index == N1 && node != N1;
            let address = if relayed {
                self.relays[node - 1].address
            } else {
                ADDRESSES[index]
            };
            format!("{}={address}", NAMES[index])
        };
        let cluster = self.directory.path().join("cluster");
        let own = self.directory.path().join(NAMES[node]);
        self.server(node)
            .call()
            .param("node_addresses", [N1, N2, N3].map(addresses).join(" "))
            .param("replication_password_file", self.password_file(node))
            .meta("clone_max", "3")
            .meta("promoted_max", "1")
            .instance_on(NAMES[node], &cluster)
            .env("HA_LOGFILE", self.log(node).to_str().unwrap())
            .env("HA_debug", "1")
            .on_machine(&own)
    }

    /// What the agent of this node logs.
    fn log(&self, node: usize) -> std::path::PathBuf {
        self.directory.path().join(format!("log-{}", NAMES[node]))
    }

    pub(crate) fn monitor(&self, node: usize) -> Ended {
        self.call(node).run("monitor")
    }

    fn password_file(&self, node: usize) -> std::path::PathBuf {
        self.directory.path().join(format!("password-{}", NAMES[node]))
    }

    /// Writes this node's file with the password of the replication account.
    pub(crate) fn set_password(&self, node: usize, password: &str) {
        write(self.password_file(node), password, 0o600);
    }

    fn told(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.directory.path().join("cluster").join(path)).ok()
    }

    fn attribute(&self, node: usize, name: &str) -> Option<String> {
        self.told(&format!("{}/attribute-{name}", NAMES[node]))
    }

    /// The promotion score that the cluster knows of this node.
    pub(crate) fn score(&self, node: usize) -> Option<String> {
        self.attribute(node, &format!("master-{}", self.server(N1).instance))
    }

    pub(crate) fn vote(&self, node: usize) -> Option<String> {
        self.attribute(node, &format!("baton-{}-vote", self.server(N1).instance))
    }

    /// The cluster's epoch as it is written.
    pub(crate) fn epoch(&self) -> String {
        let name = format!("option-baton-{}-epoch", self.server(N1).instance);
        self.told(&name).unwrap_or_default()
    }

    /// A file that the agent of this node keeps in its directory under /var/lib.
    pub(crate) fn kept(&self, node: usize, name: &str) -> std::path::PathBuf {
        let own = self.directory.path().join(NAMES[node]).join("var/lib/baton");
        own.join(&self.server(node).instance).join(name)
    }

    /// Commits a row on this node; returns when the client was told so.
    pub(crate) fn write(&self, node: usize, id: u64) {
        let mut app = self.server(node).app();
        app.query_drop(format!("INSERT INTO t (id, v) VALUES ({id}, {id})"))
            .unwrap();
    }

    /// One column of the replica's status; empty when it follows nobody.
    pub(crate) fn status(&self, node: usize, column: &str) -> String {
        let row: Option<mysql::Row> = self.server(node).root().query_first("SHOW SLAVE STATUS").unwrap();
        row.and_then(|row| row.get::<Option<String>, _>(column).flatten())
            .unwrap_or_default()
    }

    fn threads(&self, node: usize) -> (String, String) {
        (
            self.status(node, "Slave_IO_Running"),
            self.status(node, "Slave_SQL_Running"),
        )
    }

    /// Neither thread runs, or nothing is configured.
    pub(crate) fn is_detached(&self, node: usize) -> bool {
        let (receiver, applier) = self.threads(node);
        [receiver, applier]
            .iter()
            .all(|thread| thread.is_empty() || thread == "No")
    }

    #[track_caller]
    pub(crate) fn await_status(&self, node: usize, column: &str, wanted: &str) {
        let what = format!("{column}={wanted} on {}", NAMES[node]);
        eventually(&what, SOON, || (self.status(node, column) == wanted).then_some(()));
    }

    /// Both threads run, from the right source.
    #[track_caller]
    pub(crate) fn await_follows(&self, node: usize, primary: usize) {
        let relayed = primary == N1 && node != N1;
        let source = if relayed {
            self.relays[node - 1].address
        } else {
            ADDRESSES[primary]
        };
        self.await_status(node, "Master_Host", source);
        self.await_status(node, "Slave_IO_Running", "Yes");
        self.await_status(node, "Slave_SQL_Running", "Yes");
    }

    /// This node has received all that `source` has in its binary log.
    #[track_caller]
    pub(crate) fn await_received(&self, node: usize, source: usize) {
        let wanted = self.server(source).ask("SELECT @@gtid_binlog_pos");
        self.await_status(node, "Gtid_IO_Pos", &wanted);
    }

    pub(crate) fn rows(&self, node: usize) -> BTreeMap<u64, u64> {
        let rows: Vec<(u64, u64)> = self.server(node).root().query("SELECT id, v FROM app.t").unwrap();
        rows.into_iter().collect()
    }

    /// Waits until the other nodes have executed all that the first has; then their rows must be the same.
    #[track_caller]
    pub(crate) fn same_rows(&self, nodes: &[usize]) -> BTreeMap<u64, u64> {
        let position = self.server(nodes[0]).ask("SELECT @@gtid_binlog_pos");
        let rows = self.rows(nodes[0]);
        // The binary log has a transaction before its rows are visible; the replica's position has it after that.
        let wait = format!("SELECT MASTER_GTID_WAIT('{position}', {})", SOON.as_secs() / 2);
        for node in &nodes[1..] {
            assert_eq!(self.server(*node).ask(&wait), "0", "{position} on {}", NAMES[*node]);
            assert_eq!(self.rows(*node), rows, "{} and {}", NAMES[*node], NAMES[nodes[0]]);
            let theirs = self.server(*node).ask("SELECT @@gtid_binlog_pos");
            assert_eq!(theirs, position, "{} and {}", NAMES[*node], NAMES[nodes[0]]);
        }
        rows
    }

    pub(crate) fn relay_logs(&self, node: usize) -> BTreeMap<String, u64> {
        let entries = std::fs::read_dir(self.server(node).datadir()).unwrap();
        let files = entries.map(|entry| entry.unwrap());
        files
            .map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().len()))
            .filter(|(name, _)| name.starts_with("relay.0"))
            .collect()
    }
}

impl Drop for Lab {
    /// A test that failed shows what the agents did.
    fn drop(&mut self) {
        for node in [N1, N2, N3].into_iter().filter(|_| std::thread::panicking()) {
            let log = std::fs::read_to_string(self.log(node)).unwrap_or_default();
            eprintln!("-- log of {}\n{log}", NAMES[node]);
        }
    }
}

/// A port that is free on all addresses, and the relays to n1.
fn ways() -> (u16, [Relay; 2]) {
    loop {
        let first = TcpListener::bind((ADDRESSES[0], 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let others: Result<Vec<TcpListener>, _> = ADDRESSES[1..]
            .iter()
            .map(|address| TcpListener::bind((*address, port)))
            .collect();
        let relays = ["127.0.0.5", "127.0.0.6"].map(|address| Relay::new(address, ADDRESSES[N1], port));
        if let (Ok(_), [Some(one), Some(two)]) = (others, relays) {
            return (port, [one, two]);
        }
    }
}
