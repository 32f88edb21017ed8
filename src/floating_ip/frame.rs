//! The frames that tell who has an address: ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861) over Ethernet.
//!
//! Invariant: no I/O here. Some hosts and switches learn from ARP requests only, some from replies only, so each
//! announcement is both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) type Hardware = [u8; 6];

pub(crate) const ETHERTYPE_ARP: u16 = 0x0806;
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
pub(crate) const BROADCAST: Hardware = [0xff; 6];
const ARP_LEN: usize = 42;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const FROM_ROUTER: u32 = 1 << 31;
const OVERRIDE: u32 = 1 << 29;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Request = 1,
    Reply = 2,
}

/// What is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) ip: IpAddr,
    pub(crate) hardware: Hardware,
    /// Whether this node forwards packets: who advertises itself as no router is dropped as one.
    pub(crate) router: bool,
}

/// Somebody to be told in person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) ip: IpAddr,
    /// None when the kernel has not met them yet.
    pub(crate) hardware: Option<Hardware>,
}

/// Frames for everybody on the link.
pub(crate) fn announcement(subject: Subject) -> Vec<Vec<u8>> {
    let Subject { ip, hardware, router } = subject;
    match ip {
        IpAddr::V4(ip) => [(Operation::Request, [0; 6]), (Operation::Reply, hardware)]
            .map(|(operation, target)| arp(operation, BROADCAST, (hardware, ip), (target, ip)))
            .into(),
        IpAddr::V6(ip) => vec![advertisement(ip, hardware, router, (multicast(ALL_NODES), ALL_NODES))],
    }
}

/// Frames for one host that does not listen to what everybody hears. The first one is a question that it has to learn
/// from in order to answer; the second one needs its hardware address.
pub(crate) fn directed(subject: Subject, to: Target) -> Vec<Vec<u8>> {
    let Subject { ip, hardware, router } = subject;
    match (ip, to.ip) {
        (IpAddr::V4(ip), IpAddr::V4(host)) => {
            let to_all = to.hardware.unwrap_or(BROADCAST);
            let mut frames = vec![arp(Operation::Request, to_all, (hardware, ip), ([0; 6], host))];
            let reply = to
                .hardware
                .map(|there| arp(Operation::Reply, there, (hardware, ip), (there, host)));
            frames.extend(reply);
            frames
        }
        (IpAddr::V6(ip), IpAddr::V6(host)) => {
            let mut frames = vec![solicitation(host, (hardware, ip))];
            frames.extend(
                to.hardware
                    .map(|there| advertisement(ip, hardware, router, (there, host))),
            );
            frames
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
    }
}

/// Asks whether somebody has the address, without claiming it (RFC 5227, section 2.1.1).
pub(crate) fn probe(ip: Ipv4Addr, hardware: Hardware) -> Vec<u8> {
    arp(
        Operation::Request,
        BROADCAST,
        (hardware, Ipv4Addr::UNSPECIFIED),
        ([0; 6], ip),
    )
}

/// Who says in this ARP frame that the address is theirs.
pub(crate) fn claimant(frame: &[u8], ip: Ipv4Addr) -> Option<Hardware> {
    let is_arp = frame.get(12..14) == Some(&ETHERTYPE_ARP.to_be_bytes());
    let sender = frame.get(28..32) == Some(&ip.octets());
    let hardware = frame.get(22..28)?.try_into().ok()?;
    (is_arp && sender).then_some(hardware)
}

/// A hardware address as people write it.
pub(crate) fn written(hardware: Hardware) -> String {
    hardware.map(|byte| format!("{byte:02x}")).join(":")
}

fn arp(operation: Operation, to: Hardware, sender: (Hardware, Ipv4Addr), target: (Hardware, Ipv4Addr)) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ARP_LEN);
    for part in [
        to.as_slice(),
        &sender.0,
        &ETHERTYPE_ARP.to_be_bytes(),
        &1u16.to_be_bytes(),      // hardware: Ethernet
        &0x0800u16.to_be_bytes(), // protocol: IPv4
        &[6, 4],                  // lengths of both kinds of address
        &(operation as u16).to_be_bytes(),
        &sender.0,
        &sender.1.octets(),
        &target.0,
        &target.1.octets(),
    ] {
        frame.extend_from_slice(part);
    }
    frame
}

/// "The address is at this hardware address", unasked for, from the address itself.
fn advertisement(ip: Ipv6Addr, hardware: Hardware, router: bool, to: (Hardware, Ipv6Addr)) -> Vec<u8> {
    let flags = OVERRIDE | if router { FROM_ROUTER } else { 0 };
    let body = neighbour_message(ADVERTISEMENT, flags, ip, (TARGET_LINK_LAYER, hardware));
    packet((to.0, hardware), (ip, to.1), &body)
}

/// "Who has `host`? Tell the address."
fn solicitation(host: Ipv6Addr, sender: (Hardware, Ipv6Addr)) -> Vec<u8> {
    let group = solicited_node(host);
    let body = neighbour_message(SOLICITATION, 0, host, (SOURCE_LINK_LAYER, sender.0));
    packet((multicast(group), sender.0), (sender.1, group), &body)
}

fn neighbour_message(kind: u8, flags: u32, target: Ipv6Addr, option: (u8, Hardware)) -> Vec<u8> {
    let mut body = vec![kind, 0, 0, 0];
    body.extend_from_slice(&flags.to_be_bytes());
    body.extend_from_slice(&target.octets());
    // An option's length counts units of eight bytes.
    body.extend_from_slice(&[option.0, 1]);
    body.extend_from_slice(&option.1);
    body
}

fn packet(ethernet: (Hardware, Hardware), ip: (Ipv6Addr, Ipv6Addr), body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    let addresses = [ip.0.octets(), ip.1.octets()].concat();
    let checksum = checksum(&[&addresses, &u32::from(length).to_be_bytes(), &[0, 0, 0, ICMPV6], body]);
    let mut frame = Vec::new();
    frame.extend_from_slice(&ethernet.0);
    frame.extend_from_slice(&ethernet.1);
    frame.extend_from_slice(&ETHERTYPE_IPV6.to_be_bytes());
    frame.extend_from_slice(&[0x60, 0, 0, 0]);
    frame.extend_from_slice(&length.to_be_bytes());
    // A hop limit of 255 proves that no router forwarded it.
    frame.extend_from_slice(&[ICMPV6, 255]);
    frame.extend_from_slice(&addresses);
    frame.extend(body.iter().take(2));
    frame.extend_from_slice(&checksum.to_be_bytes());
    frame.extend(body.iter().skip(4));
    frame
}

/// The internet checksum over parts of even length.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|word| match word {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let low = ip.to_bits() & 0x00ff_ffff;
    Ipv6Addr::from_bits(0xff02_0000_0000_0000_0000_0001_ff00_0000 | low)
}

/// The Ethernet address of a multicast group (RFC 2464, section 7).
fn multicast(group: Ipv6Addr) -> Hardware {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Hardware = [2, 0, 0, 0, 0, 7];
    const ROUTER: Hardware = [2, 0, 0, 0, 0, 9];
    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

    fn subject(ip: &str) -> Subject {
        Subject {
            ip: ip.parse().unwrap(),
            hardware: MAC,
            router: false,
        }
    }

    fn target(ip: &str, hardware: Option<Hardware>) -> Target {
        Target {
            ip: ip.parse().unwrap(),
            hardware,
        }
    }

    #[test]
    fn a_request_is_laid_out_as_the_standard_says() {
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 8, 6, // Ethernet
            0, 1, 8, 0, 6, 4, 0, 1, // ARP request for IPv4 over Ethernet
            2, 0, 0, 0, 0, 7, 10, 0, 0, 100, // sender
            0, 0, 0, 0, 0, 0, 10, 0, 0, 100, // target
        ];
        let frames = announcement(subject("10.0.0.100"));
        assert_eq!(frames[0], expected);
        assert_eq!(frames.len(), 2);
    }

    #[test]
    fn a_reply_names_the_sender_twice() {
        let reply = &announcement(subject("10.0.0.100"))[1];
        assert_eq!(reply[20..22], [0, 2]);
        assert_eq!(reply[22..32], reply[32..42]);
        assert_eq!(reply[32..38], MAC);
    }

    #[test]
    fn one_host_is_asked_and_told_at_its_own_hardware_address() {
        let frames = directed(subject("10.0.0.100"), target("10.0.0.9", Some(ROUTER)));
        assert_eq!(frames.len(), 2);
        for (frame, operation) in frames.iter().zip([1, 2]) {
            assert_eq!((&frame[..6], frame[21]), (ROUTER.as_slice(), operation));
            assert_eq!(frame[28..32], IP.octets());
            assert_eq!(frame[38..42], [10, 0, 0, 9]);
        }
        let unknown = directed(subject("10.0.0.100"), target("10.0.0.9", None));
        assert_eq!((unknown.len(), &unknown[0][..6]), (1, BROADCAST.as_slice()));
        assert!(directed(subject("10.0.0.100"), target("2001:db8::1", None)).is_empty());
    }

    #[test]
    fn a_probe_claims_nothing_and_an_announcement_does() {
        assert_eq!(claimant(&probe(IP, MAC), IP), None);
        for frame in announcement(subject("10.0.0.100")) {
            assert_eq!(claimant(&frame, IP), Some(MAC));
            assert_eq!(claimant(&frame, Ipv4Addr::new(10, 0, 0, 1)), None);
            assert_eq!(claimant(&frame[..30], IP), None);
        }
        assert_eq!(written(MAC), "02:00:00:00:00:07");
    }

    /// The sum over everything that a checksum covers, the checksum included, has only ones.
    fn is_sound(frame: &[u8]) -> bool {
        let length = u32::try_from(frame.len() - 54).unwrap();
        checksum(&[&frame[22..54], &length.to_be_bytes(), &[0, 0, 0, ICMPV6], &frame[54..]]) == 0
    }

    #[test]
    fn an_advertisement_overrides_what_all_nodes_know() {
        let frames = announcement(subject("2001:db8::64"));
        let [frame] = frames.as_slice() else {
            panic!("{frames:?}")
        };
        assert_eq!(frame[..14], [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 7, 0x86, 0xdd]);
        assert_eq!(frame[14..22], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        let ip = "2001:db8::64".parse::<Ipv6Addr>().unwrap().octets();
        assert_eq!(
            (&frame[22..38], &frame[38..54]),
            (ip.as_slice(), ALL_NODES.octets().as_slice())
        );
        assert_eq!((frame[54], frame[58]), (136, 0x20));
        assert_eq!(
            (&frame[62..78], &frame[78..]),
            (ip.as_slice(), [2, 1, 2, 0, 0, 0, 0, 7].as_slice())
        );
        assert!(is_sound(frame));
        let router = Subject {
            router: true,
            ..subject("2001:db8::64")
        };
        assert_eq!(announcement(router)[0][58], 0xa0);
    }

    #[test]
    fn one_ipv6_host_is_asked_in_its_group_and_told_directly() {
        let frames = directed(subject("2001:db8::64"), target("2001:db8::ab:cdef", Some(ROUTER)));
        let [question, told] = frames.as_slice() else {
            panic!("{frames:?}")
        };
        assert_eq!(question[..6], [0x33, 0x33, 0xff, 0xab, 0xcd, 0xef]);
        assert_eq!((question[54], question[78]), (135, 1));
        assert_eq!((&told[..6], told[54]), (ROUTER.as_slice(), 136));
        assert!(is_sound(question) && is_sound(told));
    }
}
