//! Starting: what cannot start says why in time, what runs already is taken over.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::mount::Mount;
use crate::support::family::family;
use crate::support::server::{SOON, Server, copy, shell};
use crate::support::{eventually, program};

/// Moves a directory's content to a file system that has no room left.
fn full(directory: PathBuf) -> Mount {
    let aside = directory.with_extension("aside");
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    shell("mv", &[&path(&directory), &path(&aside)]);
    std::fs::create_dir(&directory).unwrap();
    let small = Mount::at(directory.clone(), &["-t", "tmpfs", "-o", "size=100%", "none"]);
    shell(
        "sh",
        &[
            "-c",
            &format!(
                "cp -a {0}/. {1}/ && chown mysql:mysql {1} && chmod 700 {1}",
                path(&aside),
                path(&directory)
            ),
        ],
    );
    let used = nix::sys::statvfs::statvfs(&directory).unwrap();
    let used = (used.blocks() - used.blocks_free()) * used.fragment_size();
    small.change(&["-o", &format!("remount,size={}", used + 65536)]);
    small
}

#[test]
fn a_full_data_directory_ends_the_start_with_the_words_of_the_server() {
    let server = Server::new();
    let small = full(server.datadir());
    let ended = server
        .call()
        .meta("timeout", "30000")
        .run("start")
        .expect(1)
        .within(Duration::from_secs(15));
    let log = server.path("error.log");
    ended.says(&["the server ended during its start", log.to_str().unwrap(), "[ERROR]"]);
    assert_eq!(server.pid(), None);
    server.call().run("monitor").expect(7);
    drop(small);
}

#[test]
fn a_data_directory_without_system_tables_ends_the_start_with_the_words_of_the_server() {
    let server = Server::new();
    let tables = server.datadir().join(family().system_tables);
    shell("rm", &["--recursive", tables.to_str().unwrap()]);
    let ended = server
        .call()
        .meta("timeout", "30000")
        .run("start")
        .expect(1)
        .within(Duration::from_secs(15));
    ended.says(&["the server ended during its start", "[ERROR]"]);
}

#[test]
fn a_missing_data_directory_ends_the_start_at_once() {
    let server = Server::new();
    std::fs::remove_dir_all(server.datadir()).unwrap();
    server
        .call()
        .run("start")
        .expect(5)
        .within(Duration::from_secs(2))
        .says(&["data directory", family().installer.0]);
}

#[test]
fn an_option_that_the_server_does_not_know_ends_the_start_with_its_words() {
    let server = Server::new();
    let call = server
        .call()
        .param("additional_parameters", "--no-such-option=1")
        .meta("timeout", "30000");
    call.run("start")
        .expect(1)
        .within(Duration::from_secs(15))
        .says(&["no-such-option"]);
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_the_words_of_the_server() {
    let server = Server::new();
    let taken = std::net::TcpListener::bind(("127.0.0.1", server.port)).unwrap();
    let ended = server
        .call()
        .meta("timeout", "30000")
        .run("start")
        .expect(1)
        .within(Duration::from_secs(15));
    ended.says(&["[ERROR]", &server.port.to_string()]);
    drop(taken);
}

/// Starts the server as somebody else would, writable.
fn by_hand(server: &Server) -> std::process::Child {
    let child = Command::new(program(family().program, family().package))
        .arg(format!("--defaults-file={}", server.path("my.cnf").display()))
        .arg(format!("--datadir={}", server.datadir().display()))
        .arg(format!("--socket={}", server.path("socket").display()))
        .arg(format!("--pid-file={}", server.path("other.pid").display()))
        .arg(format!("--log-error={}", server.path("other.log").display()))
        .arg("--user=mysql")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("a server started by hand", SOON, || {
        server.try_connect("root", None).ok()
    });
    child
}

#[test]
fn a_server_that_runs_already_is_adopted() {
    let server = Server::new();
    let mut child = by_hand(&server);
    server.call().run("monitor").expect(0);
    server.call().run("start").expect(0);
    assert_eq!(server.pid(), Some(child.id().cast_signed()));
    server.call().run("stop").expect(0);
    child.wait().unwrap();
}

#[test]
fn an_adopted_server_of_a_clone_ends_read_only() {
    let server = Server::new();
    let mut child = by_hand(&server);
    assert!(!server.read_only());
    server
        .promotable()
        .run("monitor")
        .expect(9)
        .says(&["writable although the cluster did not promote it"]);
    server.promotable().run("start").expect(0);
    assert!(server.read_only());
    assert_eq!(server.pid(), Some(child.id().cast_signed()));
    server.promotable().run("monitor").expect(0);
    server.promotable().run("stop").expect(0);
    child.wait().unwrap();
}

#[test]
fn a_server_that_is_writable_in_its_configuration_starts_read_only_in_a_clone() {
    let server = Server::with(family().open_settings);
    server.promotable().run("start").expect(0);
    assert!(server.read_only() && !server.semi_sync_enabled());
    let refused = server.app().query_drop("INSERT INTO t (v) VALUES (2)").unwrap_err();
    assert!(refused.to_string().contains("1290"), "{refused}");
}

/// The parameter for additional options must not open the server either.
#[test]
fn additional_parameters_cannot_open_the_server() {
    let server = Server::new();
    server
        .promotable()
        .param("additional_parameters", "--read-only=0 --max-connections=77")
        .run("start")
        .expect(0);
    assert!(server.read_only());
    assert_eq!(server.ask("SELECT @@max_connections"), "77");
}

/// Whatever is under the mount point: nothing, or the data that the package made.
#[test]
fn what_a_node_remembers_outlives_a_disk_that_is_not_mounted() {
    let server = Server::new();
    let call = server.promotable();
    call.run("start").expect(0);
    call.run("promote").expect(0);
    call.run("stop").expect(0);
    let elsewhere = server.path("elsewhere");
    std::fs::rename(server.datadir(), &elsewhere).unwrap();
    shell(
        "install",
        &["-d", "-o", "mysql", "-g", "mysql", server.datadir().to_str().unwrap()],
    );
    call.run("start").expect(1).says(&["mount its file system"]);
    std::fs::remove_dir(server.datadir()).unwrap();
    copy(&elsewhere, &server.datadir());
    call.run("start").expect(0);
    call.run("monitor").expect(190).says(&["was the primary of epoch 1"]);
    call.run("stop").expect(0);
    std::fs::remove_dir_all(server.datadir()).unwrap();
    std::fs::rename(&elsewhere, server.datadir()).unwrap();
    call.run("start").expect(0);
    call.run("monitor").expect(0);
    assert_eq!(
        server.told(&format!("attribute-master-{}", server.instance)).as_deref(),
        Some("5000")
    );
}

#[test]
fn a_server_outlives_the_action_that_started_it() {
    let server = Server::started();
    let pid = server.pid().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session = stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap();
    assert_eq!(
        session,
        pid.to_string(),
        "a session of its own: Pacemaker kills the group of an action at its timeout"
    );
    for stream in ["0", "1", "2"] {
        let target = std::fs::read_link(format!("/proc/{pid}/fd/{stream}")).unwrap();
        assert!(
            !target.display().to_string().starts_with("pipe:"),
            "{stream} is {target:?}"
        );
    }
}
