//! The clients: threads that insert unique keys, one after the other is acknowledged, most of them through the floating
//! address.
//!
//! An insert whose outcome is unknown is not counted and its key is never used again: it may be there or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::lab::{Lab, Result};
use crate::screen::pause;
use crate::sql::{self, Account};

/// Through the floating address.
const WRITERS: u32 = 8;
/// Identities that one act may use: an act may add a client.
pub(crate) const IDENTITIES: u32 = WRITERS + 1;
/// How long a client waits for an answer before it tries a new connection.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long, at least, a client waits for a connection. A lost request for one is repeated after a second: who waits
/// for that measures TCP. Each writer waits a little longer than the one before, so that they do not try in step.
const CONNECT: Duration = Duration::from_millis(100);
const STAGGER: Duration = Duration::from_millis(12);
/// Between two attempts.
const RETRY: Duration = Duration::from_millis(5);
/// Between two inserts: a primary that waits for nobody must not run away from its replicas.
const REST: Duration = Duration::from_millis(8);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) writer: u32,
    pub(crate) number: u64,
}

/// What the server confirmed, and when the client heard of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) key: Key,
    pub(crate) at: Instant,
}

/// What clients were told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// In the order in which they came.
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Errors, in the order in which they came.
    pub(crate) failures: Vec<(Instant, String)>,
}

impl Heard {
    fn failed(&mut self, doing: &str, error: &mysql::Error) {
        self.failures.push((Instant::now(), format!("{doing}: {error}")));
    }
}

/// What the writers and those who wait for them share.
struct Shared {
    stop: AtomicBool,
    paused: AtomicBool,
    /// Writers that wait for an answer.
    asking: AtomicU32,
    began: Instant,
    /// Microseconds from `began` to the latest acknowledgement.
    latest: AtomicU64,
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    /// Asks the server something, unless the clients pause.
    fn ask<T>(&self, question: impl FnOnce() -> T) -> Option<T> {
        self.asking.fetch_add(1, Ordering::SeqCst);
        let answer = (!self.paused.load(Ordering::SeqCst)).then(question);
        self.asking.fetch_sub(1, Ordering::SeqCst);
        answer
    }

    fn acknowledged(&self, at: Instant) {
        let micros = at.duration_since(self.began).as_micros();
        self.latest
            .fetch_max(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

pub(crate) struct Writers {
    shared: Arc<Shared>,
    /// The next identity.
    next: u32,
    threads: Vec<JoinHandle<Heard>>,
}

/// Makes the table that is written to, on the primary and so on all. Returns the first identity that is not in it.
pub(crate) fn prepare_table(lab: &Lab) -> Result<u32> {
    let limit = Duration::from_secs(5);
    sql::connect(&lab.floating_address(), &Account::app(), limit)
        .and_then(|mut connection| {
            connection.query_drop(
                "CREATE TABLE IF NOT EXISTS app.writes (writer INT UNSIGNED, number BIGINT UNSIGNED, \
                 PRIMARY KEY (writer, number))",
            )?;
            connection.query_first("SELECT COALESCE(MAX(writer) + 1, 0) FROM app.writes")
        })
        .map(Option::unwrap_or_default)
        .map_err(|error| format!("making the clients' table: {error}"))
}

impl Writers {
    /// Starts writers with the identities from `first` on, which nobody else may have.
    pub(crate) fn start(address: &str, first: u32) -> Writers {
        let mut writers = Writers {
            shared: Arc::new(Shared {
                stop: AtomicBool::new(false),
                paused: AtomicBool::new(false),
                asking: AtomicU32::new(0),
                began: Instant::now(),
                latest: AtomicU64::new(0),
            }),
            next: first,
            threads: Vec::new(),
        };
        for _ in 0..WRITERS {
            writers.add(address);
        }
        writers
    }

    /// One more, at this address; returns its identity.
    pub(crate) fn add(&mut self, address: &str) -> u32 {
        let (shared, address, writer) = (Arc::clone(&self.shared), address.to_owned(), self.next);
        self.next += 1;
        self.threads
            .push(std::thread::spawn(move || write_until(&shared, &address, writer)));
        writer
    }

    /// When the latest insert so far was acknowledged.
    pub(crate) fn latest(&self) -> Option<Instant> {
        match self.shared.latest.load(Ordering::SeqCst) {
            0 => None,
            micros => Some(self.shared.began + Duration::from_micros(micros)),
        }
    }

    /// Nothing is on its way when this returns.
    pub(crate) fn pause(&self) {
        self.shared.paused.store(true, Ordering::SeqCst);
        while self.shared.asking.load(Ordering::SeqCst) > 0 {
            pause(RETRY);
        }
    }

    pub(crate) fn resume(&self) {
        self.shared.paused.store(false, Ordering::SeqCst);
    }

    pub(crate) fn are_paused(&self) -> bool {
        self.shared.paused.load(Ordering::SeqCst)
    }

    pub(crate) fn finish(self) -> Result<Heard> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut all = Heard::default();
        for thread in self.threads {
            let heard = thread.join().map_err(|_| "a writer broke down")?;
            all.acknowledged.extend(heard.acknowledged);
            all.failures.extend(heard.failures);
        }
        all.acknowledged.sort_by_key(|acknowledged| acknowledged.at);
        all.failures.sort_by_key(|(at, _)| *at);
        Ok(all)
    }
}

fn write_until(shared: &Shared, address: &str, writer: u32) -> Heard {
    let account = Account::app();
    let connect = CONNECT + STAGGER * (writer % WRITERS);
    let mut heard = Heard::default();
    let mut number = 0;
    while shared.goes_on() {
        match shared.ask(|| sql::connect_within(address, &account, connect, PATIENCE)) {
            Some(Ok(connection)) => insert_until(shared, connection, writer, &mut number, &mut heard),
            Some(Err(error)) => heard.failed("connecting", &error),
            None => {}
        }
        pause(RETRY);
    }
    heard
}

/// Inserts until the connection fails.
fn insert_until(shared: &Shared, mut connection: Conn, writer: u32, number: &mut u64, heard: &mut Heard) {
    while shared.goes_on() {
        let key = Key {
            writer,
            number: *number + 1,
        };
        let insert = format!("INSERT INTO app.writes VALUES ({}, {})", key.writer, key.number);
        let Some(answer) = shared.ask(|| connection.query_drop(insert)) else {
            pause(RETRY);
            continue;
        };
        *number = key.number;
        if let Err(error) = answer {
            heard.failed("writing", &error);
            return;
        }
        let at = Instant::now();
        shared.acknowledged(at);
        heard.acknowledged.push(Acknowledged { key, at });
        pause(REST);
    }
}

/// A time without acknowledgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Gap {
    pub(crate) fn length(self) -> Duration {
        self.to.duration_since(self.from)
    }
}

/// The longest time between two acknowledgements in succession, of which the second came after `injected`, or
/// between the last one and `end`. The acknowledgements are in order.
pub(crate) fn longest_gap(acknowledged: &[Instant], injected: Instant, end: Instant) -> Option<Gap> {
    let mut instants = acknowledged.to_vec();
    instants.push(end.max(instants.last().copied().unwrap_or(end)));
    instants
        .windows(2)
        .filter(|pair| pair[1] > injected)
        .map(|pair| Gap {
            from: pair[0],
            to: pair[1],
        })
        .max_by_key(|gap| gap.length())
}
