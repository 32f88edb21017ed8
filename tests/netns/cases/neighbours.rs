//! What neighbours, routers, clients and rivals see.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Agent, Seen, demand};
use crate::capture::{ADVERTISEMENT, Capture, REPLY, REQUEST};
use crate::lab::{Lan, Net, until};
use crate::{IP, ONCE, RECURRING, VIP};

const VIP6: &str = "fd00:10::100";
const IP6: (&str, &str) = ("ip", VIP6);
const NODAD: (&str, &str) = ("nodad", "true");
/// What "at once" may take on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(900);

pub(super) fn silence_after_stop(agent: Agent, lan: &Lan) -> Seen {
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    agent
        .run(&lan.a, "start", &[IP, ("arp_count", "20"), ("arp_interval", "50")])
        .ends_with(0);
    capture.wait_for(2);
    let stop = agent.run(&lan.a, "stop", &[IP]);
    stop.ends_with(0);
    // Absence has no condition to wait for: several announcements are due in this time.
    std::thread::sleep(Duration::from_millis(400));
    let late = capture.frames().iter().filter(|frame| frame.at > stop.ended).count();
    demand!(late == 0, "{late} announcements left after stop had returned");
    Ok(())
}

pub(super) fn unannounced(agent: Agent, lan: &Lan) -> Seen {
    // A queue that takes nothing: the address can be added, but no frame leaves.
    lan.a.shell("tc qdisc add dev eth0 root pfifo limit 0");
    let run = agent.run(&lan.a, "start", &[IP]);
    demand!(run.code != 0, "start says success, and no neighbour was told");
    demand!(lan.a.copies(VIP).is_empty(), "start failed and left the address behind");
    Ok(())
}

/// Another host has the address, as an owner that was not fenced would.
fn occupied(net: &Net, ip: &str) {
    let prefix = if ip.contains(':') { "64 nodad" } else { "24" };
    net.ip(&format!("addr add {ip}/{prefix} dev eth0"));
}

pub(super) fn ipv6_in_use(agent: Agent, lan: &Lan) -> Seen {
    occupied(&lan.b, VIP6);
    let refused = agent.run(&lan.a, "start", &[IP6]);
    demand!(refused.code != 0, "start says success, and two hosts have the address");
    demand!(
        lan.a.copies(VIP6).is_empty(),
        "start failed and left the address behind"
    );
    lan.b.ip(&format!("addr del {VIP6}/64 dev eth0"));
    let run = agent.run(&lan.a, "start", &[IP6]);
    demand!(
        run.code == 0,
        "the address is free now, but start ends with {}",
        run.code
    );
    let monitor = agent.run(&lan.a, "monitor", &[IP6, RECURRING]);
    demand!(
        monitor.code == 0,
        "monitor ends with {}: {}",
        monitor.code,
        monitor.stderr
    );
    Ok(())
}

pub(super) fn ipv6_usable(agent: Agent, lan: &Lan) -> Seen {
    let mut capture = Capture::on(&lan.client, "br0", VIP6);
    let run = agent.run(&lan.a, "start", &[IP6]);
    run.ends_with(0);
    let shown = lan.a.ip(&format!("-6 addr show dev eth0 to {VIP6}"));
    let usable = shown.contains(VIP6) && (!shown.contains("tentative") || shown.contains("optimistic"));
    demand!(usable, "it is not usable yet: {shown}");
    let frame = capture.wait_for(1)[0].clone();
    demand!(
        frame.operation == ADVERTISEMENT && frame.gratuitous,
        "{frame:?} is no advertisement"
    );
    demand!(frame.at <= run.ended, "announced after start had returned");
    demand!(run.took < AT_ONCE, "start took {:?}", run.took);
    Ok(())
}

pub(super) fn announced_again(agent: Agent, lan: &Lan) -> Seen {
    lan.a.ip("addr add 10.0.0.100/24 dev eth0");
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    agent.run(&lan.a, "start", &[IP, ("cidr_netmask", "24")]).ends_with(0);
    let clock = Instant::now();
    while capture.frames().is_empty() && clock.elapsed() < AT_ONCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    demand!(!capture.frames().is_empty(), "nobody was told");
    Ok(())
}

pub(super) fn both_forms(agent: Agent, lan: &Lan) -> Seen {
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    agent.run(&lan.a, "start", &[IP]).ends_with(0);
    for operation in [REQUEST, REPLY] {
        let clock = Instant::now();
        let heard = |capture: &mut Capture| capture.frames().iter().any(|frame| frame.operation == operation);
        while !heard(&mut capture) && clock.elapsed() < 2 * AT_ONCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        demand!(heard(&mut capture), "no frame with operation {operation}");
    }
    Ok(())
}

/// The client is the router here. It believes nothing that everybody hears, as some routers do.
pub(super) fn told_in_person(agent: Agent, lan: &Lan) -> Seen {
    lan.a.ip("route add default via 10.0.0.9");
    lan.a.knows("10.0.0.9");
    let mut capture = Capture::on(&lan.client, "br0", VIP);
    let router = lan.client.mac("br0");
    agent
        .run(&lan.a, "start", &[IP, ONCE, ("announce_to", "gateway")])
        .ends_with(0);
    capture.wait_for(2);
    let clock = Instant::now();
    let told = |capture: &mut Capture| capture.frames().iter().any(|frame| frame.to == router);
    while !told(&mut capture) && clock.elapsed() < AT_ONCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    demand!(told(&mut capture), "only everybody was told");
    Ok(())
}

pub(super) fn claimed_by_another(agent: Agent, lan: &Lan) -> Seen {
    agent.run(&lan.a, "start", &[IP]).ends_with(0);
    occupied(&lan.b, VIP);
    let monitor = agent.run(&lan.a, "monitor", &[IP, RECURRING, ("OCF_CHECK_LEVEL", "10")]);
    demand!(monitor.code != 0, "monitor says that all is well");
    let rival = lan.b.mac("eth0");
    demand!(
        monitor.stderr.contains(&rival),
        "the other host is not named: {}",
        monitor.stderr
    );
    Ok(())
}

pub(super) fn ipv4_in_use(agent: Agent, lan: &Lan) -> Seen {
    occupied(&lan.b, VIP);
    let run = agent.run(&lan.a, "start", &[IP, ("run_arping", "true")]);
    demand!(run.code != 0, "start says success, and two hosts have the address");
    demand!(lan.a.copies(VIP).is_empty(), "start failed and left the address behind");
    lan.b.ip("addr del 10.0.0.100/24 dev eth0");
    let run = agent.run(&lan.a, "start", &[IP, ("run_arping", "true")]);
    demand!(
        run.code == 0,
        "the address is free now, but start ends with {}",
        run.code
    );
    demand!(run.took < AT_ONCE, "with nobody there, start took {:?}", run.took);
    Ok(())
}

/// A client that waits for an answer that will not come.
pub(super) fn connections_reset(agent: Agent, lan: &Lan) -> Seen {
    waiting_clients_fail(agent, lan, ("reset_connections", "kernel"))?;
    waiting_clients_fail(agent, lan, ("reset_connections", "packets"))
}

fn waiting_clients_fail(agent: Agent, lan: &Lan, how: (&str, &str)) -> Seen {
    for (ip, bind) in [(VIP, "0.0.0.0:3306"), (VIP, "[::]:3307"), (VIP6, "[::]:3308")] {
        let parameters = [("ip", ip), ONCE, NODAD, how];
        agent.run(&lan.a, "start", &parameters).ends_with(0);
        let listener = lan.a.inside(|| TcpListener::bind(bind).unwrap());
        let at: std::net::SocketAddr = bind.parse().unwrap();
        let to = std::net::SocketAddr::new(ip.parse().unwrap(), at.port());
        let mut remote = lan.client.inside(|| TcpStream::connect(to).unwrap());
        let mut local = lan.a.inside(|| TcpStream::connect(to).unwrap());
        let mut held = Vec::new();
        for client in [&mut remote, &mut local] {
            client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            client.write_all(b"SELECT SLEEP(60)").unwrap();
            held.push(listener.accept().unwrap());
        }
        agent.run(&lan.a, "stop", &parameters).ends_with(0);
        for (client, whose) in [(&mut remote, "a remote"), (&mut local, "a local")] {
            let clock = Instant::now();
            let result = client.read(&mut [0; 1]);
            let kind = result.as_ref().err().map(std::io::Error::kind);
            let broken = matches!(kind, Some(ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted));
            demand!(
                broken,
                "with {how:?}, {whose} client of {to} still waits after {:?}: {result:?}",
                clock.elapsed()
            );
        }
        // The server itself was left alone.
        drop(
            lan.a
                .inside(|| {
                    TcpStream::connect(("127.0.0.1", at.port())).or_else(|_| TcpStream::connect(("::1", at.port())))
                })
                .unwrap(),
        );
    }
    Ok(())
}

fn follows(agent: Agent, lan: &Lan, parameters: &[(&str, &str)]) -> Seen {
    let ip = parameters[0].1;
    agent.run(&lan.a, "start", parameters).ends_with(0);
    let first = lan.client_knows(ip);
    demand!(first == lan.a.mac("eth0"), "the client found {first}");
    agent.run(&lan.a, "stop", parameters).ends_with(0);
    agent.run(&lan.b, "start", parameters).ends_with(0);
    let clock = Instant::now();
    until("the move in the neighbour's cache", || {
        (lan.neighbour(ip)? == lan.b.mac("eth0")).then_some(())
    });
    demand!(
        clock.elapsed() < AT_ONCE,
        "the client followed after {:?}",
        clock.elapsed()
    );
    Ok(())
}

pub(super) fn followed(agent: Agent, lan: &Lan) -> Seen {
    follows(agent, lan, &[IP])
}

pub(super) fn followed6(agent: Agent, lan: &Lan) -> Seen {
    follows(agent, lan, &[IP6, NODAD])
}
