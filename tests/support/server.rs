//! A real server in a directory of its own, as a resource of `ocf:baton:mysql`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::family::family;
use super::{Call, agent, eventually, program, require_root, run, scratch, unique, write};

/// A start recovers and writes its files on a machine that tests share.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    directory: TempDir,
    pub(crate) instance: String,
    pub(crate) port: u16,
    /// The agent is not root.
    administered: bool,
}

impl Server {
    /// A stopped server with a fresh data directory.
    pub(crate) fn new() -> Server {
        Server::with("")
    }

    /// Adds lines to its configuration file.
    pub(crate) fn with(options: &str) -> Server {
        Server::member(&unique("db"), free_port(), options)
    }

    /// One of several servers of one resource; the options name its address and its server id.
    pub(crate) fn member(instance: &str, port: u16, options: &str) -> Server {
        require_root();
        let server = Server {
            directory: scratch(),
            instance: instance.to_owned(),
            port,
            administered: false,
        };
        copy(template(), &server.datadir());
        write(server.path("my.cnf"), &configuration(server.port, options), 0o644);
        shell("chown", &["mysql:mysql", server.directory.path().to_str().unwrap()]);
        server
    }

    /// The agent logs in as an account that has what docs/operations.md lists, and no more. The server makes it when it
    /// starts, in no binary log.
    pub(crate) fn administered(mut self) -> Server {
        let accounts = self.path("administrator.sql");
        let made = "SET sql_log_bin=0;\nCREATE USER IF NOT EXISTS baton@localhost IDENTIFIED BY 'baton';\n";
        write(
            &accounts,
            &format!("{made}{}\n", family().administrator.join("\n")),
            0o644,
        );
        write(self.path("password"), "baton", 0o600);
        let configured = std::fs::read_to_string(self.path("my.cnf")).unwrap();
        let configured = format!("{configured}init_file={}\n", accounts.display());
        write(self.path("my.cnf"), &configured, 0o644);
        self.administered = true;
        self
    }

    /// Started by the agent, on its own: read-write.
    pub(crate) fn started() -> Server {
        let server = Server::new();
        server.call().run("start").expect(0);
        server
    }

    /// Started by the agent as an instance of a promotable clone.
    pub(crate) fn started_unpromoted() -> Server {
        let server = Server::new();
        server.promotable().run("start").expect(0);
        server
    }

    /// Started and promoted as an instance of a promotable clone.
    pub(crate) fn promoted() -> Server {
        let server = Server::started_unpromoted();
        server.promotable().run("promote").expect(0);
        server
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn datadir(&self) -> PathBuf {
        self.path("data")
    }

    /// The agent as Pacemaker calls it for a resource that is no clone.
    pub(crate) fn call(&self) -> Call {
        let call = agent("mysql")
            .env("OCF_RESOURCE_INSTANCE", &self.instance)
            .param("config", self.path("my.cnf"))
            .param("datadir", self.datadir())
            .param("pid", self.path("pid"))
            .param("socket", self.path("socket"))
            .param("log", self.path("error.log"))
            .param("replication_port", self.port.to_string())
            .meta("timeout", "60000");
        if !self.administered {
            return call;
        }
        call.param("admin_user", "baton")
            .param("admin_password_file", self.path("password"))
    }

    /// The same as an instance of a promotable clone.
    pub(crate) fn promotable(&self) -> Call {
        let state = self.path("cluster");
        std::fs::create_dir_all(&state).unwrap();
        self.call().promotable(&state)
    }

    /// What the stand-ins for the cluster's tools were told.
    pub(crate) fn told(&self, name: &str) -> Option<String> {
        let place = if name.starts_with("attribute-") {
            "cluster/n1"
        } else {
            "cluster"
        };
        std::fs::read_to_string(self.path(place).join(name)).ok()
    }

    pub(crate) fn root(&self) -> Conn {
        self.try_connect("root", None).unwrap()
    }

    pub(crate) fn app(&self) -> Conn {
        self.try_connect("app", Some("app")).unwrap()
    }

    pub(crate) fn try_connect(&self, user: &str, password: Option<&str>) -> mysql::Result<Conn> {
        let options = OptsBuilder::new()
            .socket(Some(self.path("socket").to_str().unwrap()))
            .user(Some(user))
            .pass(password)
            .db_name((user == "app").then_some("app"))
            .prefer_socket(false)
            .read_timeout(Some(SOON))
            .stmt_cache_size(Some(0));
        Conn::new(options)
    }

    /// One value, read by the administrator.
    pub(crate) fn ask(&self, query: &str) -> String {
        let value: Option<Option<String>> = self.root().query_first(query).unwrap();
        value.flatten().unwrap_or_default()
    }

    pub(crate) fn read_only(&self) -> bool {
        self.is_on("SELECT @@read_only")
    }

    /// Whether its commits wait for a replica.
    pub(crate) fn semi_sync_enabled(&self) -> bool {
        self.is_on(family().semi_sync_enabled)
    }

    fn is_on(&self, query: &str) -> bool {
        !["0", "OFF"].contains(&self.ask(query).as_str())
    }

    /// What is in its binary log.
    pub(crate) fn position(&self) -> String {
        self.ask(family().position)
    }

    /// Waits until a commit waits for its acknowledgement: it is in the binary log then.
    #[track_caller]
    pub(crate) fn await_unacknowledged_commit(&self) {
        let query = format!("SHOW GLOBAL STATUS LIKE '{}'", family().waiting);
        eventually("a commit that waits for an acknowledgement", SOON, || {
            let waiting: Option<(String, String)> = self.root().query_first(&query).unwrap();
            (waiting?.1 != "0").then_some(())
        });
    }

    /// The server process that was started with this data directory.
    pub(crate) fn pid(&self) -> Option<i32> {
        server_of(&self.datadir())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.pid().expect("the server runs");
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Kills the server and waits until it is gone.
    pub(crate) fn crash(&self) {
        self.signal(Signal::SIGKILL);
        eventually("the death of the server", SOON, || self.pid().is_none().then_some(()));
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let pid = self.pid().expect("the server runs");
        eventually("the freeze", SOON, || (state(pid) == Some('T')).then_some(()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            eventually("the end of a test's server", SOON, || {
                self.pid().is_none().then_some(())
            });
        }
        forget(&self.instance, &self.datadir());
    }
}

/// Removes what the agent keeps of a resource outside its data directory.
pub(crate) fn forget(instance: &str, datadir: &Path) {
    let name = datadir.display().to_string().replace('/', "!");
    let _ = std::fs::remove_dir_all(Path::new("/var/lib/baton").join(instance));
    for file in [
        format!("{instance}.published"),
        format!("{instance}.waiting"),
        format!("{instance}.compared"),
        format!("{instance}.monitored"),
        format!("datadir{name}.lock"),
        format!("datadir{name}.owner"),
    ] {
        let _ = std::fs::remove_file(Path::new("/run/baton").join(file));
    }
}

/// The server program that runs with this data directory; zombies do not run.
pub(crate) fn server_of(datadir: &Path) -> Option<i32> {
    let wanted = format!("--datadir={}", datadir.display());
    let entries = std::fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .find(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.split('\0').any(|word| word == wanted) && state(*pid).is_some_and(|state| state != 'Z')
        })
}

/// The state letter of a process, as in `ps`.
pub(crate) fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn shell(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments);
    run(command).expect(0);
}

pub(crate) fn copy(from: &Path, to: &Path) {
    shell(
        "cp",
        &[
            "--archive",
            "--reflink=auto",
            from.to_str().unwrap(),
            to.to_str().unwrap(),
        ],
    );
}

fn configuration(port: u16, options: &str) -> String {
    let (group, settings) = (family().group, family().settings);
    format!(
        "[{group}]\nport={port}\nbind_address=127.0.0.1\nserver_id=1\nskip_name_resolve=1\n\
         innodb_buffer_pool_size=16M\nlog_bin=binlog\n{settings}{options}\n"
    )
}

const ACCOUNTS: &str = "FLUSH PRIVILEGES;\nCREATE DATABASE app;\nCREATE TABLE app.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT) ENGINE=InnoDB;\n\
    INSERT INTO app.t (v) VALUES (1);\n\
    CREATE USER app@localhost IDENTIFIED BY 'app';\nGRANT ALL ON app.* TO app@localhost;\nGRANT RELOAD ON *.* TO app@localhost;\n\
    CREATE USER replica@'%' IDENTIFIED BY 'replica';\n";

fn accounts() -> String {
    format!("{ACCOUNTS}{}\n{}", family().replication, family().grants)
}

/// A fresh data directory, made once and kept between runs for each version of the server and of its content.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let server = program(family().program, family().package);
        let mut version = Command::new(&server);
        version.arg("--version");
        let version = run(version).expect(0).stdout;
        let version = version.split_whitespace().nth(2).expect("a version");
        let mut content = DefaultHasher::new();
        (accounts(), configuration(1, "")).hash(&mut content);
        let content = content.finish();
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("datadir-{version}-{content:x}"));
        if !kept.exists() {
            make_template(&kept);
        }
        kept
    })
}

fn make_template(kept: &Path) {
    let work = scratch();
    let at = |name: &str| work.path().join(name).display().to_string();
    write(at("my.cnf"), &configuration(1, ""), 0o644);
    write(at("accounts.sql"), &accounts(), 0o644);
    shell(
        "install",
        &["-d", "-o", "mysql", "-g", "mysql", "-m", "700", &at("data")],
    );
    let (installer, options, statements) = family().installer;
    let installer = program(installer, family().package);
    let own = [
        format!("--defaults-file={}", at("my.cnf")),
        "--user=mysql".to_owned(),
        format!("--datadir={}", at("data")),
        format!("{statements}={}", at("accounts.sql")),
    ];
    let arguments: Vec<&str> = own.iter().map(String::as_str).chain(options.iter().copied()).collect();
    shell(installer.to_str().unwrap(), &arguments);
    // MySQL's servers have a uuid, which none may have in common with another: each makes its own when it starts.
    let _ = std::fs::remove_file(at("data/auto.cnf"));
    // Another test binary may make it at the same time: the first one stays.
    let mine = kept.with_extension(unique("new"));
    copy(Path::new(&at("data")), &mine);
    if std::fs::rename(&mine, kept).is_err() {
        std::fs::remove_dir_all(&mine).unwrap();
    }
}
