//! Lists of last GTIDs against sets of single transactions. In strict mode the history of a domain is a line; two servers
//! have a beginning in common, and what each wrote or received after they parted.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::mysql::gtid::mariadb::*;

type Model = BTreeSet<Gtid>;

/// Who wrote next, and how many numbers it skipped.
type Step = (u32, u64);

/// How much of its line one server does not show.
#[derive(Debug, Clone, Copy)]
struct View {
    /// Received and not executed yet.
    pending: usize,
    /// Written by itself, as the last of what it executed: not in `gtid_slave_pos`.
    own: usize,
    /// Gone from the binary log, which was purged or began with a backup; at most what was applied.
    forgotten: usize,
}

/// One domain as two servers have it.
#[derive(Debug, Clone)]
struct Domain {
    common: Vec<Step>,
    /// After they parted a server id writes on one side only.
    apart: [Vec<Step>; 2],
    views: [View; 2],
}

/// What one server has, and what it says of it.
struct Side {
    executed: Model,
    received: Model,
    says: Holdings,
}

impl Side {
    fn all(&self) -> Model {
        &self.executed | &self.received
    }
}

impl Domain {
    /// All that a server executed and received, in order.
    fn line(&self, domain: u32, side: usize) -> Vec<Gtid> {
        let mut sequence = 0;
        let steps = self.common.iter().chain(&self.apart[side]);
        let next = |&(server, skipped): &Step| {
            sequence += 1 + skipped;
            Gtid {
                domain,
                server,
                sequence,
            }
        };
        steps.map(next).collect()
    }
}

fn side(domains: &[Domain], side: usize) -> Side {
    let mut has = Side {
        executed: Model::new(),
        received: Model::new(),
        says: Holdings::default(),
    };
    let (mut history, mut applied, mut received) = (Vec::new(), Vec::new(), Vec::new());
    for (number, domain) in (0..).zip(domains) {
        let line = domain.line(number, side);
        let view = domain.views[side];
        let (executed, pending) = line.split_at(line.len().saturating_sub(view.pending));
        let replicated = executed.len().saturating_sub(view.own);
        history.extend(&executed[view.forgotten.min(replicated)..]);
        applied.extend(executed[..replicated].last());
        has.executed.extend(executed);
        // What a server wrote itself it never received, unless more came behind it.
        let arrived = if pending.is_empty() {
            &executed[..replicated]
        } else {
            &line
        };
        has.received.extend(arrived);
        received.extend(arrived.last());
    }
    let list = |gtids: Vec<Gtid>| gtids.into_iter().collect::<GtidList>();
    has.says = Holdings {
        history: list(history),
        applied: list(applied),
        received: list(received),
    };
    has
}

fn steps(servers: std::ops::Range<u32>, most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((servers, 0..3_u64), 0..=most)
}

/// Servers whose binary logs go back to the beginning, and that executed all they received.
fn complete() -> impl Strategy<Value = View> + Clone {
    (0..3_usize).prop_map(|own| View {
        pending: 0,
        own,
        forgotten: 0,
    })
}

fn any_view() -> impl Strategy<Value = View> + Clone {
    (0..4_usize, 0..3_usize, 0..6_usize).prop_map(|(pending, own, forgotten)| View {
        pending,
        own,
        forgotten,
    })
}

/// One to three domains that four servers wrote before two parted, two of the four on each side after that.
fn domains(views: impl Strategy<Value = View> + Clone) -> impl Strategy<Value = Vec<Domain>> {
    let apart = (steps(1..3, 3), steps(3..5, 3)).prop_map(|(a, b)| [a, b]);
    some_domains(steps(1..5, 6), apart, views)
}

/// The same with one writer, from which one server received at least as much as the other.
fn one_primary() -> impl Strategy<Value = Vec<Domain>> {
    let apart = steps(1..2, 3).prop_map(|more| [Vec::new(), more]);
    let own = any_view().prop_map(|view| View { own: 0, ..view });
    some_domains(steps(1..2, 6), apart, own)
}

fn some_domains(
    common: impl Strategy<Value = Vec<Step>>,
    apart: impl Strategy<Value = [Vec<Step>; 2]>,
    views: impl Strategy<Value = View> + Clone,
) -> impl Strategy<Value = Vec<Domain>> {
    let domain =
        (common, apart, [views.clone(), views]).prop_map(|(common, apart, views)| Domain { common, apart, views });
    prop::collection::vec(domain, 1..=3)
}

fn in_domain(transactions: &Model, domain: u32) -> bool {
    transactions.iter().any(|gtid| gtid.domain == domain)
}

fn domains_of(gtids: impl Iterator<Item = Gtid>) -> BTreeSet<u32> {
    gtids.map(|gtid| gtid.domain).collect()
}

/// Domains in which each side has what the other has not.
fn parted(a: &Model, b: &Model) -> bool {
    let (only_a, only_b) = (a - b, b - a);
    (0..3).any(|domain| in_domain(&only_a, domain) && in_domain(&only_b, domain))
}

fn config() -> ProptestConfig {
    // What fails is printed, and becomes a test with a name: no file is left behind.
    ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn lists_are_read_as_they_are_printed(domains in domains(complete())) {
        let has = side(&domains, 0);
        for list in [has.says.history, has.says.applied] {
            prop_assert_eq!(GtidList::parse(&list.to_string()), Ok(list));
        }
    }

    #[test]
    fn whole_binary_logs_say_exactly_who_has_what(domains in domains(complete())) {
        let (a, b) = (side(&domains, 0), side(&domains, 1));
        let missing = &b.executed - &a.executed;
        let lacking = a.says.lacks(&b.says);
        prop_assert!(lacking.iter().all(|gtid| missing.contains(&gtid)), "{lacking}");
        prop_assert_eq!(domains_of(lacking.iter()), domains_of(missing.iter().copied()));
        prop_assert_eq!(a.says.conflicts(&b.says), parted(&a.executed, &b.executed));
        prop_assert_eq!(a.says.covers(&b.says.resume_position()), missing.is_empty());
        prop_assert!(b.says.covers(&b.says.resume_position()) && b.says.pending().is_empty());
    }

    /// With logs purged, seeded from backups, or behind with applying: a server may seem to lack what it has, never to
    /// have what it lacks.
    #[test]
    fn what_a_server_does_not_show_is_never_taken_for_granted(domains in domains(any_view())) {
        let (a, b) = (side(&domains, 0), side(&domains, 1));
        let missing = &b.all() - &a.executed;
        let lacking = domains_of(a.says.lacks(&b.says).iter());
        prop_assert!(lacking.is_superset(&domains_of(missing.iter().copied())), "{missing:?}");
        if parted(&a.all(), &b.all()) {
            prop_assert!(a.says.conflicts(&b.says));
        }
        prop_assert_eq!(a.says.conflicts(&b.says), b.says.conflicts(&a.says));
        for gtid in b.all() {
            let position: GtidList = [gtid].into_iter().collect();
            prop_assert!(!a.says.covers(&position) || a.executed.contains(&gtid), "{gtid}");
        }
        let pending = domains_of(a.says.pending().iter());
        prop_assert_eq!(pending, domains_of((&a.received - &a.executed).into_iter()));
        let executed = Side { received: Model::new(), says: a.says.executed(), ..a };
        prop_assert!(executed.says.pending().is_empty());
        prop_assert!(executed.executed.is_empty() || !executed.says.resume_position().is_empty());
    }

    #[test]
    fn under_one_primary_nobody_diverges(domains in one_primary()) {
        let (a, b) = (side(&domains, 0), side(&domains, 1));
        prop_assert!(!a.says.conflicts(&b.says) && !b.says.conflicts(&a.says));
        for (one, other) in [(&a, &b), (&b, &a)] {
            let missing = &other.all() - &one.executed;
            prop_assert_eq!(domains_of(one.says.lacks(&other.says).iter()), domains_of(missing.into_iter()));
        }
    }
}
