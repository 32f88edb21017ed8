//! Addresses that a cloud routes, against fakes of both clouds that listen in the node's namespace: assignment, everything
//! that goes wrong on the way, and what a monitor may ask.

use std::time::Duration;

use crate::RECURRING;
use crate::droplet::{Droplet, each, every};
use crate::lab::until;
use crate::support::cloud_api::{self, Effect, Wrong, digitalocean};

const DEEP: (&str, &str) = ("OCF_CHECK_LEVEL", "10");

#[test]
fn an_address_is_ordered_here_and_watched_and_not_given_back() {
    each(|droplet| {
        droplet.run("monitor", &[]).ends_with(7);
        droplet.run("start", &[]).ends_with(0);
        assert_eq!(droplet.owner(), Some(101));
        droplet.run("monitor", &[]).ends_with(0);
        droplet.run("monitor", &[RECURRING]).ends_with(0);
        droplet.run("monitor", &[RECURRING, DEEP]).ends_with(0);
        droplet.run("stop", &[]).ends_with(0);
        droplet.run("monitor", &[RECURRING]).ends_with(7);
        assert_eq!(
            droplet.owner(),
            Some(101),
            "stop takes nothing away from the next owner"
        );
        assert!(droplet.net.copies(droplet.ip).is_empty());
        droplet.run("stop", &[]).ends_with(0);
    });
}

#[test]
fn the_machine_has_the_address_where_its_cloud_wants_it() {
    let [anchored, loopback, interface, network] = every();
    for (droplet, place) in [
        (&anchored, None),
        (&loopback, Some("lo 128")),
        (&interface, Some("eth0 32")),
    ] {
        droplet.run("start", &[]).ends_with(0);
        assert_eq!(droplet.net.copies(droplet.ip), Vec::from_iter(place));
    }
    let inside = [("ip", "2001:db8:7::99"), ("nic", "eth0"), ("cidr_netmask", "64")];
    network.run("start", &inside).ends_with(0);
    assert_eq!(network.net.copies("2001:db8:7::99"), ["eth0 64"]);
    network.run("stop", &inside).ends_with(0);
}

#[test]
fn an_address_that_is_here_already_costs_one_question() {
    each(|droplet| {
        droplet.fake.world().addresses.get_mut(droplet.ip).unwrap().owner = Some(101);
        droplet.run("start", &[]).ends_with(0);
        // Of a reserved IPv6 address, nothing tells whether it is about to leave: it is ordered.
        let orders = usize::from(droplet.ip == "2001:db8:7::7");
        assert_eq!(droplet.fake.world().asked("POST"), orders);
    });
}

#[test]
fn an_address_that_another_nodes_order_is_about_to_take_is_ordered_again() {
    each(|droplet| {
        {
            let mut world = droplet.fake.world();
            world.addresses.get_mut(droplet.ip).unwrap().owner = Some(101);
            world.latency = 8;
            let address = droplet.ip.to_owned();
            world.order("assign", Effect::Assign { address, to: 102 });
            world.latency = 2;
        }
        droplet.run("start", &[]).ends_with(0);
        let world = droplet.fake.world();
        assert!(!world.under_way(droplet.ip));
        assert_eq!(world.addresses[droplet.ip].owner, Some(101));
    });
}

#[test]
fn an_order_that_was_accepted_is_not_given_up_for_what_is_heard_of_it() {
    let says = |status| Wrong::Says(status, Vec::new(), "{}".to_owned());
    each(|droplet| {
        for status in [403, 404, 401] {
            droplet.fake.world().fails("actions/1000", says(status));
        }
        droplet.run("start", &[]).ends_with(0);
        assert_eq!(droplet.owner(), Some(101));
    });
}

#[test]
fn an_order_that_failed_is_given_again() {
    each(|droplet| {
        droplet.fake.world().actions_fail = true;
        std::thread::scope(|scope| {
            let start = scope.spawn(|| droplet.run("start", &[]));
            until("the first order", || {
                (droplet.fake.world().asked("POST") > 0).then_some(())
            });
            droplet.fake.world().actions_fail = false;
            start.join().unwrap().ends_with(0);
        });
        assert_eq!(droplet.owner(), Some(101));
    });
}

#[test]
fn an_address_that_was_given_back_is_not_running() {
    each(|droplet| {
        droplet.run("start", &[]).ends_with(0);
        droplet.fake.world().addresses.remove(droplet.ip);
        droplet.run("monitor", &[RECURRING, DEEP]).ends_with(7);
    });
}

#[test]
fn an_address_without_a_witness_calls_for_a_deep_monitor() {
    each(|droplet| {
        let run = droplet.run("validate-all", &[]);
        run.ends_with(0);
        let hetzner = droplet.fake.world().log.is_empty() && run.stderr.contains("OCF_CHECK_LEVEL=10");
        let provider = droplet.parameters.iter().find(|(name, _)| *name == "provider");
        assert_eq!(hetzner, provider.unwrap().1 == "hetzner", "{}", run.stderr);
    });
}

#[test]
fn a_monitor_asks_no_api_unless_told_to() {
    each(|droplet| {
        droplet.run("start", &[]).ends_with(0);
        let asked = |droplet: &Droplet| droplet.fake.world().asked(" /v");
        let before = asked(droplet);
        droplet.run("monitor", &[RECURRING]).ends_with(0);
        assert_eq!(asked(droplet), before);
        droplet.run("monitor", &[RECURRING, DEEP]).ends_with(0);
        assert!(asked(droplet) > before);
    });
}

#[test]
fn an_address_that_was_routed_elsewhere_is_not_running() {
    each(|droplet| {
        droplet.run("start", &[]).ends_with(0);
        droplet.fake.world().addresses.get_mut(droplet.ip).unwrap().owner = Some(102);
        let run = droplet.run("monitor", &[RECURRING, DEEP]);
        run.ends_with(7).because("does not route");
    });
    let droplet = Droplet::new("digitalocean", "203.0.113.7");
    droplet.run("start", &[]).ends_with(0);
    droplet.fake.world().addresses.get_mut(droplet.ip).unwrap().owner = None;
    droplet
        .run("monitor", &[RECURRING])
        .ends_with(7)
        .because("does not route");
}

#[test]
fn what_passes_by_itself_is_waited_for() {
    let says = |status, body: &str| Wrong::Says(status, Vec::new(), body.to_owned());
    let slowly = |status| Wrong::Says(status, vec![("retry-after", "1".to_owned())], String::new());
    let pending = format!(
        r#"{{"id":"unprocessable_entity","message":"{}"}}"#,
        digitalocean::PENDING
    );
    let locked = r#"{"error":{"code":"locked","message":"server is locked"}}"#;
    let stories = [
        (
            "digitalocean",
            vec![
                says(422, &pending),
                says(409, ""),
                slowly(429),
                says(503, "<html>"),
                Wrong::ResetBefore,
            ],
        ),
        (
            "hetzner",
            vec![
                says(423, locked),
                says(409, ""),
                slowly(429),
                says(500, ""),
                Wrong::ResetBefore,
            ],
        ),
    ];
    std::thread::scope(|scope| {
        for (provider, faults) in stories {
            scope.spawn(move || {
                let droplet = Droplet::new(provider, "203.0.113.7");
                for fault in faults {
                    droplet.fake.world().fails("POST", fault);
                }
                droplet.run("start", &[]).ends_with(0);
                assert_eq!(droplet.owner(), Some(101));
                assert_eq!(droplet.fake.world().asked("POST"), 6);
            });
        }
    });
}

#[test]
fn answers_that_get_lost_or_make_no_sense_are_asked_for_again() {
    each(|droplet| {
        for words in ["GET", "actions/1000", "POST"] {
            for fault in [Wrong::Garbage, Wrong::Half, Wrong::ResetAfter] {
                droplet.fake.world().fails(words, fault);
            }
        }
        droplet.run("start", &[]).ends_with(0);
        assert_eq!(droplet.owner(), Some(101));
    });
}

#[test]
fn what_does_not_pass_ends_the_start_at_once_and_leaves_nothing() {
    let says = |status, body: &str| Wrong::Says(status, Vec::new(), body.to_owned());
    let invalid = r#"{"id":"unprocessable_entity","message":"droplet_id is invalid"}"#;
    each(|droplet| {
        let check = |words: &'static str, fault: Wrong, code: i32, why: &str| {
            droplet.fake.world().fails(words, fault);
            let run = droplet.run("start", &[]);
            run.ends_with(code).because(why);
            assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
            assert!(!run.stderr.contains(cloud_api::TOKEN));
            droplet.run("monitor", &[]).ends_with(7);
            assert!(droplet.net.copies(droplet.ip).is_empty());
        };
        check(" /v", says(401, "{}"), 4, "token_file");
        check(" /v", says(403, "{}"), 4, "token_file");
        check(" /v", says(404, "{}"), 1, "knows no such address");
        check("POST", says(422, invalid), 1, "droplet_id is invalid");
        let later = Wrong::Says(429, vec![("retry-after", "3600".to_owned())], String::new());
        check(" /v", later, 1, "status 429");
        droplet.fake.world().actions_fail = true;
        let run = droplet.run("start", &[("CRM_meta_timeout", "5000")]);
        run.ends_with(1).because("ended with");
        assert_eq!(droplet.owner(), Some(102));
    });
}

#[test]
fn a_cloud_that_keeps_silent_cannot_hold_an_action() {
    let droplet = Droplet::new("digitalocean", "203.0.113.7");
    droplet.run("start", &[]).ends_with(0);
    let short = ("CRM_meta_timeout", "1500");
    for _ in 0..4 {
        droplet.fake.world().fails("metadata", Wrong::Silence);
    }
    let run = droplet.run("monitor", &[RECURRING, short]);
    run.ends_with(190).because("nobody can say");
    droplet.fake.world().faults.clear();
    for _ in 0..4 {
        droplet.fake.world().fails(" /v2", Wrong::Silence);
    }
    droplet
        .run("start", &[short])
        .ends_with(1)
        .because("did not happen within");
    droplet.run("stop", &[short]).ends_with(0);
}

#[test]
fn the_api_is_believed_over_tls_for_its_authority_only() {
    let droplet = Droplet::over("hetzner", "203.0.113.7", true);
    let run = droplet.run("start", &[("CRM_meta_timeout", "4000")]);
    assert_ne!(run.code, 0, "{}", run.stderr);
    assert!(droplet.fake.world().log.iter().all(|line| !line.contains(" /v1")));
    let authority = format!("{}/tests/fixtures/tls/ca.pem", env!("CARGO_MANIFEST_DIR"));
    droplet.run("start", &[("ssl_cacert", &authority)]).ends_with(0);
    assert_eq!(droplet.owner(), Some(101));
}

#[test]
fn a_token_that_others_can_read_is_not_used() {
    let droplet = Droplet::new("hetzner", "203.0.113.7");
    let token = droplet.directory.path().join("token");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    droplet.run("start", &[]).ends_with(4).because("0644");
    droplet.run("validate-all", &[]).ends_with(0);
    droplet.run("validate-all", &[DEEP]).ends_with(4);
    assert_eq!(droplet.fake.world().asked(" /v1"), 0);
}

/// It may be changed while the address serves, and a mistake must not take that away.
#[test]
fn a_mistyped_parameter_leaves_the_address_where_it_is() {
    each(|droplet| {
        droplet.run("start", &[]).ends_with(0);
        for (mistyped, why) in [
            (("metadata_url", "169.254.169.254"), "metadata_url"),
            (("token_file", "api.token"), "token_file"),
        ] {
            droplet.run("monitor", &[mistyped]).ends_with(0);
            let run = droplet.run("monitor", &[mistyped, RECURRING]);
            run.ends_with(190).because(why);
        }
    });
}

#[test]
fn stop_needs_no_cloud() {
    each(|droplet| {
        droplet.run("start", &[]).ends_with(0);
        let gone = [
            ("token_file", "/nonexistent"),
            ("api_url", "http://127.0.0.1:1"),
            ("metadata_url", "http://127.0.0.1:1"),
        ];
        droplet.run("stop", &gone).ends_with(0);
        assert!(droplet.net.copies(droplet.ip).is_empty());
        droplet.run("monitor", &[]).ends_with(7);
    });
}
