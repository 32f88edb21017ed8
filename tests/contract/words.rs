//! What an agent says: to Pacemaker, to the log, and what it never says.

use std::time::Duration;

use crate::support::{Call, agent, write};
use crate::{AGENTS, Idle};

#[test]
fn every_failure_has_a_reason() {
    let idle = Idle::new();
    std::fs::create_dir(idle.path("data")).unwrap();
    for action in ["start", "promote"] {
        let ended = idle
            .call()
            .param("binary", "/no/such")
            .param("user", "no_such")
            .run(action);
        assert_ne!(ended.code, 0, "{action}");
        assert!(ended.reason().len() > 20, "{action}: {}", ended.reason());
        assert_eq!(ended.stdout, "", "{action}");
    }
    for (action, code) in [("promote", 1), ("monitor", 6), ("demote", 6), ("reload-agent", 6)] {
        let call = if code == 6 {
            idle.call().param("replication_port", "x")
        } else {
            idle.call()
        };
        call.run(action).expect(code).says(&[action]);
    }
    for name in AGENTS {
        agent(name).run("dance").expect(3).says(&["dance"]);
    }
}

#[test]
fn demoting_or_stopping_a_server_that_does_not_run_succeeds() {
    let idle = Idle::new();
    for action in ["demote", "stop", "stop"] {
        idle.call().run(action).expect(0);
        idle.promotable().run(action).expect(0);
    }
}

#[test]
fn promoting_without_a_server_fails_at_once() {
    let idle = Idle::new();
    let ended = idle.call().run("promote").expect(1).within(Duration::from_secs(2));
    ended.says(&["promote failed", "socket"]);
}

/// `Nov 21 09:00:01.123 host baton-mysql(db)[42] error: text`
fn assert_log_line(line: &str, instance: &str) {
    let words: Vec<&str> = line.splitn(6, ' ').collect();
    let [month, day, time, host, tag, text] = words[..] else {
        panic!("{line}")
    };
    assert!(
        month.len() == 3 && day.len() == 2 && day.parse::<u8>().is_ok(),
        "{line}"
    );
    assert_eq!(time.len(), "09:00:01.123".len(), "{line}");
    let host_name = nix::unistd::gethostname().unwrap();
    assert_eq!(Some(host), host_name.to_str(), "{line}");
    let pid = tag
        .strip_prefix(&format!("baton-mysql({instance})["))
        .and_then(|rest| rest.strip_suffix(']'));
    assert!(pid.is_some_and(|pid| pid.parse::<u32>().is_ok()), "{line}");
    let level = text.split_once(": ").map(|(level, _)| level);
    assert!(
        level.is_some_and(|level| ["error", "warning", "info", "debug"].contains(&level)),
        "{line}"
    );
}

#[test]
fn the_log_file_of_the_cluster_gets_lines_in_pacemakers_format() {
    let idle = Idle::new();
    let log = idle.path("pacemaker.log");
    write(&log, "", 0o660);
    let call = idle.call().env("HA_LOGFILE", log.to_str().unwrap());
    call.run("promote").expect(1);
    call.run("stop").expect(0);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains(" error: promote ended with 1 after ") && text.contains(" info: stop ended with 0 after "));
    text.lines().for_each(|line| assert_log_line(line, &idle.instance));
    // A monitor runs every second: what it expects is worth a line only to who debugs.
    call.run("monitor").expect(7);
    assert_eq!(std::fs::read_to_string(&log).unwrap(), text);
    call.env("HA_debug", "1").run("monitor").expect(7);
    let more = std::fs::read_to_string(&log).unwrap();
    assert!(more.contains(" debug: monitor ended with 7"), "{more}");
}

#[test]
fn a_log_file_that_cannot_be_written_fails_nothing() {
    let idle = Idle::new();
    for file in ["/no/such/pacemaker.log", "/dev/null", "relative.log", "/proc/version"] {
        idle.call()
            .env("HA_LOGFILE", file)
            .env("HA_debug", "1")
            .run("monitor")
            .expect(7);
    }
}

fn with_secrets(idle: &Idle) -> Call {
    let file = idle.path("admin.password");
    write(&file, "s3cret-admin\n", 0o600);
    idle.promotable()
        .param("admin_password_file", &file)
        .param("replication_password", "s3cret-replica")
        .env("HA_debug", "1")
}

#[test]
fn no_secret_reaches_output_or_log() {
    let idle = Idle::new();
    let log = idle.path("pacemaker.log");
    write(&log, "", 0o660);
    for action in [
        "start",
        "stop",
        "monitor",
        "promote",
        "demote",
        "notify",
        "validate-all",
        "reload-agent",
        "dance",
    ] {
        for file in ["", log.to_str().unwrap()] {
            let call = with_secrets(&idle).env("HA_LOGFILE", file).meta("timeout", "4000");
            let wrong = call.clone().param("max_lag", "soon");
            let twice = call.clone().param("replication_password_file", "/no/such");
            for call in [call, wrong, twice] {
                let ended = call.run(action);
                assert!(!format!("{ended:?}").contains("s3cret"), "{action}: {ended:?}");
            }
        }
    }
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.lines().count() > 5 && !text.contains("s3cret"), "{text}");
}
