//! fence_baton as Pacemaker runs it, against the Docker Engine of this machine and against engines that misbehave.
//!
//! Needs a Docker Engine, and fails without one: a fence agent that was not tried on a real device is not tested.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test's helpers may panic, and start programs, as the test itself may"
)]

#[allow(dead_code, reason = "shared with tests/comparison.rs")]
#[path = "fence/board.rs"]
mod board;
#[path = "fence/cloud.rs"]
mod cloud;
#[allow(dead_code, reason = "shared with the tests of the floating address")]
#[path = "support/cloud_api/mod.rs"]
mod cloud_api;
#[path = "fence/emulator.rs"]
mod emulator;
#[path = "fence/harness.rs"]
mod harness;
#[path = "fence/late.rs"]
mod late;
#[path = "fence/libvirt.rs"]
mod libvirt;
#[path = "fence/pdu.rs"]
mod pdu;
#[path = "fence/redfish.rs"]
mod redfish;
#[path = "fence/snmp.rs"]
mod snmp;
#[path = "fence/sql_fence.rs"]
mod sql_fence;
#[path = "fence/tls.rs"]
mod tls;

use std::os::unix::net::UnixListener;
use std::time::Duration;

use harness::{Container, Engine, action, docker, fence, median};

/// Every action that asks about a node fails, soon, and never with the code for "off". Returns what off said.
fn nothing_is_proven(engine: &Engine) -> String {
    let status = action("status", "db1", &engine.options());
    assert_eq!(status.code(), 1, "{}", status.stdout);
    let reboot = action("reboot", "db1", &engine.options());
    assert_eq!(reboot.code(), 1, "{}", reboot.stdout);
    let off = action("off", "db1", &engine.options());
    assert_eq!(off.code(), 1, "{}", off.stdout);
    for ended in [&status, &reboot, &off] {
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
        assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
    }
    off.stderr
}

#[test]
fn a_node_is_switched_off_and_on_and_each_state_is_told_by_the_exit_code() {
    let node = Container::run(&[]);
    assert_eq!(action("status", &node.0, "").code(), 0);
    let off = action("off", &node.0, "");
    assert_eq!((off.code(), off.stdout.as_str()), (0, "Success: Powered OFF\n"));
    assert_eq!(node.state(), "exited");
    assert_eq!(node.inspect("{{.State.ExitCode}}"), "137", "killed, not asked to stop");
    assert_eq!(action("status", &node.0, "").code(), 2);
    assert_eq!(action("off", &node.0, "").code(), 0, "off is off");
    assert_eq!(action("on", &node.0, "").code(), 0);
    assert_eq!(node.state(), "running");
    assert_eq!(action("on", &node.0, "").code(), 0, "on is on");
    let before = node.inspect("{{.State.StartedAt}}");
    assert_eq!(action("reboot", &node.0, "").code(), 0);
    assert_eq!(node.state(), "running");
    assert_ne!(node.inspect("{{.State.StartedAt}}"), before);
}

#[test]
fn people_may_use_arguments() {
    let node = Container::run(&[]);
    let off = fence(&["-o", "off", "--backend=docker", "-n", &node.0, "--quiet"], "");
    assert_eq!((off.code(), off.stdout.as_str()), (0, ""));
    let status = fence(&["--action", "status", "--backend", "docker", "--port", &node.0], "");
    assert_eq!((status.code(), status.stdout.as_str()), (2, "Status: OFF\n"));
}

#[test]
fn pacemaker_may_name_the_node_as_port_or_by_nodename() {
    let node = Container::run(&[]);
    for line in ["port", "nodename"] {
        let lines = format!("action=status\nbackend=docker\n{line}={}\n", node.0);
        assert_eq!(fence(&[], &lines).code(), 0, "{line}");
    }
}

#[test]
fn without_an_action_it_is_a_reboot() {
    let node = Container::run(&[]);
    let ended = fence(&[], &format!("plug={}\nbackend=docker\n", node.0));
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, "Success: Rebooted\n"));
}

#[test]
fn a_paused_node_is_not_off_and_is_killed() {
    let node = Container::run(&[]);
    docker(&["pause", &node.0], Vec::new());
    assert_eq!(
        action("status", &node.0, "").code(),
        0,
        "it will go on where it stopped"
    );
    assert_eq!(action("off", &node.0, "").code(), 0);
    assert_eq!(node.state(), "exited");
}

#[test]
fn several_plugs_are_one_node() {
    let (a, b) = (Container::run(&[]), Container::run(&[]));
    let both = format!("{},{}", a.0, b.0);
    docker(&["kill", &a.0], Vec::new());
    assert_eq!(action("status", &both, "").code(), 0, "one is still on");
    assert_eq!(action("off", &both, "").code(), 0);
    assert_eq!((a.state(), b.state()), ("exited".to_owned(), "exited".to_owned()));
    assert_eq!(action("status", &both, "").code(), 2);
}

/// As when a container is made anew under the same name: the old one may still run, the new one never did.
#[test]
fn a_name_that_moves_while_it_is_switched_proves_nothing() {
    let node = Container::run(&[]);
    let ended = std::thread::scope(|scope| {
        let fencing = scope.spawn(|| action("off", &node.0, "power_wait=4"));
        let since = std::time::Instant::now();
        while node.state() != "exited" {
            assert!(since.elapsed() < Duration::from_secs(30), "it was not killed");
        }
        let _old = node.make_way();
        fencing.join().unwrap()
    });
    assert_eq!(ended.code(), 1, "{}", ended.stdout);
    assert!(ended.stderr.contains("has another name now"), "{}", ended.stderr);
}

#[test]
fn an_unknown_node_is_not_off_and_spares_the_known_one() {
    let node = Container::run(&[]);
    for word in ["status", "off", "on", "reboot"] {
        let ended = action(word, "baton-fence-test-nobody", "");
        assert_eq!(ended.code(), 1, "{word}");
        assert!(ended.stderr.contains("has no container"), "{}", ended.stderr);
        assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
    }
    assert_eq!(
        action("off", &format!("{},baton-fence-test-nobody", node.0), "").code(),
        1
    );
    assert_eq!(node.state(), "running");
}

#[test]
fn the_beginning_of_an_id_kills_nobody() {
    let node = Container::run(&[]);
    let id = node.inspect("{{.Id}}");
    assert_eq!(action("off", &id[..6], "").code(), 1);
    assert_eq!(node.state(), "running");
    assert_eq!(
        action("off", &id[..12], "").code(),
        0,
        "the id that Docker prints is a name"
    );
    assert_eq!(node.state(), "exited");
}

#[test]
fn a_node_that_vanishes_is_not_off_and_monitor_warned_of_it() {
    let node = Container::run(&["--rm"]);
    let monitor = action("monitor", &node.0, "");
    assert_eq!(monitor.code(), 0);
    assert!(monitor.stderr.contains("created with --rm"), "{}", monitor.stderr);
    assert_eq!(action("off", &node.0, "power_timeout=3").code(), 1);
}

#[test]
fn an_engine_over_tls_is_asked_by_who_has_a_certificate() {
    let (node, port) = (Container::run(&[]), tls::engine());
    let at = |more: &str| {
        let ca = emulator::certificate("ca.pem");
        format!("ip=localhost\nipport={port}\nssl_cacert={ca}\npower_timeout=3\nlogin_timeout=2\n{more}")
    };
    let (certificate, key) = (emulator::certificate("client.pem"), emulator::certificate("client.key"));
    let mine = format!("tlscert={certificate}\nssl_key={key}");
    assert_eq!(action("status", &node.0, &at(&mine)).code(), 0);
    assert_eq!(action("monitor", &node.0, &at(&mine)).code(), 0);
    for more in ["", &format!("ssl_cert={certificate}"), &format!("{mine}\nssl_cacert=")] {
        let ended = action("off", &node.0, &at(more));
        assert_eq!(ended.code(), 1, "{more}");
    }
    assert_eq!(node.state(), "running");
    assert_eq!(action("off", &node.0, &at(&mine)).code(), 0);
    assert_eq!(node.state(), "exited");
}

#[test]
fn a_restart_policy_is_warned_of_and_does_not_save_the_node() {
    let node = Container::run(&["--restart", "always"]);
    for word in ["monitor", "validate-all"] {
        let ended = action(word, &node.0, "");
        assert_eq!(ended.code(), 0, "{word}");
        assert!(ended.stderr.contains("restart policy \"always\""), "{}", ended.stderr);
    }
    assert_eq!(action("off", &node.0, "").code(), 0);
    assert_eq!(node.state(), "exited");
}

#[test]
fn nodes_are_listed_with_their_state() {
    let (on, off) = (Container::run(&[]), Container::run(&[]));
    docker(&["kill", &off.0], Vec::new());
    let list = fence(&[], "action=list\nbackend=docker\n");
    assert_eq!(list.code(), 0);
    assert!(
        list.stdout.lines().any(|line| line == format!("{},", on.0)),
        "{}",
        list.stdout
    );
    let states = fence(&["-o", "list-status", "--backend=docker", "-C", ";"], "");
    assert_eq!(states.code(), 0);
    for line in [format!("{};;on", on.0), format!("{};;off", off.0)] {
        assert!(states.stdout.lines().any(|found| found == line), "{}", states.stdout);
    }
}

#[test]
fn monitor_and_diag_switch_nothing() {
    let node = Container::run(&[]);
    assert_eq!(
        fence(&[], "action=monitor\nbackend=docker\n").code(),
        0,
        "no plug is needed"
    );
    assert_eq!(fence(&[], "action=validate-all\nbackend=docker\n").code(), 0);
    let diag = action("diag", &node.0, "");
    assert_eq!(diag.code(), 0);
    assert!(diag.stdout.contains(&format!("{}: on\n", node.0)), "{}", diag.stdout);
    assert_eq!(node.state(), "running");
}

#[test]
fn a_monitor_that_names_no_device_is_no_failure() {
    for action in ["monitor", "list"] {
        let ended = fence(&[], &format!("action={action}\nbackend=redfish\nport_as_ip=1\n"));
        assert_eq!((ended.code(), ended.stdout.as_str()), (0, ""), "{action}");
    }
}

#[test]
fn delay_counts_before_off_only() {
    let node = Container::run(&[]);
    assert!(action("status", &node.0, "delay=3").took < Duration::from_secs(2));
    let off = action("off", &node.0, "delay=500ms");
    assert_eq!(off.code(), 0);
    assert!(off.took >= Duration::from_millis(500), "{:?}", off.took);
}

#[test]
fn an_unknown_option_is_a_warning() {
    let node = Container::run(&[]);
    let ended = action("status", &node.0, "ssl_fast=1\n# comment\n");
    assert_eq!(ended.code(), 0);
    assert!(ended.stderr.contains("\"ssl_fast\""), "{}", ended.stderr);
}

#[test]
fn what_is_asked_wrongly_never_ends_with_the_code_for_off() {
    for arguments in [
        &["--no-such-option"][..],
        &["-o", "explode"],
        &["-o", "status"],
        &["off"],
    ] {
        assert_eq!(fence(arguments, "").code(), 1, "{arguments:?}");
    }
    for lines in [
        "action=status\n",
        "action=status\nplug=a\n",
        "action=status\nplug=a\nbackend=steam\n",
        "action=status\nplug=../a\nbackend=docker\n",
        "action=status\nplug=a\nbackend=docker\nlogin_timeout=soon\n",
        "action=status\nplug=a\nbackend=docker\ndocker_socket=docker.sock\n",
    ] {
        assert_eq!(fence(&[], lines).code(), 1, "{lines}");
    }
    let ended = fence(&[], "action=explode\n");
    assert!(ended.stderr.contains("unsupported action"), "{}", ended.stderr);
}

#[test]
fn metadata_needs_nothing() {
    let printed = fence(&[], "action=metadata\n");
    assert_eq!(printed.code(), 0);
    assert!(
        printed
            .stdout
            .starts_with("<?xml version=\"1.0\" ?>\n<resource-agent name=\"fence_baton\"")
    );
    for arguments in [&["-o", "metadata"][..], &["--action=meta-data", "--backend=nonsense"]] {
        assert_eq!(fence(arguments, "").stdout, printed.stdout, "{arguments:?}");
    }
}

#[test]
fn the_manual_page_needs_nothing_and_has_every_option() {
    let page = fence(&["--action=manpage"], "").stdout;
    assert!(page.starts_with(".TH FENCE_BATON 8"), "{page}");
    for option in ["power\\-timeout", "ssl\\-pin", "list\\-status"] {
        assert!(page.contains(option), "{option}: {page}");
    }
}

#[test]
fn what_makes_other_agents_call_a_node_off_without_proof_is_refused() {
    let node = Container::run(&[]);
    for line in ["method=cycle", "missing_as_off=1"] {
        assert_eq!(action("off", &node.0, line).code(), 1, "{line}");
    }
    assert_eq!(node.state(), "running");
    assert_eq!(action("off", &node.0, "method=onoff\ndisable_timeout=true").code(), 0);
}

#[test]
fn a_password_on_the_command_line_is_warned_of_and_not_repeated() {
    let node = Container::run(&[]);
    let ended = fence(&["-o", "status", "--backend=docker", "-n", &node.0, "-p", "s3cret"], "");
    assert_eq!(ended.code(), 0);
    assert!(ended.stderr.contains("password on the command line") && !ended.stderr.contains("s3cret"));
}

#[test]
fn a_missing_socket_proves_nothing() {
    let text = nothing_is_proven(&Engine::silent());
    assert!(text.contains("docker.sock"), "{text}");
}

#[test]
fn a_stalled_engine_proves_nothing_in_bounded_time() {
    let engine = Engine::silent();
    let _listener = UnixListener::bind(&engine.socket).unwrap();
    let text = nothing_is_proven(&engine);
    assert!(text.contains("timed out"), "Pacemaker must be told: {text}");
}

#[test]
fn garbage_proves_nothing() {
    nothing_is_proven(&Engine::answering("200 OK", "<html>".to_owned()));
    nothing_is_proven(&Engine::answering("200 OK", "{}".to_owned()));
    nothing_is_proven(&Engine::answering(
        "200 OK",
        Engine::container(r#"{"Status":"exited"}"#),
    ));
}

#[test]
fn an_engine_in_trouble_proves_nothing_and_is_quoted() {
    let engine = Engine::answering("500 Internal Server Error", r#"{"message":"out of sorts"}"#.to_owned());
    let text = nothing_is_proven(&engine);
    assert!(text.contains("status 500: out of sorts"), "{text}");
}

#[test]
fn an_unknown_word_proves_nothing_and_is_quoted() {
    let state = r#"{"Status":"sleepy","Running":false,"Paused":false,"Restarting":false,"Pid":0}"#;
    let text = nothing_is_proven(&Engine::answering("200 OK", Engine::container(state)));
    assert!(text.contains("\"sleepy\""), "{text}");
}

#[test]
fn a_process_that_is_left_contradicts_exited() {
    let state = r#"{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"Pid":42}"#;
    let text = nothing_is_proven(&Engine::answering("200 OK", Engine::container(state)));
    assert!(text.contains("contradiction"), "{text}");
}

/// The bounds leave room for a busy machine; the medians are printed with --nocapture.
#[test]
fn it_is_fast() {
    let metadata = median((0..21).map(|_| fence(&["-o", "metadata"], "").took).collect());
    let node = Container::run(&[]);
    let status = median((0..5).map(|_| action("status", &node.0, "").took).collect());
    let off = |_| {
        let off = action("off", &node.0, "");
        assert_eq!(off.code(), 0);
        assert_eq!(action("on", &node.0, "").code(), 0);
        off.took
    };
    let off = median((0..5).map(off).collect());
    eprintln!("medians: metadata {metadata:?}, status {status:?}, off proven {off:?}");
    assert!(metadata < Duration::from_millis(50), "{metadata:?}");
    assert!(status < Duration::from_millis(200), "{status:?}");
    assert!(off < Duration::from_millis(1000), "{off:?}");
}
