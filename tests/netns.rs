//! ocf:baton:floating-ip on real network stacks: what its neighbours, its clients and the administrator see.
//!
//! Each test has its own namespaces and drives the built program. Needs root, iproute2 and util-linux.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test may panic, start programs, wait, and print what it measured"
)]

#[path = "netns/announcing.rs"]
mod announcing;
#[path = "netns/capture.rs"]
mod capture;
#[path = "netns/cases.rs"]
mod cases;
#[path = "netns/clouds.rs"]
mod clouds;
#[path = "netns/cost.rs"]
mod cost;
#[path = "netns/degraded.rs"]
mod degraded;
#[path = "netns/droplet.rs"]
mod droplet;
#[path = "netns/ipv6.rs"]
mod ipv6;
#[path = "netns/lab.rs"]
mod lab;
#[path = "netns/links.rs"]
mod links;
#[path = "netns/presence.rs"]
mod presence;
mod support;

const VIP: &str = "10.0.0.100";
const IP: (&str, &str) = ("ip", VIP);
/// Marks a recurring monitor; without it, Pacemaker probes.
const RECURRING: (&str, &str) = ("CRM_meta_interval", "1000");
/// No repetitions in the background.
const ONCE: (&str, &str) = ("arp_count", "1");
