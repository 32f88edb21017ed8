//! The clients: threads that insert unique keys through the floating address as fast as they are acknowledged.
//!
//! An insert whose outcome is unknown is not counted and its key is never used again: it may be there or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::lab::{Lab, Result};
use crate::screen::pause;
use crate::sql::{self, Account};

pub(crate) const WRITERS: u32 = 8;
/// How long a client waits for an answer before it tries a new connection.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long, at least, a client waits for a connection. A lost request for one is repeated after a second: who waits
/// for that measures TCP. Each writer waits a little longer than the one before, so that they do not try in step.
const CONNECT: Duration = Duration::from_millis(100);
const STAGGER: Duration = Duration::from_millis(12);
/// Between two attempts.
const RETRY: Duration = Duration::from_millis(5);

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

pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    began: Instant,
    /// Microseconds from `began` to the latest acknowledgement.
    latest: Arc<AtomicU64>,
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
    pub(crate) fn start(lab: &Lab, first: u32) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let latest = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let threads = (first..first + WRITERS)
            .map(|writer| {
                let (stop, latest, address) = (stop.clone(), latest.clone(), lab.floating_address());
                std::thread::spawn(move || {
                    write_until(&stop, &address, writer, |at| {
                        let micros = at.duration_since(began).as_micros();
                        latest.fetch_max(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
                    })
                })
            })
            .collect();
        Writers {
            stop,
            began,
            latest,
            threads,
        }
    }

    /// When the latest insert so far was acknowledged.
    pub(crate) fn latest(&self) -> Option<Instant> {
        match self.latest.load(Ordering::Relaxed) {
            0 => None,
            micros => Some(self.began + Duration::from_micros(micros)),
        }
    }

    pub(crate) fn finish(self) -> Result<Heard> {
        self.stop.store(true, Ordering::Relaxed);
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

fn write_until(stop: &AtomicBool, address: &str, writer: u32, mut notice: impl FnMut(Instant)) -> Heard {
    let account = Account::app();
    let connect = CONNECT + STAGGER * (writer % WRITERS);
    let mut heard = Heard::default();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        match sql::connect_within(address, &account, connect, PATIENCE) {
            Ok(connection) => {
                let failure = insert_until(stop, connection, writer, &mut number, |acknowledged| {
                    notice(acknowledged.at);
                    heard.acknowledged.push(acknowledged);
                });
                let failure = failure.map(|error| (Instant::now(), format!("writing: {error}")));
                heard.failures.extend(failure);
            }
            Err(error) => heard.failures.push((Instant::now(), format!("connecting: {error}"))),
        }
        pause(RETRY);
    }
    heard
}

/// Inserts until the connection fails; returns how.
fn insert_until(
    stop: &AtomicBool,
    mut connection: Conn,
    writer: u32,
    number: &mut u64,
    mut confirmed: impl FnMut(Acknowledged),
) -> Option<mysql::Error> {
    while !stop.load(Ordering::Relaxed) {
        *number += 1;
        let key = Key {
            writer,
            number: *number,
        };
        let insert = format!("INSERT INTO app.writes VALUES ({}, {})", key.writer, key.number);
        if let Err(error) = connection.query_drop(insert) {
            return Some(error);
        }
        confirmed(Acknowledged {
            key,
            at: Instant::now(),
        });
    }
    None
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
pub(crate) fn longest_gap(acknowledged: &[Acknowledged], injected: Instant, end: Instant) -> Option<Gap> {
    let mut instants: Vec<Instant> = acknowledged.iter().map(|acknowledged| acknowledged.at).collect();
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
