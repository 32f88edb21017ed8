//! The backend redfish against OpenStack's emulator, whose state follows an order seconds later, and against boards that
//! misbehave.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use super::board::{Asked, Board, Reply, reply};
use super::emulator::{Emulator, NODES, ask_at, certificate};
use super::harness::Ended;

#[test]
fn a_system_whose_state_follows_late_is_switched_and_others_are_left_alone() {
    let emulator = Emulator::start("");
    assert_eq!(emulator.ask("status", NODES[1], "").code(), 0);
    assert_eq!(emulator.ask("off", NODES[1], "").code(), 0);
    assert_eq!(emulator.ask("status", NODES[1], "").code(), 2);
    assert_eq!(emulator.ask("off", NODES[1], "").code(), 0, "off is off");
    let list = emulator.ask("list-status", "", "");
    assert_eq!(list.code(), 0);
    for (node, word) in NODES.iter().zip(["on", "off", "on"]) {
        assert!(list.stdout.contains(&format!("{node},,{word}\n")), "{}", list.stdout);
    }
    // A reboot waits for off and not for on.
    let reboot = emulator.ask("reboot", &format!("{},{}", NODES[0], NODES[2]), "power_timeout=40");
    assert_eq!(reboot.code(), 0);
    assert_eq!(emulator.ask("on", NODES[1], "power_timeout=40").code(), 0);
    assert_eq!(emulator.ask("monitor", NODES[1], "").code(), 0);
}

#[test]
fn an_unknown_system_is_not_off() {
    let emulator = Emulator::start("");
    for (plug, word) in [
        ("bbbbbbbb-0000-0000-0000-000000000001", "has no system"),
        ("../Managers/1", "must be a system's id"),
        // The emulator leads from a name to an id; a link of a board is never followed.
        ("000001", "status 307"),
    ] {
        for action in ["off", "reboot", "status"] {
            let ended = emulator.ask(action, plug, "power_timeout=1");
            assert_eq!(ended.code(), 1, "{action} {plug}");
            assert!(ended.stderr.contains(word), "{}", ended.stderr);
        }
    }
    let by_path = format!("systems_uri=/redfish/v1/Systems/{}", NODES[0]);
    assert_eq!(emulator.ask("status", NODES[0], &by_path).code(), 0);
    // A path does not make any name that of its system, least of all two.
    for plug in [
        "node1".to_owned(),
        NODES[1].to_owned(),
        format!("{},{}", NODES[0], NODES[1]),
    ] {
        for action in ["off", "status"] {
            assert_eq!(emulator.ask(action, &plug, &by_path).code(), 1, "{action} {plug}");
        }
    }
    for node in NODES {
        assert_eq!(emulator.ask("status", node, "").code(), 0, "nothing was switched");
    }
    let by_node = format!("{by_path}\nnodename={}", NODES[0]);
    assert_eq!(emulator.ask("status", "node1", &by_node).code(), 0);
}

#[test]
fn a_board_is_believed_by_authority_or_by_its_very_certificate() {
    let emulator = Emulator::start("");
    let openssl = Command::new("openssl")
        .args([
            "x509",
            "-noout",
            "-fingerprint",
            "-sha256",
            "-in",
            &certificate("server.pem"),
        ])
        .output()
        .unwrap();
    let printed = String::from_utf8(openssl.stdout).unwrap();
    let pin = printed.trim().split('=').nth(1).unwrap();
    let ask = |more: &str| ask_at(emulator.port, "status", NODES[0], &format!("{more}\nlogin_timeout=2"));
    assert_eq!(ask(&format!("ssl_pin={pin}")).code(), 0);
    assert_eq!(ask("ssl_insecure=1").code(), 0);
    let wrong = pin.replace(|c: char| c.is_ascii_digit(), "0");
    for more in ["", &format!("ssl_pin={wrong}"), "ssl_insecure=1\nssl_secure=1"] {
        let ended = ask(more);
        assert_eq!(ended.code(), 1, "{more}");
    }
    assert!(ask(&format!("ssl_pin={wrong}")).stderr.contains("fingerprint"));
    let monitor = ask_at(emulator.port, "monitor", NODES[0], "ssl_insecure=1");
    assert!(monitor.stderr.contains("set ssl_pin"), "{}", monitor.stderr);
}

#[test]
fn the_password_is_checked_and_comes_from_a_file_or_a_program() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    // "password", hashed with bcrypt.
    let hash = "$2b$04$CVXn8aMvKwb/TTA3OnAEn.t8cYCbVNPeB7XMXdHGDIEGd8ehdS5Zi";
    let accounts = write("accounts", &format!("admin:{hash}\n"), 0o600);
    let emulator = Emulator::start(&format!("SUSHY_EMULATOR_AUTH_FILE = '{accounts}'"));
    let script = write("script", "#!/bin/sh\necho password\n", 0o700);
    let file = write("file", "password\n", 0o600);
    for source in [
        "password=password".to_owned(),
        format!("password_file={file}"),
        format!("passwd_script={script}"),
    ] {
        let ended = emulator.ask("status", NODES[0], &format!("login=admin\n{source}"));
        assert_eq!(ended.code(), 0, "{source}: {}", ended.stderr);
    }
    let readable = write("readable", "password\n", 0o644);
    for source in [
        "password=wrong".to_owned(),
        format!("password_file={readable}"),
        String::new(),
    ] {
        let ended = emulator.ask("off", NODES[0], &format!("username=admin\n{source}"));
        assert_eq!(ended.code(), 1, "{source}");
        assert!(
            ended.took < Duration::from_secs(10),
            "a refusal is final: {:?}",
            ended.took
        );
    }
}

const KIND: &str = r##""@odata.type":"#ComputerSystem.v1_5_0.ComputerSystem""##;

/// A system in this state, with these words for a reset.
fn system(state: &str, words: &str) -> String {
    format!(
        r##"{{{KIND},"Id":"1","PowerState":"{state}","Actions":{{"#ComputerSystem.Reset":{{"target":"/redfish/v1/Systems/1/Actions/ComputerSystem.Reset","ResetType@Redfish.AllowableValues":[{words}]}}}}}}"##
    )
}

const WORDS: &str = r#""On","ForceOff""#;

fn off_at(board: &Board, more: &str) -> Ended {
    let more = format!("ssl=0\nusername=admin\npassword=s3cret\npower_timeout=3\nlogin_timeout=1\n{more}");
    let ended = ask_at(board.port, "off", "1", &more);
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(30), "{:?}", ended.took);
    ended
}

#[test]
fn what_a_board_says_wrongly_proves_nothing_and_is_quoted() {
    let always = |status: u16, body: String| Board::answering(move |_, _| reply(status, &body));
    for (board, word) in [
        (always(200, system("Standby", WORDS)), "\"Standby\""),
        (always(200, format!(r#"{{{KIND},"Id":"1"}}"#)), "PowerState"),
        (
            always(200, format!(r#"{{{KIND},"Id":"2","PowerState":"Off"}}"#)),
            "which is not 1",
        ),
        (
            always(
                200,
                r##"{"@odata.type":"#Chassis.v1_5_0.Chassis","Id":"1","PowerState":"Off"}"##.to_owned(),
            ),
            "a Chassis with the id 1",
        ),
        (always(200, r#"{"Id":"1","PowerState":"Off"}"#.to_owned()), "odata.type"),
        (always(200, "<html>Please wait</html>".to_owned()), "Please wait"),
        (
            always(503, r#"{"error":{"message":"The BMC is busy"}}"#.to_owned()),
            "The BMC is busy",
        ),
        (always(500, String::new()), "status 500"),
        (always(401, String::new()), "check username and password"),
        (always(404, String::new()), "no proof that the node is off"),
        (
            always(200, system("On", r#""Nmi","GracefulShutdown""#)),
            "only Nmi, GracefulShutdown",
        ),
        (always(200, system("PoweringOff", WORDS)), "last seen: on"),
    ] {
        let ended = off_at(&board, "");
        assert_eq!(ended.code(), 1, "{word}");
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
}

/// Some boards refuse an order that changes nothing, and are too busy for the first one.
#[test]
fn an_order_that_is_refused_is_given_again_and_the_state_decides() {
    let board = Board::answering(|asked, before| match (asked.line.starts_with("POST"), before) {
        (true, ..6) => reply(503, r#"{"error":{"message":"busy"}}"#),
        (true, _) => reply(409, r#"{"error":{"message":"already off"}}"#),
        (false, before) => reply(200, &system(if before < 8 { "On" } else { "Off" }, WORDS)),
    });
    assert_eq!(off_at(&board, "").code(), 0);
    assert!(board.count("POST") >= 2, "{:?}", board.asked());
    assert!(
        board
            .asked()
            .iter()
            .any(|asked| asked.body == r#"{"ResetType":"ForceOff"}"#)
    );
    let basic = "authorization: basic ";
    assert!(
        board.asked().iter().all(|asked| asked.headers.contains(basic)),
        "{:?}",
        board.asked()
    );
}

#[test]
fn a_task_that_fails_is_quoted() {
    let board = Board::answering(|asked, _| match asked.line.as_str() {
        line if line.starts_with("POST") => (
            202,
            vec![("Location", "/redfish/v1/TaskService/Tasks/7".to_owned())],
            String::new(),
        ),
        "GET /redfish/v1/TaskService/Tasks/7" => reply(
            200,
            r#"{"TaskState":"Exception","Messages":[{"Message":"Chassis intrusion"}]}"#,
        ),
        _ => reply(200, &system("On", WORDS)),
    });
    let ended = off_at(&board, "verbose=1");
    assert_eq!(ended.code(), 1);
    assert!(
        ended.stderr.contains("Exception: Chassis intrusion"),
        "{}",
        ended.stderr
    );
}

#[test]
fn words_may_be_listed_elsewhere() {
    let info = r#"{"Parameters":[{"Name":"ResetType","AllowableValues":["ForceOff","ForceOn"]}]}"#;
    let board = Board::answering(move |asked, before| match asked.line.as_str() {
        "GET /redfish/v1/Systems/1/ResetActionInfo" => reply(200, info),
        line if line.starts_with("POST /elsewhere") => reply(204, ""),
        line if line.starts_with("POST") => reply(404, ""),
        _ => {
            let state = if before < 3 { "On" } else { "Off" };
            let reset = r#""target":"/elsewhere/reset","@Redfish.ActionInfo":"/redfish/v1/Systems/1/ResetActionInfo""#;
            reply(
                200,
                &format!(
                    r##"{{{KIND},"Id":"1","PowerState":"{state}","Actions":{{"#ComputerSystem.Reset":{{{reset}}}}}}}"##
                ),
            )
        }
    });
    assert_eq!(off_at(&board, "").code(), 0);
}

/// A board that says too little, or refuses what is not needed, is switched all the same.
#[test]
fn what_is_not_needed_holds_up_no_order() {
    let unclear = format!(
        r##"{{{KIND},"Id":"1","PowerState":null,"Actions":{{"#ComputerSystem.Reset":{{"target":null,"@Redfish.ActionInfo":"/redfish/v1/info"}}}}}}"##
    );
    let ordered = std::sync::atomic::AtomicBool::new(false);
    let board = Board::answering(move |asked, before| match asked.line.as_str() {
        line if line.ends_with("/Sessions") && before == 0 => reply(400, r#"{"error":{"message":"busy"}}"#),
        line if line.ends_with("/Sessions") => (201, vec![("X-Auth-Token", "token".to_owned())], "{}".to_owned()),
        "GET /redfish/v1/info" => reply(403, ""),
        "POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset" => {
            ordered.store(true, std::sync::atomic::Ordering::SeqCst);
            reply(204, "")
        }
        _ if ordered.load(std::sync::atomic::Ordering::SeqCst) => reply(200, &system("Off", WORDS)),
        _ => reply(200, &unclear),
    });
    let ended = off_at(&board, "redfish_auth=session\npower_timeout=10");
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

/// A board with sessions: the first token is good for three requests only.
fn with_sessions(asked: &Asked, before: usize) -> Reply {
    let sessions = "/redfish/v1/SessionService/Sessions";
    if asked.line == format!("POST {sessions}") {
        let good = asked.body.contains(r#""UserName":"admin""#) && asked.body.contains(r#""Password":"s3cret""#);
        let place = format!("https://board.example{sessions}/{before}");
        let headers = vec![("X-Auth-Token", format!("token-{before}")), ("Location", place)];
        return if good {
            (201, headers, "{}".to_owned())
        } else {
            reply(401, "")
        };
    }
    if !asked.headers.contains("x-auth-token: token-") || (asked.headers.contains("token-0\r") && before > 3) {
        return reply(401, "");
    }
    match asked.line.as_str() {
        line if line.starts_with("DELETE") => reply(204, ""),
        line if line.starts_with("POST") => reply(204, ""),
        _ => reply(200, &system(if before < 6 { "On" } else { "Off" }, WORDS)),
    }
}

#[test]
fn a_session_is_opened_renewed_and_closed() {
    let board = Board::answering(with_sessions);
    assert_eq!(off_at(&board, "redfish_auth=session").code(), 0);
    assert_eq!(board.count("POST /redfish/v1/SessionService"), 2, "{:?}", board.asked());
    assert_eq!(
        board.count("DELETE /redfish/v1/SessionService/Sessions/"),
        1,
        "{:?}",
        board.asked()
    );
    assert!(
        board
            .asked()
            .iter()
            .all(|asked| !asked.headers.contains("authorization:"))
    );
    let refused = off_at(&board, "redfish_auth=session\npassword=wrong");
    assert_eq!(refused.code(), 1);
    assert!(refused.stderr.contains("set redfish_auth=basic"), "{}", refused.stderr);
}

#[test]
fn a_board_that_never_answers_holds_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for action in ["off", "status", "monitor"] {
        let ended = ask_at(port, action, "1", "ssl=0\npower_timeout=2\nlogin_timeout=1");
        assert_eq!(ended.code(), 1, "{action}");
        assert!(ended.stderr.contains("timed out"), "{}", ended.stderr);
        assert!(ended.took < Duration::from_secs(20), "{:?}", ended.took);
    }
}
