//! The cluster lab from outside: `vagrant/lab`, and `docker exec` where its start would take too long.
//!
//! The only file here that starts programs. Each has a time limit, because a container engine may hang too.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::family::Family;
use crate::screen::Screen;

/// An error is a sentence for a person: nothing here acts on its kind.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// A node of the lab; its number is the server's id too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node(u8);

impl Node {
    pub(crate) const ALL: [Node; 3] = [Node(1), Node(2), Node(3)];

    pub(crate) fn named(name: &str) -> Option<Node> {
        Node::ALL.into_iter().find(|node| node.to_string() == name)
    }

    pub(crate) fn of_server(id: u64) -> Option<Node> {
        Node::ALL.into_iter().find(|node| u64::from(node.0) == id)
    }

    /// The next one, round and round.
    pub(crate) fn next(self) -> Node {
        Node(self.0 % 3 + 1)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the host does to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Kill,
    Freeze,
    /// An orderly end, of which nothing is left to be repaired.
    ShutDown,
    PowerOff,
    PowerOn,
    /// The node's network is gone; the node lives on until it is fenced.
    Cut,
}

impl Fault {
    fn command(self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::Freeze => "freeze",
            Fault::ShutDown => "shutdown",
            Fault::PowerOff => "poweroff",
            Fault::PowerOn => "poweron",
            Fault::Cut => "cut",
        }
    }

    pub(crate) fn describe(self, node: Node) -> String {
        match self {
            Fault::Kill => format!("SIGKILL to the server of {node}"),
            Fault::Freeze => format!("SIGSTOP to the server of {node}"),
            Fault::ShutDown => format!("{node} shuts down"),
            Fault::PowerOff => format!("power of {node} cut"),
            Fault::PowerOn => format!("power of {node} on"),
            Fault::Cut => format!("network of {node} cut"),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Lab {
    root: PathBuf,
    name: String,
    family: Family,
    /// Whether its Pacemaker goes on showing a degraded result that is over: docs/operations.md.
    remembers_degradations: bool,
    /// The first three numbers of every address.
    network: String,
}

impl Lab {
    const EXAMPLE: &str = "crm-examples/three-nodes.crm";
    /// Lines of a failed command that are worth showing.
    const TAIL: usize = 15;

    /// The lab that `LAB_NAME`, `LAB_SUBNET` and `LAB_FLAVOUR` mean, as they do for `vagrant/lab`.
    pub(crate) fn from_environment() -> Lab {
        let subnet = variable("LAB_SUBNET").unwrap_or_else(|| "10.86.0.0/24".to_owned());
        let flavour = variable("LAB_FLAVOUR").unwrap_or_default();
        Lab {
            root: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
            name: variable("LAB_NAME").unwrap_or_else(|| "baton".to_owned()),
            family: Family::of_flavour(&flavour),
            remembers_degradations: flavour == "bookworm",
            network: subnet.trim_end_matches(".0/24").to_owned(),
        }
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    pub(crate) fn remembers_degradations(&self) -> bool {
        self.remembers_degradations
    }

    pub(crate) fn address(&self, node: Node) -> String {
        format!("{}.{}", self.network, 10 + node.0)
    }

    /// The address that clients use.
    pub(crate) fn floating_address(&self) -> String {
        format!("{}.100", self.network)
    }

    /// The same in IPv6. Nobody has it but an act that asks for it.
    pub(crate) fn floating_address6(&self) -> String {
        format!("fd00:{}::100", self.network.replace('.', ":"))
    }

    /// A new lab with the staged build and the example's configuration. A former one is removed.
    pub(crate) fn up(&self, screen: &Screen) -> Result<()> {
        let stage = self.root.join("stage");
        if !stage.join("usr/sbin/baton").exists() {
            return Err(format!("nothing is staged in {}: run `make stage`", stage.display()));
        }
        self.down()?;
        self.watch(screen, &["up", "--stage", &stage.display().to_string()])?;
        let configuration = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
        let example = std::fs::read_to_string(self.root.join(Lab::EXAMPLE)).map_err(|error| error.to_string())?;
        std::fs::write(configuration.path(), self.localise(&example)).map_err(|error| error.to_string())?;
        screen.step("loading the configuration");
        self.command(&["load", &configuration.path().display().to_string()])?;
        Ok(())
    }

    /// The example is written for the default lab. Failures expire sooner here: every act waits for that.
    fn localise(&self, example: &str) -> String {
        let plugs = format!(":{}-n", self.name);
        example
            .replace(":baton-n", &plugs)
            .replace("10.86.0.100", &self.floating_address())
            .replace("failure-timeout=10s", "failure-timeout=3s")
    }

    pub(crate) fn down(&self) -> Result<()> {
        self.command(&["down"]).map(drop)
    }

    pub(crate) fn inject(&self, fault: Fault, node: Node) -> Result<()> {
        self.command(&[fault.command(), &node.to_string()]).map(drop)
    }

    /// Rebuilds a node's data from those of another one.
    pub(crate) fn reseed(&self, node: Node, from: Node) -> Result<()> {
        self.command(&["reseed", &node.to_string(), &from.to_string()])
            .map(drop)
    }

    /// Logs and CIB of all nodes.
    pub(crate) fn pull(&self, directory: &Path) -> Result<()> {
        self.command(&["pull", &directory.display().to_string()]).map(drop)
    }

    pub(crate) fn log_of(&self, node: Node) -> Result<String> {
        self.command(&["logs", &node.to_string()])
    }

    pub(crate) fn directory_for_logs(&self, of: &str) -> PathBuf {
        self.root.join("target/cluster-logs").join(of)
    }

    pub(crate) fn exec(&self, node: Node, command: &[&str]) -> Result<String> {
        let mut docker = program("docker", 30);
        docker.arg("exec").arg(self.container(node)).args(command);
        output(docker)
    }

    /// A connection from inside a node to something that it can reach, as a program whose input and output it is.
    pub(crate) fn tunnel(&self, node: Node, target: &str) -> Result<Child> {
        let mut docker = program("docker", 300);
        docker
            .args(["exec", "--interactive", &self.container(node), "socat", "-", target])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        docker
            .spawn()
            .map_err(|error| format!("cannot connect inside {node}: {error}"))
    }

    fn container(&self, node: Node) -> String {
        format!("{}-{node}", self.name)
    }

    /// Runs a command in the first node where it succeeds.
    pub(crate) fn exec_anywhere(&self, command: &[&str]) -> Result<String> {
        let [first, ..] = Node::ALL;
        self.exec_from(first, command)
    }

    /// The same, and asks this node first. What changes the configuration begins where the cluster is: a node that boots
    /// takes the change as well, and forgets it when it joins.
    pub(crate) fn exec_from(&self, first: Node, command: &[&str]) -> Result<String> {
        let mut problem = String::new();
        for node in [first, first.next(), first.next().next()] {
            match self.exec(node, command) {
                Ok(answer) => return Ok(answer),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    fn command(&self, arguments: &[&str]) -> Result<String> {
        let mut lab = program(&self.script(), 180);
        lab.args(arguments);
        output(lab)
    }

    fn script(&self) -> String {
        self.root.join("vagrant/lab").display().to_string()
    }

    /// Runs a command that may take minutes, the first time, and shows what it says.
    fn watch(&self, screen: &Screen, arguments: &[&str]) -> Result<()> {
        let mut lab = program(&self.script(), 1200);
        lab.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = lab.spawn().map_err(|error| format!("cannot run the lab: {error}"))?;
        let mut tail = VecDeque::new();
        if let Some(stderr) = child.stderr.take() {
            for line in BufReader::new(stderr).lines().map_while(std::result::Result::ok) {
                screen.remark(&line);
                tail.push_back(line);
                if tail.len() > Lab::TAIL {
                    tail.pop_front();
                }
            }
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        if status.success() {
            return Ok(());
        }
        let said: Vec<String> = tail.into();
        Err(format!(
            "lab {} ended with {status}:\n{}",
            arguments.join(" "),
            said.join("\n")
        ))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the agents' rules of the environment are not the tests'"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `KEEP=1` is what `--keep` is.
pub(crate) fn wants_to_keep() -> bool {
    variable("KEEP").is_some_and(|value| value != "0")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the cluster tests that starts programs"
)]
fn program(name: &str, seconds: u32) -> Command {
    let mut command = Command::new("timeout");
    command
        .arg("--kill-after=5")
        .arg(seconds.to_string())
        .arg(name)
        .stdin(Stdio::null());
    command
}

fn output(mut command: Command) -> Result<String> {
    let shown = format!("{command:?}").replace('"', "");
    let output = command
        .output()
        .map_err(|error| format!("cannot run {shown}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{shown} ended with {}: {}", output.status, stderr.trim()))
}
