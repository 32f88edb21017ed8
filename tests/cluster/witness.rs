//! The witness: asks every server on its own address, all the time, whether it accepts writes.
//!
//! Two servers were writable at one moment only if that is proven: one was found writable by a question that was sent
//! and answered in the time between two answers of the other, both "writable", on one connection and in close
//! succession. Nothing shorter than that is claimed, and nobody who cannot be reached is accused. That clients could
//! not reach a writable server is no excuse: it might have confirmed writes to somebody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use crate::lab::{Lab, Node, Result};
use crate::screen::pause;
use crate::sql::{self, Account};

/// 1 on a server that takes no client's writes, in every family.
const QUESTION: &str = "SELECT @@GLOBAL.read_only";
const PERIOD: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_millis(300);
/// Two confirmations further apart than this do not prove what was between them: no role change and back is as fast.
const CLOSE: Duration = Duration::from_millis(100);

/// One answer of a server. It was writable, or not, at some instant between the two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) sent: Instant,
    pub(crate) received: Instant,
    pub(crate) writable: bool,
    /// Changes with every new connection: successive samples of one session have no failed question between them.
    pub(crate) session: u32,
}

type Latest = Arc<Mutex<Vec<(Node, Sample)>>>;

pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    latest: Latest,
    threads: Vec<(Node, JoinHandle<Vec<Sample>>)>,
}

impl Witness {
    pub(crate) fn start(lab: &Lab) -> Witness {
        let mut witness = Witness {
            stop: Arc::new(AtomicBool::new(false)),
            latest: Latest::default(),
            threads: Vec::new(),
        };
        for node in Node::ALL {
            witness.watch(node, &lab.address(node));
        }
        witness
    }

    /// Asks the server of `node`, at this address too.
    pub(crate) fn watch(&mut self, node: Node, address: &str) {
        let (stop, latest, address) = (Arc::clone(&self.stop), Arc::clone(&self.latest), address.to_owned());
        let thread = std::thread::spawn(move || {
            watch_until(&stop, &address, |sample| {
                let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
                latest.retain(|(other, _)| *other != node);
                latest.push((node, sample));
            })
        });
        self.threads.push((node, thread));
    }

    /// The last answer of this node, if it is not long ago.
    fn latest(&self, node: Node) -> Option<Sample> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, sample) = latest.iter().find(|(other, _)| *other == node)?;
        Some(*sample).filter(|sample| sample.received.elapsed() < PATIENCE)
    }

    /// Since when, at least, this node has been writable, if its last answer, not long ago, says that it is.
    pub(crate) fn writable(&self, node: Node) -> Option<Instant> {
        let sample = self.latest(node).filter(|sample| sample.writable);
        sample.map(|sample| sample.received)
    }

    /// Whether this node said, not long ago, that it takes no writes.
    pub(crate) fn closed(&self, node: Node) -> bool {
        self.latest(node).is_some_and(|sample| !sample.writable)
    }

    pub(crate) fn finish(self) -> Result<Vec<(Node, Vec<Sample>)>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for (node, thread) in self.threads {
            all.push((node, thread.join().map_err(|_| "a witness broke down")?));
        }
        Ok(all)
    }
}

fn watch_until(stop: &AtomicBool, address: &str, mut seen: impl FnMut(Sample)) -> Vec<Sample> {
    let account = Account::administrator();
    let mut samples = Vec::new();
    let mut session = 0;
    while !stop.load(Ordering::Relaxed) {
        session += 1;
        if let Ok(mut connection) = sql::connect(address, &account, PATIENCE) {
            while !stop.load(Ordering::Relaxed) {
                let sent = Instant::now();
                let Ok(Some(read_only)) = connection.query_first::<u8, _>(QUESTION) else {
                    break;
                };
                let sample = Sample {
                    sent,
                    received: Instant::now(),
                    writable: read_only == 0,
                    session,
                };
                seen(sample);
                samples.push(sample);
                pause(PERIOD);
            }
        }
        pause(PERIOD);
    }
    samples
}

/// How many times two servers were writable together. What goes on without a break is one time.
pub(crate) fn moments_with_two(samples: &[(Node, Vec<Sample>)]) -> usize {
    let mut proofs = Vec::new();
    for (node, one) in samples {
        // A node may have been watched on more than one way.
        for (_, other) in samples.iter().filter(|(other, _)| other != node) {
            proofs.extend(proven_together(one, other));
        }
    }
    proofs.sort();
    let breaks = proofs.windows(2).filter(|pair| pair[1].duration_since(pair[0]) > CLOSE);
    breaks.count() + usize::from(!proofs.is_empty())
}

/// The instants at which `one` was proven writable while `other` was.
fn proven_together(one: &[Sample], other: &[Sample]) -> Vec<Instant> {
    let spans: Vec<(Instant, Instant)> = other
        .windows(2)
        .filter(|pair| pair[0].writable && pair[1].writable && pair[0].session == pair[1].session)
        .map(|pair| (pair[0].received, pair[1].sent))
        .filter(|(from, to)| to.duration_since(*from) <= CLOSE)
        .collect();
    one.iter()
        .filter(|sample| sample.writable)
        .filter(|sample| {
            let next = spans.partition_point(|(_, to)| *to < sample.received);
            spans.get(next).is_some_and(|(from, _)| *from <= sample.sent)
        })
        .map(|sample| sample.sent)
        .collect()
}
