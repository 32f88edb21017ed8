//! Files as they are found on real machines, and name servers that answer, refuse, keep silent or lie.

use super::*;

#[test]
fn the_hosts_file_knows_a_host_by_any_of_its_names() {
    let text = "127.0.0.1 localhost\n# 192.0.2.9 bmc1\n192.0.2.1 bmc1.example BMC1 # rack 4\n2001:db8::1 bmc1\nnonsense bmc1\n";
    let found = |host| in_hosts(text, host);
    assert_eq!(
        found("bmc1"),
        ["192.0.2.1".parse::<IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()]
    );
    assert_eq!(found("bmc1.EXAMPLE"), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert!(found("rack").is_empty() && found("bmc").is_empty());
}

#[test]
fn the_resolver_is_configured_as_usual() {
    let found = configuration(
        "; x\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions ndots:2\nsearch lab.example example\n",
    );
    assert_eq!(
        found.servers,
        ["192.0.2.53:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()]
    );
    assert_eq!(found.domains, ["lab.example", "example"]);
    assert_eq!(configuration("").servers, ["127.0.0.1:53".parse().unwrap()]);
}

#[test]
fn short_names_are_searched_for_and_long_ones_taken_as_they_are() {
    let domains = ["lab.example".to_owned()];
    assert_eq!(candidates("bmc1", &domains), ["bmc1.lab.example", "bmc1"]);
    assert_eq!(
        candidates("api.example", &domains),
        ["api.example", "api.example.lab.example"]
    );
    assert_eq!(candidates("api.example.", &domains), ["api.example"]);
}

/// A name server that makes each answer out of the question.
fn server(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(bytes) = answer(&buffer[..length]) {
                socket.send_to(&bytes, from).unwrap();
            }
        }
    });
    address
}

/// The question as an answer with this code, and records behind it: kind and data.
fn reply(question: &[u8], code: u8, records: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = question.to_vec();
    bytes[2] |= 0x80;
    bytes[3] = code;
    bytes[7] = u8::try_from(records.len()).unwrap();
    for (kind, data) in records {
        bytes.extend([0xc0, 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(*data);
    }
    bytes
}

fn kind(question: &[u8]) -> u16 {
    u16::from_be_bytes([question[question.len() - 4], question[question.len() - 3]])
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn knowing(server: SocketAddr) -> Resolver {
    Resolver {
        servers: vec![server],
        domains: vec!["lab.example".to_owned()],
    }
}

#[test]
fn both_families_are_asked_for_and_aliases_followed() {
    let server = server(|question| {
        Some(match kind(question) {
            A => reply(question, 0, &[(5, b"\x03web\xc0\x10"), (A, &[192, 0, 2, 7])]),
            _ => reply(
                question,
                0,
                &[(AAAA, &"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets())],
            ),
        })
    });
    let found = look_up(&knowing(server), "api.example", soon()).unwrap();
    assert_eq!(
        found,
        ["192.0.2.7".parse::<IpAddr>().unwrap(), "2001:db8::7".parse().unwrap()]
    );
}

#[test]
fn a_name_of_one_family_is_found() {
    let server = server(|question| {
        let records: &[(u16, &[u8])] = &[(A, &[192, 0, 2, 7])];
        Some(reply(question, 0, if kind(question) == A { records } else { &[] }))
    });
    assert_eq!(
        look_up(&knowing(server), "bmc1", soon()).unwrap(),
        ["192.0.2.7".parse::<IpAddr>().unwrap()]
    );
}

#[test]
fn what_nobody_knows_is_an_error_that_names_it() {
    let server = server(|question| Some(reply(question, NAME_ERROR, &[])));
    let error = look_up(&knowing(server), "api.example", soon())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("api.example") && error.contains("there is no such name"),
        "{error}"
    );
}

#[test]
fn a_server_that_fails_does_not_hide_the_next_one() {
    let failing = server(|question| Some(reply(question, 2, &[])));
    let good = server(|question| Some(reply(question, 0, &[(A, &[192, 0, 2, 7])])));
    let resolver = Resolver {
        servers: vec![failing, good],
        domains: Vec::new(),
    };
    assert!(look_up(&resolver, "api.example", soon()).is_ok());
    let error = look_up(&knowing(failing), "api.example", soon())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no name server answered"), "{error}");
}

#[test]
fn dead_servers_leave_time_for_one_that_lives() {
    let (first, second) = (server(|_| None), server(|_| None));
    let good = server(|question| Some(reply(question, 0, &[(A, &[192, 0, 2, 7])])));
    let resolver = Resolver {
        servers: vec![first, second, good],
        domains: Vec::new(),
    };
    let deadline = Deadline::after(Duration::from_secs(3));
    let found = look_up(&resolver, "api.example", deadline).unwrap();
    assert!(found.contains(&"192.0.2.7".parse::<IpAddr>().unwrap()));
    assert!(!deadline.expired());
}

#[test]
fn a_server_that_keeps_silent_cannot_hold_us() {
    let silent = server(|_| None);
    let deadline = Deadline::after(Duration::from_millis(60));
    let error = look_up(&knowing(silent), "api.example", deadline).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(deadline.age() < Duration::from_secs(2));
}

#[test]
fn answers_to_other_questions_and_garbage_are_ignored() {
    let asked = question(7, "api.example", A).unwrap();
    let good = reply(&asked, 0, &[(A, &[192, 0, 2, 7])]);
    assert!(answers(&good, 7, "API.example", A));
    assert!(!answers(&good, 8, "api.example", A) && !answers(&good, 7, "api.example", AAAA));
    assert!(!answers(&good, 7, "api.other", A) && !answers(&asked, 7, "api.example", A));
    for end in 0..good.len() {
        assert_ne!(
            parse(&good[..end]),
            Some(Said::Addresses(vec!["192.0.2.7".parse().unwrap()])),
            "{end}"
        );
    }
    assert_eq!(question(1, "a..b", A), None);
    assert_eq!(question(1, &"a".repeat(64), A), None);
}
