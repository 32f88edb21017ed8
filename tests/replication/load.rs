//! Clients that write all the time, and remember what they were told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::support::eventually;
use crate::support::server::{SOON, Server};

const FIRST: u64 = 1_000_000;

pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    writers: Vec<JoinHandle<BTreeSet<u64>>>,
}

impl Load {
    /// Four clients, each of which ends at its first error.
    pub(crate) fn on(server: &Server) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let writers = (1..=4)
            .map(|writer| {
                let (app, stop, count) = (server.app(), Arc::clone(&stop), Arc::clone(&count));
                std::thread::spawn(move || writing(app, writer * FIRST, &stop, &count))
            })
            .collect();
        Load { stop, count, writers }
    }

    /// Waits until so many rows were confirmed.
    #[track_caller]
    pub(crate) fn await_rows(&self, wanted: usize) {
        eventually("confirmed rows", SOON, || {
            (self.count.load(Ordering::Relaxed) >= wanted).then_some(())
        });
    }

    /// The keys that were confirmed.
    pub(crate) fn end(self) -> BTreeSet<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.writers.into_iter().map(|writer| writer.join().unwrap());
        ended.flatten().collect()
    }
}

fn writing(mut app: Conn, first: u64, stop: &AtomicBool, count: &AtomicUsize) -> BTreeSet<u64> {
    let mut confirmed = BTreeSet::new();
    for key in first.. {
        let statement = format!("INSERT INTO t (id, v) VALUES ({key}, {key})");
        if stop.load(Ordering::Relaxed) || app.query_drop(statement).is_err() {
            break;
        }
        confirmed.insert(key);
        count.fetch_add(1, Ordering::Relaxed);
    }
    confirmed
}
