//! The option sql_fence of fence_baton: the database of a node that is being switched off takes no commit any more, and
//! that never counts.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use tempfile::TempDir;

use crate::support::family::family;
use crate::support::server::Server;
use crate::support::{BINARY, Ended, called, scratch, write};

/// A container engine whose only container, db1, is gone so long after it was killed; or never.
struct Engine {
    directory: TempDir,
}

impl Engine {
    fn new(dies_after: Option<Duration>) -> Engine {
        let directory = scratch();
        let listener = UnixListener::bind(directory.path().join("docker.sock")).unwrap();
        let killed: Arc<Mutex<Option<Instant>>> = Arc::default();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap_or(0);
                let request = String::from_utf8_lossy(&buffer[..count]).into_owned();
                let mut killed = killed.lock().unwrap();
                let dead = killed.zip(dies_after).is_some_and(|(at, after)| at.elapsed() >= after);
                let body = if request.starts_with("GET /version ") {
                    r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#.to_owned()
                } else if request.contains("/containers/json?") {
                    "[]".to_owned()
                } else if request.starts_with("POST ") {
                    killed.get_or_insert_with(Instant::now);
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                    continue;
                } else {
                    let (word, pid) = if dead { ("exited", 0) } else { ("running", 42) };
                    let flags = format!(r#""Running":{},"Paused":false,"Restarting":false,"Pid":{pid}"#, !dead);
                    format!(r#"{{"Id":"0123456789abcdef","Name":"/db1","State":{{"Status":"{word}",{flags}}}}}"#)
                };
                let length = body.len();
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            }
        });
        Engine { directory }
    }

    fn fence(&self, action: &str, port: u16, more: &[&str]) -> Ended {
        let path = |name: &str| -> PathBuf { self.directory.path().join(name) };
        write(path("password"), "fence\n", 0o600);
        let mut call = called(BINARY, "fence_baton")
            .arg(format!("--action={action}"))
            .arg("--backend=docker")
            .arg("--plug=db1")
            .arg(format!("--docker-socket={}", path("docker.sock").display()))
            .arg("--sql-fence")
            .arg("--sql-fence-user=fence")
            .arg(format!("--sql-fence-password-file={}", path("password").display()))
            .arg("--sql-fence-addresses=db0:192.0.2.1;db1:127.0.0.1")
            .arg(format!("--sql-fence-port={port}"))
            .arg("--power-timeout=8");
        for argument in more {
            call = call.arg(*argument);
        }
        call.run_bare()
    }
}

/// A server that is written to, with the account that docs/operations.md tells to make.
fn server() -> Server {
    let server = Server::started();
    for statement in family().fencing_account {
        server.root().query_drop(statement).unwrap();
    }
    server
}

#[test]
fn a_node_that_dies_slowly_commits_nothing_any_more() {
    let server = server();
    let mut client = server.app();
    client.query_drop("START TRANSACTION").unwrap();
    client.query_drop("INSERT INTO t (v) VALUES (2)").unwrap();
    let engine = Engine::new(Some(Duration::from_secs(3)));
    let ended = engine.fence("off", server.port, &[]).expect(0);
    assert!(ended.stderr.contains("127.0.0.1"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("read-only, its sessions ended"),
        "{}",
        ended.stderr
    );
    assert!(server.read_only());
    assert!(client.query_drop("COMMIT").is_err(), "its session has ended");
    assert_eq!(
        server.ask("SELECT COUNT(*) FROM app.t"),
        "1",
        "what was not committed is gone"
    );
}

#[test]
fn a_database_that_obeys_proves_nothing() {
    let server = server();
    let ended = Engine::new(None).fence("reboot", server.port, &["--power-timeout=3"]);
    assert_eq!(ended.code, 1);
    assert!(server.read_only());
    assert!(ended.stderr.contains("last seen: on"), "{}", ended.stderr);
}

#[test]
fn a_database_that_cannot_be_closed_holds_up_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let engine = || Engine::new(Some(Duration::ZERO));
    let ended = engine()
        .fence("off", silent.local_addr().unwrap().port(), &[])
        .expect(0);
    assert!(
        ended.stderr.contains("not closed before the power was switched"),
        "{}",
        ended.stderr
    );
    let ended = engine().fence("off", 1, &["--sql-fence-user="]).expect(0);
    assert!(ended.stderr.contains("going on without it"), "{}", ended.stderr);
    let ended = engine()
        .fence("off", 1, &["--sql-fence-password-file=/nowhere"])
        .expect(0);
    assert!(!ended.stderr.is_empty());
}

#[test]
fn diag_says_whether_the_database_could_be_reached_and_changes_nothing() {
    let server = server();
    let ended = Engine::new(None).fence("diag", server.port, &[]).expect(0);
    assert!(
        ended.stdout.contains("reached as this account, accepts writes"),
        "{}",
        ended.stdout
    );
    assert!(!server.read_only());
    let ended = Engine::new(None).fence("diag", server.port, &["--sql-fence-user=nobody"]);
    assert_eq!(ended.code, 1);
    // MySQL makes up a way of authentication for an account that does not exist: what it says varies.
    assert!(ended.stdout.contains("sql_fence of db1"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("reached"), "{}", ended.stdout);
}
