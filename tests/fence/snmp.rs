//! The backend snmp_pdu against net-snmp's agent, which plays every kind of PDU, one that misbehaves, and none at all.

use std::net::UdpSocket;
use std::time::Duration;

use super::pdu::{Agent, CYBER_POWER, RPDU, RPDU2, TRIPP_LITE, TRIPP_LITE_LX, V2, V3, ask_at};

#[test]
fn every_kind_of_pdu_is_recognised_and_switched() {
    for kind in [RPDU, RPDU2, TRIPP_LITE, TRIPP_LITE_LX, CYBER_POWER] {
        let pdu = Agent::playing(&kind);
        let [on, off, set_on, set_off] = kind.4.map(|number| number.to_string());
        assert_eq!(pdu.ask("status", "3", V2).code(), 0, "{}", kind.0);
        assert_eq!(pdu.ask("off", "3", V2).code(), 0, "{}", kind.0);
        assert_eq!(pdu.state(3), off);
        assert_eq!(pdu.ask("status", "3", V2).code(), 2);
        assert_eq!(pdu.ask("on", "3", V2).code(), 0);
        assert_eq!(pdu.state(3), on);
        assert_eq!(pdu.ask("reboot", "3", V2).code(), 0);
        let orders = [&set_off, &set_on, &set_off, &set_on].map(|number| format!("3 {number}"));
        assert_eq!(pdu.orders(), orders, "{}", kind.0);
        let list = pdu.ask("list-status", "", V2);
        assert_eq!(list.stdout.lines().count(), 8, "{}", list.stdout);
        assert!(list.stdout.starts_with("1,Outlet 1,on\n"), "{}", list.stdout);
    }
}

#[test]
fn all_outlets_of_a_node_are_off_before_one_is_on() {
    let pdu = Agent::playing(&RPDU2);
    pdu.set("delay", "1");
    assert_eq!(pdu.ask("reboot", "2,5", V2).code(), 0);
    assert_eq!(pdu.orders(), ["2 2", "5 2", "2 1", "5 1"]);
    assert_eq!(pdu.ask("off", "2,9", V2).code(), 1, "outlet 9 does not exist");
    assert_eq!(pdu.orders().len(), 4, "a wrong outlet among several switches nothing");
}

#[test]
fn every_version_and_level_is_understood() {
    let pdu = Agent::playing(&RPDU);
    let as_user = |name: &str, more: &str| format!("{V3}\nusername={name}\n{more}");
    for access in [
        "snmp_version=1\ncommunity=writer".to_owned(),
        "snmp_version=2c\npassword=writer".to_owned(),
        V3.to_owned(),
        as_user("old", "snmp_auth_prot=MD5\nsnmp_priv_prot=DES"),
        as_user("new", "snmp_auth_prot=SHA256"),
        as_user("long", "snmp_auth_prot=SHA512"),
        as_user("signer", "snmp_sec_level=authNoPriv"),
    ] {
        assert_eq!(pdu.ask("off", "1", &access).code(), 0, "{access}");
        assert_eq!(pdu.ask("status", "1", &access).code(), 2, "{access}");
        assert_eq!(pdu.ask("on", "1", &access).code(), 0, "{access}");
        let wrong = pdu.ask("off", "9", &access);
        assert_eq!(wrong.code(), 1, "{access}");
        assert!(wrong.stderr.contains("no outlet 9"), "{}", wrong.stderr);
    }
}

/// Others answer "Already OFF" here, and the cluster goes on while the node runs.
#[test]
fn what_is_no_pdu_is_refused_in_every_version() {
    let agent = Agent::no_pdu();
    for access in ["snmp_version=1\ncommunity=writer", V2, V3] {
        for action in ["off", "reboot", "status", "monitor", "list"] {
            let ended = agent.ask(action, "1", access);
            assert_eq!(ended.code(), 1, "{action} {access}");
            assert!(
                ended.stderr.contains("calls itself .1.3.6.1.4.1.8072"),
                "{}",
                ended.stderr
            );
            assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
        }
    }
}

#[test]
fn who_may_not_write_is_told_so() {
    let pdu = Agent::playing(&RPDU);
    for version in ["1", "2c"] {
        let ended = pdu.ask("off", "1", &format!("snmp_version={version}\ncommunity=reader"));
        assert_eq!(ended.code(), 1);
        assert!(
            ended.stderr.contains("may only read") || ended.stderr.contains("may the community"),
            "{}",
            ended.stderr
        );
    }
    for (line, word) in [
        ("password=wrong-secret", "signature is wrong"),
        ("username=nobody", "does not know the account"),
        ("snmp_sec_level=authNoPriv\nusername=fence", ""),
    ] {
        let ended = pdu.ask("off", "1", &format!("{V3}\n{line}\npower_timeout=2"));
        assert_eq!(ended.code(), 1, "{line}");
        assert!(
            ended.stderr.contains(word) && !ended.stderr.contains("secret"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(pdu.state(1), "1");
}

#[test]
fn silence_is_told_as_a_timeout() {
    let pdu = Agent::playing(&RPDU);
    let more = "snmp_version=2c\ncommunity=wrong\npower_timeout=2\nlogin_timeout=1";
    let ended = pdu.ask("off", "1", more);
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.contains("timed out"), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(20), "{:?}", ended.took);
}

#[test]
fn a_pdu_that_is_late_wrong_or_stuck_is_not_believed_too_early() {
    let pdu = Agent::playing(&RPDU);
    pdu.set("delay", "2");
    let ended = pdu.ask("off", "4", V2);
    assert_eq!(ended.code(), 0);
    assert!(ended.took >= Duration::from_secs(2), "{:?}", ended.took);
    pdu.set("delay", "never");
    let stuck = pdu.ask("reboot", "5", &format!("{V2}\npower_timeout=2"));
    assert_eq!(stuck.code(), 1);
    assert!(stuck.stderr.contains("last seen: on"), "{}", stuck.stderr);
    pdu.set("6", "7");
    let odd = pdu.ask("off", "6", &format!("{V2}\npower_timeout=2"));
    assert_eq!(odd.code(), 1);
    assert!(odd.stderr.contains("7 for the state"), "{}", odd.stderr);
    assert_eq!(pdu.ask("status", "6", V2).code(), 1);
}

/// UDP loses things: the first two datagrams of each kind here.
#[test]
fn lost_datagrams_are_sent_again() {
    let pdu = Agent::playing(&RPDU);
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = relay.local_addr().unwrap().port();
    let target = ("127.0.0.1", pdu.port);
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        for turn in 0.. {
            let Ok((length, from)) = relay.recv_from(&mut buffer) else {
                return;
            };
            let beyond = UdpSocket::bind("127.0.0.1:0").unwrap();
            if turn % 3 == 0 {
                continue;
            }
            beyond.send_to(&buffer[..length], target).unwrap();
            let length = beyond.recv(&mut buffer).unwrap();
            if turn % 3 == 1 {
                continue;
            }
            // Somebody else's answer comes first.
            let mut forged = buffer[..length].to_vec();
            forged[20] ^= 0x55;
            relay.send_to(&forged, from).unwrap();
            relay.send_to(&buffer[..length], from).unwrap();
        }
    });
    assert_eq!(ask_at(port, "off", "1", V2).code(), 0);
    assert_eq!(pdu.state(1), "2");
}

#[test]
fn diag_switches_nothing_and_says_what_it_saw() {
    let pdu = Agent::playing(&TRIPP_LITE);
    let ended = pdu.ask("diag", "1,2,9", V2);
    assert_eq!(ended.code(), 1);
    for line in [
        "is a Tripp Lite PDU\n",
        "list: 8 plugs\n",
        "1: on\n",
        "9: cannot be fenced",
    ] {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
    assert_eq!(pdu.orders(), Vec::<String>::new());
}
