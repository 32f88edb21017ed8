//! Three nodes on one machine: a server on an address of its own, the agent with directories of its own, one cluster.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::thread::JoinHandle;

use mysql::prelude::Queryable;
use tempfile::TempDir;

use crate::relay::{Relay, ways};
use crate::support::family::family;
use crate::support::server::{SOON, Server};
use crate::support::{Call, Ended, eventually, scratch, unique, write};
use crate::transition::Transition;

pub(crate) const N1: usize = 0;
pub(crate) const N2: usize = 1;
pub(crate) const N3: usize = 2;
pub(crate) const NAMES: [&str; 3] = ["n1", "n2", "n3"];
pub(crate) const ADDRESSES: [&str; 3] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];

pub(crate) struct Lab {
    nodes: Vec<Server>,
    /// The way of n2 and n3 to n1, which a test may cut; on addresses of their own.
    pub(crate) relays: [Relay; 2],
    directory: TempDir,
    pub(crate) active: Cell<[bool; 3]>,
    pub(crate) primary: Cell<Option<usize>>,
    /// The parameters of these names.
    pub(crate) loss: Cell<&'static str>,
    pub(crate) replication: Cell<&'static str>,
}

impl Lab {
    /// Three servers with the same data, started by the agent, closed, following nobody.
    pub(crate) fn new() -> Lab {
        Lab::of(|server| server)
    }

    /// These servers, once they are what the test needs.
    pub(crate) fn of(prepare: fn(Server) -> Server) -> Lab {
        let (port, relays) = ways(&ADDRESSES);
        let instance = unique("db");
        let node = |index: usize| {
            let options = format!(
                "bind_address={}\nserver_id={}\nrelay_log=relay\nsync_relay_log=1\nsync_binlog=1\n\
                 max_connections=20",
                ADDRESSES[index],
                index + 11
            );
            prepare(Server::member(&instance, port, &options))
        };
        let lab = Lab {
            nodes: (0..3).map(node).collect(),
            relays,
            directory: scratch(),
            active: Cell::new([false; 3]),
            primary: Cell::new(None),
            loss: Cell::new("never"),
            replication: Cell::new("semi-sync"),
        };
        for node in [N1, N2, N3] {
            lab.set_password(node, "replica");
            write(lab.log(node), "", 0o600);
        }
        let cluster = lab.directory.path().join("cluster");
        std::fs::create_dir_all(&cluster).unwrap();
        write(cluster.join("resource"), &instance, 0o644);
        lab.transition().start(&[N1, N2, N3]).carry_out();
        lab
    }

    /// The same, with n1 promoted and followed by the others.
    pub(crate) fn serving() -> Lab {
        Lab::new().serve()
    }

    pub(crate) fn serve(self) -> Lab {
        self.transition().promote(N1).carry_out();
        self.await_follows(N2, N1);
        self.await_follows(N3, N1);
        self
    }

    /// n2 alone has received rows 20 to 29, which n1 confirmed, and has not executed them. Its applier stands.
    pub(crate) fn with_tail() -> Lab {
        let lab = Lab::serving();
        lab.stop_receiver(N3);
        lab.stop_applier(N2);
        for id in 20..30 {
            lab.write(N1, id);
        }
        lab.await_received(N2, N1);
        lab
    }

    /// On which nodes Pacemaker says that an instance runs.
    pub(crate) fn set_active(&self, active: [bool; 3]) {
        self.active.set(active);
        let names: Vec<&str> = [N1, N2, N3]
            .into_iter()
            .filter(|node| active[*node])
            .map(|node| NAMES[node])
            .collect();
        write(self.directory.path().join("cluster/active"), &names.join(" "), 0o644);
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
            .param("loss", self.loss.get())
            .param("replication", self.replication.get())
            .meta("clone_max", "3")
            .meta("promoted_max", "1")
            .instance_on(NAMES[node], &cluster)
            .env("HA_LOGFILE", self.log(node).to_str().unwrap())
            .env("HA_debug", "1")
            .on_machine(&own)
    }

    /// From now on the agent of this node looks up names with this file of /etc.
    pub(crate) fn set_names(&self, node: usize, file: &str, text: &str) {
        let settings = self.directory.path().join(NAMES[node]).join("etc");
        std::fs::create_dir_all(&settings).unwrap();
        write(settings.join(file), text, 0o644);
    }

    /// What the agent of this node logs.
    pub(crate) fn log(&self, node: usize) -> std::path::PathBuf {
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

    /// Sets an option of the cluster, as an operator does.
    pub(crate) fn set_option(&self, name: &str, value: &str) {
        let file = format!("cluster/option-baton-{}-{name}", self.server(N1).instance);
        write(self.directory.path().join(file), value, 0o644);
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

    /// The same, in a transaction that looks like one of the server with this id.
    pub(crate) fn write_as(&self, node: usize, server_id: &str, id: u64) {
        let own = self.server(node).ask("SELECT @@server_id");
        self.server(node).ask(&format!("SET GLOBAL server_id={server_id}"));
        self.write(node, id);
        self.server(node).ask(&format!("SET GLOBAL server_id={own}"));
    }

    /// Begins to commit a row on this node; the thread ends when the client is told how it ended.
    pub(crate) fn begin_write(&self, node: usize, id: u64) -> JoinHandle<mysql::Result<()>> {
        let mut app = self.server(node).app();
        std::thread::spawn(move || app.query_drop(format!("INSERT INTO t (id, v) VALUES ({id}, {id})")))
    }

    /// One column of the replica's status; empty when it follows nobody.
    pub(crate) fn status(&self, node: usize, column: &str) -> String {
        let row: Option<mysql::Row> = self.server(node).root().query_first(family().replica_status).unwrap();
        row.and_then(|row| row.get::<Option<String>, _>(column).flatten())
            .unwrap_or_default()
    }

    /// Neither thread runs, or nothing is configured.
    pub(crate) fn is_detached(&self, node: usize) -> bool {
        let threads = [family().receiver, family().applier].map(|thread| self.status(node, thread));
        threads.iter().all(|state| state.is_empty() || state == "No")
    }

    pub(crate) fn stop_receiver(&self, node: usize) {
        self.server(node).root().query_drop(family().stop_receiver).unwrap();
    }

    pub(crate) fn start_receiver(&self, node: usize) {
        self.server(node).root().query_drop(family().start_receiver).unwrap();
    }

    /// Whether this node acknowledges from its next connection on.
    pub(crate) fn switch_acknowledging(&self, node: usize, switch: &str) {
        let variable = family().acknowledge;
        self.server(node).ask(&format!("SET GLOBAL {variable}={switch}"));
    }

    /// A new connection to the source, which is with or without acknowledgements as the switch says.
    pub(crate) fn reconnect(&self, node: usize) {
        self.stop_receiver(node);
        self.start_receiver(node);
        self.await_receiver(node, "Yes");
    }

    /// Ends what this node sends to its replicas: they connect again by themselves.
    pub(crate) fn end_dumps(&self, node: usize) {
        let mut root = self.server(node).root();
        let command = family().dump;
        let find = format!("SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND='{command}'");
        let dumps = eventually(&format!("a replica of {}", NAMES[node]), SOON, || {
            let dumps: Vec<u64> = root.query(&find).unwrap();
            (!dumps.is_empty()).then_some(dumps)
        });
        for dump in dumps {
            root.query_drop(format!("KILL {dump}")).unwrap();
        }
    }

    pub(crate) fn stop_applier(&self, node: usize) {
        self.server(node).root().query_drop(family().stop_applier).unwrap();
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
        self.await_status(node, family().source, source);
        self.await_receiver(node, "Yes");
        self.await_applier(node, "Yes");
    }

    /// Until a former primary is back as a replica: it has to be admitted by the primary first.
    #[track_caller]
    pub(crate) fn await_rejoined(&self, node: usize, primary: usize) {
        eventually(&format!("{} follows", NAMES[node]), SOON, || {
            self.monitor(primary);
            (self.monitor(node).code == 0).then_some(())
        });
        self.await_follows(node, primary);
    }

    /// Until a killed primary follows; false if it is held instead, for what it committed and nobody confirmed.
    #[track_caller]
    pub(crate) fn await_rejoined_or_held(&self, node: usize, primary: usize) -> bool {
        let came = eventually(&format!("{} follows or is held", NAMES[node]), SOON, || {
            self.monitor(primary);
            let monitor = self.monitor(node);
            match monitor.code {
                0 => Some(true),
                190 if monitor.stderr.contains("a copy of them is in") => Some(false),
                _ => None,
            }
        });
        if came {
            self.await_follows(node, primary);
        }
        came
    }

    #[track_caller]
    pub(crate) fn await_receiver(&self, node: usize, state: &str) {
        self.await_status(node, family().receiver, state);
    }

    #[track_caller]
    pub(crate) fn await_applier(&self, node: usize, state: &str) {
        self.await_status(node, family().applier, state);
    }

    /// Until so many replicas that acknowledge are connected, from this node's point of view.
    #[track_caller]
    pub(crate) fn await_ackers(&self, node: usize, count: u64) {
        let clients = format!("SHOW GLOBAL STATUS LIKE '{}'", family().clients);
        eventually(&format!("{count} ackers of {}", NAMES[node]), SOON, || {
            let row: Option<(String, u64)> = self.server(node).root().query_first(&clients).unwrap();
            (row?.1 == count).then_some(())
        });
    }

    /// This node has received all that `source`, which it followed from the beginning, has in its binary log.
    #[track_caller]
    pub(crate) fn await_received(&self, node: usize, source: usize) {
        let wanted = self.server(source).position();
        self.await_status(node, family().received, &wanted);
    }

    /// The last transaction of this node, which `other` does not have.
    #[track_caller]
    pub(crate) fn beyond(&self, node: usize, other: usize) -> String {
        let other = self.server(other).position();
        let beyond = self.server(node).ask(&family().beyond.replace("{}", &other));
        assert_ne!(beyond, "", "{} has nothing beyond {other}", NAMES[node]);
        beyond
    }

    pub(crate) fn rows(&self, node: usize) -> BTreeMap<u64, u64> {
        let rows: Vec<(u64, u64)> = self.server(node).root().query("SELECT id, v FROM app.t").unwrap();
        rows.into_iter().collect()
    }

    /// Waits until the other nodes have executed all that the first has; then their rows must be the same.
    #[track_caller]
    pub(crate) fn same_rows(&self, nodes: &[usize]) -> BTreeMap<u64, u64> {
        let position = self.server(nodes[0]).position();
        let rows = self.rows(nodes[0]);
        // The binary log has a transaction before its rows are visible; the replica's position has it after that.
        let wait = format!("SELECT {}('{position}', {})", family().wait, SOON.as_secs() / 2);
        for node in &nodes[1..] {
            assert_eq!(self.server(*node).ask(&wait), "0", "{position} on {}", NAMES[*node]);
            assert_eq!(self.rows(*node), rows, "{} and {}", NAMES[*node], NAMES[nodes[0]]);
            let theirs = self.server(*node).position();
            assert_eq!(theirs, position, "{} and {}", NAMES[*node], NAMES[nodes[0]]);
        }
        rows
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
