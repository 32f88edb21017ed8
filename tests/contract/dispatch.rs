//! Which face of the binary answers, and what it says to anybody.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::support::{BINARY, agent, called, eventually, link, require_root, scratch, write};
use crate::{AGENTS, Idle, NOBODY};

#[test]
fn a_link_of_an_agents_name_is_that_agent() {
    let directory = scratch();
    for name in AGENTS {
        let path = link(directory.path(), name);
        let ended = called(&path, &path).run("meta-data").expect(0);
        assert!(
            ended.stdout.contains(&format!("<resource-agent name=\"{name}\"")),
            "{}",
            ended.stdout
        );
    }
    let fence = link(directory.path(), "fence_baton");
    let ended = called(&fence, &fence).arg("-o").arg("metadata").run_bare().expect(0);
    assert!(
        ended.stdout.contains("<resource-agent name=\"fence_baton\""),
        "{}",
        ended.stdout
    );
}

#[test]
fn the_way_to_the_link_does_not_matter() {
    let directory = scratch();
    let odd = directory.path().join("with blank/ümlaut/mysql.d");
    std::fs::create_dir_all(&odd).unwrap();
    let path = link(&odd, "mysql");
    for arg0 in [
        OsStr::new("mysql"),
        OsStr::new("./mysql"),
        OsStr::new("..//mysql"),
        OsStr::new("/a/b/../mysql"),
        path.as_os_str(),
        OsStr::from_bytes(b"/not-\xff-text/mysql"),
    ] {
        called(&path, arg0).in_directory(&odd).run("meta-data").expect(0);
    }
    // A link to a link, as /usr/lib/ocf/resource.d may have.
    let second = odd.join("../mysql");
    std::os::unix::fs::symlink("mysql.d/mysql", &second).unwrap();
    called(&second, &second).run("meta-data").expect(0);
}

#[test]
fn the_binary_takes_the_agents_name_as_first_argument() {
    for name in AGENTS {
        let ended = called(BINARY, "/usr/sbin/baton")
            .arg(name)
            .arg("meta-data")
            .run_bare()
            .expect(0);
        assert!(ended.stdout.contains(&format!("<resource-agent name=\"{name}\"")));
    }
}

#[test]
fn an_unknown_name_or_word_gets_the_usage_on_stderr_and_exit_2() {
    let mysqld = called(BINARY, "/usr/sbin/mysqld").run("start").expect(2);
    assert!(
        mysqld.stderr.contains("mysqld: baton has no applet of this name"),
        "{}",
        mysqld.stderr
    );
    let nothing = called(BINARY, "baton").run_bare().expect(2);
    let word = called(BINARY, "baton").run("mysqld").expect(2);
    assert!(word.stderr.contains("\"mysqld\""), "{}", word.stderr);
    for ended in [mysqld, nothing, word] {
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
        assert!(ended.stderr.contains("usage: baton APPLET") && ended.stderr.contains("floating-ip"));
    }
}

#[test]
fn an_unknown_action_is_unimplemented_and_the_known_ones_are_named() {
    for name in AGENTS {
        for action in ["", "reload", "migrate_to", "START", "start ", "status", "--help"] {
            let ended = agent(name).run(action).expect(3);
            assert!(ended.reason().contains(&format!("\"{action}\"")), "{}", ended.stderr);
            assert!(ended.reason().contains("start, stop, monitor"), "{}", ended.stderr);
        }
        agent(name).run_bare().expect(3);
    }
    for action in ["promote", "demote", "notify"] {
        agent("floating-ip").run(action).expect(3);
    }
}

#[test]
fn further_arguments_are_ignored_even_if_they_are_not_text() {
    for name in AGENTS {
        let call = agent(name)
            .arg("stop")
            .arg("--help")
            .arg(OsStr::from_bytes(b"\xff\xfe"));
        call.run("meta-data").expect(0);
    }
    Idle::new()
        .call()
        .arg("start")
        .arg(OsStr::from_bytes(b"\xff"))
        .run("monitor")
        .expect(7);
}

#[test]
fn anybody_can_read_the_metadata_with_an_empty_environment() {
    let directory = scratch();
    for name in AGENTS {
        // The build directory may be closed to others.
        let copy = directory.path().join(name);
        std::fs::copy(BINARY, &copy).unwrap();
        let ended = called(&copy, &copy).by_user(NOBODY).run("meta-data").expect(0);
        assert_eq!(ended.stderr, "");
        assert!(ended.stdout.starts_with("<?xml") && ended.stdout.trim_end().ends_with("</resource-agent>"));
    }
}

#[test]
fn the_metadata_does_not_depend_on_parameters_or_meta_attributes() {
    for name in AGENTS {
        let plain = agent(name).run("meta-data").expect(0).stdout;
        let odd = agent(name)
            .param("datadir", "garbage")
            .param("ip", "garbage")
            .meta("timeout", "soon")
            .env("OCF_CHECK_LEVEL", "high")
            .env("OCF_TESTER_FAIL_HAVE_BINARY", "1");
        assert_eq!(odd.run("meta-data").expect(0).stdout, plain);
    }
}

#[test]
fn a_probe_of_nothing_is_not_running() {
    let idle = Idle::new();
    let probe = idle.call();
    probe.run("monitor").expect(7);
    probe.clone().meta("interval", "0").run("monitor").expect(7);
    std::fs::create_dir(idle.path("data")).unwrap();
    probe.run("monitor").expect(7);
    // A probe works without the server's program and without credentials.
    let bare = probe
        .param("binary", "/no/such")
        .param("admin_password_file", "/no/such");
    bare.run("monitor").expect(7);
    agent("floating-ip").param("ip", "192.0.2.77").run("monitor").expect(7);
}

#[test]
fn a_notification_without_variables_is_fine() {
    let idle = Idle::new();
    idle.call().run("notify").expect(0);
    idle.promotable().run("notify").expect(0);
    for (kind, operation) in [(" ", " "), ("pre", "dance"), ("confirmed-post", "start")] {
        let odd = idle
            .promotable()
            .meta("notify_type", kind)
            .meta("notify_operation", operation);
        odd.run("notify").expect(0);
    }
}

/// A server of a container on this machine has the same path as its working directory, and is somebody else's.
#[test]
fn a_server_in_another_mount_namespace_is_not_ours() {
    require_root();
    let idle = Idle::new();
    let data = idle.path("data");
    std::fs::create_dir(&data).unwrap();
    let stranger = idle.path("mariadbd");
    std::fs::copy("/bin/sleep", &stranger).unwrap();
    let (ready, script) = (idle.path("ready"), idle.path("script"));
    let text = format!(
        "mount -t tmpfs none {data} && cd {data} && touch {ready} && exec {stranger} 60",
        data = data.display(),
        ready = ready.display(),
        stranger = stranger.display()
    );
    write(&script, &text, 0o755);
    let mut child = Command::new("unshare")
        .args(["--mount", "sh"])
        .arg(&script)
        .spawn()
        .unwrap();
    let exe = format!("/proc/{}/exe", child.id());
    eventually(
        "the other container's server",
        std::time::Duration::from_secs(10),
        || (ready.exists() && std::fs::read_link(&exe).ok()? == stranger).then_some(()),
    );
    let cwd = std::fs::read_link(format!("/proc/{}/cwd", child.id())).unwrap();
    assert_eq!(cwd, data, "the two directories have one name");
    let monitor = idle.call().run("monitor");
    let stop = idle.call().run("stop");
    let lives = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    monitor.expect(7);
    stop.expect(0);
    assert!(lives, "stop killed a server of another container");
}

#[test]
fn the_instance_number_of_a_clone_is_not_part_of_the_name() {
    let idle = Idle::new();
    let score = idle.path(&format!("n1/attribute-master-{}", idle.instance));
    std::fs::create_dir(idle.path("n1")).unwrap();
    std::fs::write(&score, "5").unwrap();
    let numbered = idle
        .promotable()
        .env("OCF_RESOURCE_INSTANCE", &format!("{}:2", idle.instance));
    numbered.run("monitor").expect(7);
    assert!(
        !score.exists(),
        "the score of a node without a server must be withdrawn"
    );
}
