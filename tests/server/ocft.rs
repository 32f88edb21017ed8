//! The twelve cases of `ocft make mysql` from resource-agents, by their names, with the same exit codes.

use std::os::unix::fs::PermissionsExt;

use crate::support::server::Server;

#[test]
fn check_base_env() {
    Server::new().call().run("start").expect(0);
}

#[test]
fn check_base_env_invalid_binary() {
    Server::new()
        .call()
        .param("binary", "/no/such/mariadbd")
        .run("start")
        .expect(5)
        .says(&["/no/such/mariadbd"]);
}

#[test]
fn normal_start() {
    let server = Server::new();
    server.call().run("start").expect(0);
    assert!(server.pid().is_some() && !server.read_only());
}

#[test]
fn normal_stop() {
    let server = Server::started();
    server.call().run("stop").expect(0);
    assert_eq!(server.pid(), None);
}

#[test]
fn double_start() {
    let server = Server::started();
    let pid = server.pid();
    server.call().run("start").expect(0);
    assert_eq!(server.pid(), pid, "the server that runs is kept");
}

#[test]
fn double_stop() {
    let server = Server::started();
    server.call().run("stop").expect(0);
    server.call().run("stop").expect(0);
}

#[test]
fn running_monitor() {
    let server = Server::started();
    server.call().run("monitor").expect(0);
    server.call().meta("interval", "1000").run("monitor").expect(0);
}

#[test]
fn not_running_monitor() {
    let server = Server::started();
    server.call().run("stop").expect(0);
    server.call().run("monitor").expect(7);
    server.call().meta("interval", "1000").run("monitor").expect(7);
}

#[test]
fn check_lib_file() {
    let server = Server::new();
    std::fs::set_permissions(server.datadir(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let datadir = server.datadir();
    server
        .call()
        .run("start")
        .expect(4)
        .says(&["user mysql", datadir.to_str().unwrap(), "mode 0500"]);
}

#[test]
fn unimplemented_command() {
    Server::new().call().run("no_cmd").expect(3).says(&["no_cmd"]);
}

#[test]
fn non_existent_user() {
    Server::new()
        .call()
        .param("user", "no_user")
        .run("start")
        .expect(5)
        .says(&["no_user"]);
}

#[test]
fn invalid_user() {
    let server = Server::new();
    server
        .call()
        .param("user", "nobody")
        .run("start")
        .expect(4)
        .says(&["user nobody"]);
    assert_eq!(server.pid(), None);
}
