//! Every decision of the agent, case by case, and what must hold in all of them.

use super::*;

const VIP: &str = "10.0.0.100";

fn copy(link: u32, prefix: u8) -> Address {
    Address {
        ip: VIP.parse().unwrap(),
        prefix,
        link,
        secondary: false,
        ours: true,
        uniqueness: Uniqueness::Settled,
    }
}

fn foreign(link: u32, prefix: u8) -> Address {
    Address {
        ours: false,
        ..copy(link, prefix)
    }
}

fn wanted(nic: Nic, prefix: Option<u8>) -> Wanted {
    Wanted {
        ip: VIP.parse().unwrap(),
        nic,
        prefix,
        check_link: true,
    }
}

fn link(up: bool, carrier: bool) -> Link {
    Link {
        index: 2,
        name: "eth0".to_owned(),
        ethernet: Some([2; 6]),
        infiniband: false,
        up,
        carrier,
        unready: None,
    }
}

fn route(network: &str, prefix: u8, link: u32, metric: u32) -> OnLink {
    OnLink {
        network: network.parse().unwrap(),
        prefix,
        link,
        metric,
        source: None,
    }
}

const AT: Place = Place { link: 2, prefix: 24 };

#[test]
fn the_form_of_an_address_case_by_case() {
    let table = [
        (Nic::Any, None, vec![], Form::Absent),
        (Nic::Any, None, vec![foreign(2, 24)], Form::Right(AT)),
        (Nic::Link(2), Some(24), vec![foreign(2, 24)], Form::Right(AT)),
        (Nic::Link(3), None, vec![copy(2, 24)], Form::Wrong(Why::OtherLink(AT))),
        (
            Nic::Any,
            Some(32),
            vec![copy(2, 24)],
            Form::Wrong(Why::OtherPrefix { found: AT, wanted: 32 }),
        ),
        (Nic::Routed(Some(2)), None, vec![foreign(2, 24)], Form::Right(AT)),
        (
            Nic::Routed(Some(3)),
            None,
            vec![foreign(2, 24)],
            Form::Wrong(Why::Stray(AT, Some(3))),
        ),
        (
            Nic::Routed(None),
            None,
            vec![foreign(2, 24)],
            Form::Wrong(Why::Stray(AT, None)),
        ),
        (Nic::Routed(None), None, vec![copy(2, 24)], Form::Right(AT)),
        (Nic::Missing, None, vec![copy(2, 24)], Form::Renamed(AT)),
        (
            Nic::Missing,
            None,
            vec![foreign(2, 24)],
            Form::Wrong(Why::OtherLink(AT)),
        ),
        (
            Nic::Missing,
            Some(32),
            vec![copy(2, 24)],
            Form::Wrong(Why::OtherPrefix { found: AT, wanted: 32 }),
        ),
        (
            Nic::Any,
            None,
            vec![copy(2, 24), copy(2, 32)],
            Form::Wrong(Why::Several(vec![AT, Place { link: 2, prefix: 32 }])),
        ),
    ];
    for (nic, prefix, copies, expected) in table {
        assert_eq!(
            form(&wanted(nic, prefix), &copies),
            expected,
            "{nic:?} {prefix:?} {copies:?}"
        );
    }
}

/// All combinations that monitor can meet: configured interface, prefix, copies, link state, probe, link check.
#[test]
fn monitor_in_every_situation() {
    let links = [
        None,
        Some(link(true, true)),
        Some(link(true, false)),
        Some(link(false, false)),
    ];
    let all_copies = [
        vec![],
        vec![copy(2, 24)],
        vec![foreign(2, 24)],
        vec![copy(2, 24), copy(3, 24)],
    ];
    for nic in [Nic::Any, Nic::Link(2), Nic::Link(3), Nic::Missing] {
        for prefix in [None, Some(24), Some(32)] {
            for copies in &all_copies {
                for link in &links {
                    for (probe, check_link) in [(false, false), (false, true), (true, false), (true, true)] {
                        let wanted = Wanted {
                            check_link,
                            ..wanted(nic, prefix)
                        };
                        let verdict = monitor(&wanted, copies, link.as_ref(), probe);
                        assert_eq!(
                            verdict == Verdict::Absent,
                            copies.is_empty(),
                            "absent means no copy at all"
                        );
                        if copies.len() > 1 {
                            assert!(matches!(verdict, Verdict::Wrong(_)), "two copies are never healthy");
                        }
                        if let Verdict::Unreachable(_) = verdict {
                            assert!(check_link && !probe && link.as_ref().is_some_and(|l| !l.carrier));
                        }
                        let dead = check_link && !probe && link.as_ref().is_some_and(|l| !l.carrier);
                        assert!(!(verdict == Verdict::Healthy && dead), "a dead link is not healthy");
                    }
                }
            }
        }
    }
}

#[test]
fn a_probe_finds_an_address_on_a_dead_link() {
    let wanted = wanted(Nic::Any, None);
    let dead = link(true, false);
    assert_eq!(monitor(&wanted, &[copy(2, 24)], Some(&dead), true), Verdict::Healthy);
    assert_eq!(
        monitor(&wanted, &[copy(2, 24)], Some(&dead), false),
        Verdict::Unreachable(Why::NoCarrier(2))
    );
}

#[test]
fn the_place_needs_no_routing_table_when_it_is_configured_or_taken() {
    assert_eq!(known_place(&wanted(Nic::Link(2), Some(24)), &[]), Some(AT));
    assert_eq!(known_place(&wanted(Nic::Any, None), &[copy(2, 24)]), Some(AT));
    assert_eq!(known_place(&wanted(Nic::Missing, None), &[copy(2, 24)]), Some(AT));
    assert_eq!(known_place(&wanted(Nic::Link(2), Some(24)), &[copy(3, 32)]), Some(AT));
    assert_eq!(known_place(&wanted(Nic::Link(2), None), &[]), None);
    assert_eq!(known_place(&wanted(Nic::Any, None), &[copy(2, 24), copy(3, 24)]), None);
    assert_eq!(known_place(&wanted(Nic::Missing, Some(24)), &[]), None);
}

#[test]
fn the_narrowest_network_wins_then_the_lowest_metric() {
    let routes = [
        route("0.0.0.0", 0, 9, 0),
        route("10.0.0.0", 8, 3, 0),
        route("10.0.0.0", 24, 4, 200),
        route("10.0.0.0", 24, 2, 100),
        route("10.0.1.0", 24, 5, 0),
    ];
    assert_eq!(place_by_network(&wanted(Nic::Any, None), &routes), Placement::At(AT));
    assert_eq!(
        place_by_network(&wanted(Nic::Link(3), None), &routes),
        Placement::At(Place { link: 3, prefix: 8 })
    );
    assert_eq!(
        place_by_network(&wanted(Nic::Any, Some(32)), &routes),
        Placement::At(Place { link: 2, prefix: 32 })
    );
    assert_eq!(
        place_by_network(&wanted(Nic::Link(9), None), &routes),
        Placement::Nowhere(Why::NoNetwork)
    );
    assert_eq!(
        place_by_network(&wanted(Nic::Missing, None), &routes),
        Placement::Nowhere(Why::NicMissing)
    );
}

#[test]
fn a_misplaced_copy_does_not_attract_the_address() {
    let mut own = route("10.0.0.0", 24, 7, 0);
    own.source = Some(VIP.parse().unwrap());
    let routes = [own, route("10.0.0.0", 16, 2, 0)];
    assert_eq!(
        place_by_network(&wanted(Nic::Any, None), &routes),
        Placement::At(Place { link: 2, prefix: 16 })
    );
}

#[test]
fn a_copy_of_somebody_else_counts_where_routes_lead() {
    let any = wanted(Nic::Any, None);
    let routes = [route("10.0.0.0", 24, 2, 0)];
    assert_eq!(routed(&any, &routes, false), Nic::Routed(Some(2)));
    assert_eq!(routed(&any, &[], true), Nic::Any);
    assert_eq!(routed(&any, &[], false), Nic::Routed(None));
}

#[test]
fn the_host_route_of_an_ipv6_copy_says_nothing() {
    let any = Wanted {
        ip: "fd00::100".parse().unwrap(),
        ..wanted(Nic::Any, None)
    };
    let routes = [route("fd00::100", 128, 7, 0), route("fd00::", 64, 2, 256)];
    assert_eq!(
        place_by_network(&any, &routes),
        Placement::At(Place { link: 2, prefix: 64 })
    );
}

#[test]
fn start_adds_announces_or_refuses() {
    let wanted = wanted(Nic::Any, None);
    let good = link(true, true);
    for (copies, expected) in [
        (vec![], Starting::Add),
        (vec![copy(2, 24)], Starting::Announce),
        (vec![foreign(2, 24)], Starting::Announce),
        (vec![copy(2, 32), copy(3, 24)], Starting::Add),
        (vec![copy(2, 24), copy(3, 24)], Starting::Announce),
    ] {
        assert_eq!(start(&wanted, &copies, AT, &good), expected, "{copies:?}");
        let off = start(&wanted, &copies, AT, &link(false, false));
        assert_eq!(off, Starting::Refuse(Why::AdminDown(2)));
        let dead = start(&wanted, &copies, AT, &link(true, false));
        assert_eq!(dead, Starting::Refuse(Why::NoCarrier(2)));
    }
}

#[test]
fn only_an_address_that_is_settled_is_just_announced() {
    let any = wanted(Nic::Any, None);
    for (uniqueness, expected) in [
        (Uniqueness::Settled, Starting::Announce),
        (Uniqueness::Optimistic, Starting::Settle),
        (Uniqueness::Asking, Starting::Settle),
        (Uniqueness::Duplicate, Starting::Renew),
    ] {
        let found = Address {
            uniqueness,
            ..copy(2, 24)
        };
        assert_eq!(start(&any, &[found], AT, &link(true, true)), expected);
    }
}

#[test]
fn without_link_check_only_an_interface_that_is_off_stops_a_start() {
    let wanted = Wanted {
        check_link: false,
        ..wanted(Nic::Any, None)
    };
    assert_eq!(start(&wanted, &[], AT, &link(true, false)), Starting::Add);
    let off = start(&wanted, &[], AT, &link(false, false));
    assert_eq!(off, Starting::Refuse(Why::AdminDown(2)));
}

#[test]
fn only_secondaries_of_the_same_network_and_link_go_with_a_primary() {
    let neighbour = |ip: &str, link, prefix, secondary| Address {
        ip: ip.parse().unwrap(),
        prefix,
        link,
        secondary,
        ours: false,
        uniqueness: Uniqueness::Settled,
    };
    let lost = neighbour("10.0.0.101", 2, 24, true);
    let all = [
        copy(2, 24),
        lost.clone(),
        neighbour("10.0.0.102", 2, 24, false),
        neighbour("10.0.1.103", 2, 24, true),
        neighbour("10.0.0.104", 3, 24, true),
        neighbour("10.0.0.105", 2, 16, true),
    ];
    assert_eq!(dependents(&copy(2, 24), &all), [&lost]);
    let secondary = Address {
        secondary: true,
        ..copy(2, 24)
    };
    assert!(dependents(&secondary, &all).is_empty());
}

#[test]
fn an_address_that_another_host_answers_for_is_wrong_even_to_a_probe() {
    let duplicate = Address {
        uniqueness: Uniqueness::Duplicate,
        ..copy(2, 24)
    };
    for probe in [false, true] {
        let verdict = monitor(
            &wanted(Nic::Any, None),
            std::slice::from_ref(&duplicate),
            Some(&link(true, true)),
            probe,
        );
        assert_eq!(verdict, Verdict::Wrong(Why::Duplicate(AT)));
    }
}

#[test]
fn a_link_with_a_carrier_can_still_be_unready() {
    let dormant = Link {
        unready: Some("dormant"),
        ..link(true, true)
    };
    let any = wanted(Nic::Any, None);
    let why = Why::Unready(2, "dormant");
    assert_eq!(
        monitor(&any, &[copy(2, 24)], Some(&dormant), false),
        Verdict::Unreachable(why.clone())
    );
    assert_eq!(start(&any, &[], AT, &dormant), Starting::Refuse(why));
    let unchecked = Wanted {
        check_link: false,
        ..any
    };
    assert_eq!(start(&unchecked, &[], AT, &dormant), Starting::Add);
}

#[test]
fn an_address_settles_case_by_case() {
    let with = |uniqueness| Address {
        uniqueness,
        ..copy(2, 24)
    };
    for (uniqueness, expected) in [
        (Uniqueness::Settled, Settling::Usable),
        (Uniqueness::Optimistic, Settling::Hopeful),
        (Uniqueness::Asking, Settling::Waiting),
        (Uniqueness::Duplicate, Settling::Duplicate),
    ] {
        assert_eq!(settling(&[with(uniqueness)], |copy| AT.holds(copy)), expected);
    }
    assert_eq!(settling(&[], |copy| AT.holds(copy)), Settling::Gone);
    assert_eq!(settling(&[copy(3, 24)], |copy| AT.holds(copy)), Settling::Gone);
}

#[test]
fn every_reason_names_the_address_or_the_interface_and_the_way_out() {
    let name = |index| format!("eth{index}");
    let text = |why: Why| why.text(VIP.parse().unwrap(), "ens3", name);
    assert_eq!(text(Why::OtherLink(AT)), "found 10.0.0.100/24 on eth2, but nic is ens3");
    assert_eq!(
        text(Why::Several(vec![AT, Place { link: 3, prefix: 32 }])),
        "found 2 copies of one address: 10.0.0.100/24 on eth2, 10.0.0.100/32 on eth3"
    );
    assert!(text(Why::AdminDown(2)).contains("ip link set eth2 up"));
    assert!(text(Why::NicMissing).contains("ens3"));
    assert!(text(Why::NoNetwork).contains("cidr_netmask"));
}
