//! Servers that die, hang, refuse, or are taken for another one.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use mysql::prelude::Queryable;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use crate::mount::Mount;
use crate::support::family::family;
use crate::support::server::{SOON, Server, shell, state};
use crate::support::{eventually, write};

/// What an action may take beyond its own bound, on a machine that tests share.
const SLACK: Duration = Duration::from_millis(1500);

#[test]
fn a_killed_server_is_not_running() {
    let server = Server::started();
    server.crash();
    server.call().run("monitor").expect(7);
    server.call().meta("interval", "1000").run("monitor").expect(7);
}

#[test]
fn a_frozen_server_fails_its_monitor_within_hang_timeout_and_demote_kills_it() {
    let server = Server::promoted();
    let call = server.promotable().param("hang_timeout", "1s");
    server.freeze();
    let ended = call.run("monitor").expect(1).within(Duration::from_secs(1) + SLACK);
    ended.says(&["does not answer", "no answer in time"]);
    let score = format!("attribute-master-{}", server.instance);
    assert_eq!(
        server.told(&score),
        None,
        "a primary that hangs must not stay the best candidate"
    );
    call.run("demote").expect(0).within(SLACK);
    assert_eq!(server.pid(), None);
    call.run("monitor").expect(7);
}

#[test]
fn stop_kills_a_frozen_server_at_once() {
    let server = Server::started();
    server.freeze();
    server.call().run("stop").expect(0).within(SLACK);
    assert_eq!(server.pid(), None);
}

/// Nobody takes the connections of a frozen server: at some time its queue is full, and a connect has no limit by itself.
#[test]
fn a_frozen_server_whose_queue_is_full_fails_its_monitor_and_is_stopped() {
    let server = Server::started();
    server.freeze();
    let address = UnixAddr::new(&server.path("socket")).unwrap();
    let queued: Vec<OwnedFd> = std::iter::from_fn(|| {
        let client = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).unwrap();
        connect(client.as_raw_fd(), &address).ok().map(|()| client)
    })
    .collect();
    assert!(!queued.is_empty());
    let hung = server.call().param("hang_timeout", "1s").run("monitor").expect(1);
    hung.within(2 * Duration::from_secs(1) + SLACK)
        .says(&["does not answer"]);
    server.call().run("stop").expect(0).within(Duration::from_secs(10));
    assert_eq!(server.pid(), None);
}

/// The tests' stand-in for a server that does not listen to SIGTERM: a shell with the name of the server program that
/// works in the data directory.
#[test]
fn stop_kills_a_server_that_ignores_sigterm_before_its_timeout() {
    let server = Server::new();
    let deaf = server.path(family().program);
    std::fs::copy("/bin/bash", &deaf).unwrap();
    let ready = server.path("ready");
    let script = format!("trap '' TERM; : >{}; while :; do sleep 0.2; done", ready.display());
    let mut command = Command::new(&deaf);
    command
        .args(["-c", &script])
        .current_dir(server.datadir())
        .process_group(0);
    let mut child = command.spawn().unwrap();
    eventually("the deaf server", SOON, || ready.exists().then_some(()));
    let call = server.call().meta("timeout", "9000");
    call.run("monitor").expect(1);
    let ended = call.run("stop");
    let _ = child.kill();
    let status = child.wait().unwrap();
    let ended = ended.expect(0).within(Duration::from_millis(7500));
    assert!(
        ended.took > Duration::from_secs(1),
        "SIGTERM comes first: {:?}",
        ended.took
    );
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert!(ended.stderr.contains("did not stop in time"), "{}", ended.stderr);
}

#[test]
fn stop_needs_no_pid_file_and_no_socket() {
    let server = Server::started();
    std::fs::remove_file(server.path("pid")).unwrap();
    std::fs::remove_file(server.path("socket")).unwrap();
    server.call().run("stop").expect(0);
    assert_eq!(server.pid(), None);
}

#[test]
fn stop_needs_no_configuration_file_and_no_valid_parameter_but_datadir() {
    let server = Server::started();
    std::fs::remove_file(server.path("my.cnf")).unwrap();
    let garbage = server
        .call()
        .param("admin_password_file", "/no/such")
        .param("socket", "garbage")
        .param("pid", "garbage")
        .param("max_lag", "garbage")
        .param("user", "no_user");
    garbage.run("stop").expect(0);
    assert_eq!(server.pid(), None);
}

/// Who failed to see it could not stop it either, and its node would be fenced.
#[test]
fn a_server_is_found_although_its_file_system_became_read_only() {
    let server = Server::promoted();
    // As the kernel makes a file system after an error of its disk.
    let datadir = server.datadir();
    let read_only = Mount::at(datadir.clone(), &["--bind", datadir.to_str().unwrap()]);
    read_only.change(&["-o", "remount,bind,ro"]);
    assert!(std::fs::write(server.datadir().join("probe"), "").is_err());
    let monitor = server.promotable().run("monitor");
    assert_eq!(monitor.code, 191, "alone: {monitor:?}");
    server.promotable().run("demote").expect(0);
    server.promotable().run("stop").expect(0);
    assert_eq!(server.pid(), None);
    server.promotable().run("monitor").expect(7);
    drop(read_only);
    server.promotable().run("start").expect(0);
}

#[test]
fn a_process_that_the_pid_file_names_by_mistake_is_left_alone() {
    let server = Server::started();
    let mut stranger = Command::new("/bin/sleep").arg("600").spawn().unwrap();
    write(server.path("pid"), &stranger.id().to_string(), 0o644);
    server.call().run("monitor").expect(0);
    server.call().run("stop").expect(0);
    assert_eq!(server.pid(), None);
    write(server.path("pid"), &stranger.id().to_string(), 0o644);
    server.call().run("monitor").expect(7);
    server.call().run("demote").expect(0);
    server.call().run("stop").expect(0);
    let lives = state(stranger.id().cast_signed()).is_some_and(|state| state != 'Z');
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(lives);
}

#[test]
fn stop_ends_the_server_although_the_cluster_hangs() {
    let server = Server::started_unpromoted();
    let call = server.promotable().stub("attrd_updater:hang").meta("timeout", "10000");
    call.run("stop").expect(0).within(Duration::from_secs(9));
    assert_eq!(server.pid(), None);
}

#[test]
fn a_second_resource_on_the_same_data_directory_is_refused_and_the_first_one_named() {
    let server = Server::started();
    let pid = server.pid();
    let second = server.call().env("OCF_RESOURCE_INSTANCE", "intruder");
    // The code for wrong parameters would stop the second resource on all nodes.
    second
        .run("start")
        .expect(1)
        .says(&["datadir", &server.instance, "of its own"]);
    // Nor by another way to the same directory.
    let link = server.path("link");
    std::os::unix::fs::symlink(server.datadir(), &link).unwrap();
    second
        .clone()
        .param("datadir", &link)
        .run("start")
        .expect(1)
        .says(&[&server.instance]);
    // After the failed start Pacemaker stops the second resource: that must not reach the server of the first.
    second.run("monitor").expect(7).says(&[&server.instance]);
    second.run("demote").expect(0);
    second.run("stop").expect(0);
    assert_eq!(server.pid(), pid);
    server.call().run("monitor").expect(0);
}

/// The smallest `max_connections` is 10; the administrator has one more.
#[test]
fn a_full_server_is_alive_in_the_role_it_had() {
    let server = Server::with("max_connections=10");
    server.promotable().run("start").expect(0);
    let full = || {
        let mut clients: Vec<mysql::Conn> = (0..10).map(|_| server.app()).collect();
        clients.push(server.root());
        assert!(server.try_connect("root", None).is_err(), "the server is full");
        clients
    };
    let clients = full();
    server
        .promotable()
        .run("monitor")
        .expect(190)
        .says(&["too many connections", "alive"]);
    server.call().run("monitor").expect(0);
    drop(clients);
    eventually("room for the agent", SOON, || server.try_connect("root", None).ok());
    server.promotable().run("promote").expect(0);
    let clients = full();
    server
        .promotable()
        .run("monitor")
        .expect(191)
        .says(&["too many connections", "alive"]);
    // Nobody can be asked to close it, so it is killed.
    server.promotable().run("demote").expect(0);
    assert_eq!(server.pid(), None);
    drop(clients);
}

#[test]
fn a_password_file_that_became_readable_does_not_fail_the_monitor() {
    let server = Server::promoted();
    let file = server.path("password");
    write(&file, "unused\n", 0o644);
    let ended = server
        .promotable()
        .param("admin_password_file", &file)
        .run("monitor")
        .expect(191);
    ended.says(&["alive", "0644", "0600"]);
}

#[test]
fn a_wrong_account_is_not_taken_for_a_dead_server() {
    let server = Server::started();
    let stranger = server.call().param("admin_user", "nobody_knows");
    stranger.run("monitor").expect(0);
    let ended = stranger.run("start").expect(1).within(Duration::from_secs(5));
    ended.says(&["refuses the agent", "admin_user"]);
    assert!(server.pid().is_some());
}

#[test]
fn what_is_committed_survives_a_crash_and_a_new_start() {
    for clone in [false, true] {
        let server = Server::started();
        {
            use mysql::prelude::Queryable;
            server.app().query_drop("INSERT INTO t (v) VALUES (4711)").unwrap();
        }
        server.signal(Signal::SIGKILL);
        eventually("the death of the server", SOON, || server.pid().is_none().then_some(()));
        let call = if clone { server.promotable() } else { server.call() };
        call.run("start").expect(0);
        assert_eq!(server.ask("SELECT COUNT(*) FROM app.t WHERE v=4711"), "1");
    }
}

#[test]
fn a_start_after_a_power_cut_makes_the_directory_of_the_socket() {
    let server = Server::new();
    let run = server.path("run");
    let call = server
        .call()
        .param("socket", run.join("socket"))
        .param("pid", run.join("pid"));
    call.run("start").expect(0);
    call.run("monitor").expect(0);
    call.run("stop").expect(0);
    shell("test", &["-d", run.to_str().unwrap()]);
}

/// What a monitor writes to find out whether the disk takes writes is nothing that replicas, or a comparison, get to see.
#[test]
fn a_primary_is_seen_to_write_without_a_trace_in_its_history() {
    let server = Server::promoted();
    let before = server.position();
    server.promotable().run("monitor").expect(191).says(&["no replica"]);
    assert_eq!(server.ask("SELECT COUNT(*) FROM baton.probe"), "1");
    assert_eq!(server.position(), before);
}

/// A backup that holds everything up is not a disk that hangs.
#[test]
fn a_primary_that_a_backup_has_locked_stays_primary() {
    let server = Server::promoted();
    server.promotable().run("monitor").expect(191);
    for locks in [family().backup_locks, &["FLUSH TABLES WITH READ LOCK"]] {
        let mut backup = server.root();
        locks.iter().for_each(|lock| backup.query_drop(lock).unwrap());
        server.promotable().run("monitor").expect(191).says(&["no replica"]);
    }
}
