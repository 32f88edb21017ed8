//! Is everything that was acknowledged still there, on the primary and on every replica?

use std::collections::HashSet;
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::lab::{Lab, Node, Result};
use crate::screen::Screen;
use crate::sql::{self, Account};
use crate::writer::{Acknowledged, Key, WRITERS};

const CATCH_UP: Duration = Duration::from_secs(60);

/// What was looked for, and not found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Acknowledged keys that are missing on one node at least.
    pub(crate) lost: usize,
    /// For each node where something is missing: how much.
    pub(crate) missing: Vec<(Node, usize)>,
}

/// Compares what the writers from identity `first` on were told with what every node has, once the replicas have
/// all that the primary has. Nobody may write meanwhile.
pub(crate) fn verify(screen: &Screen, lab: &Lab, first: u32, acknowledged: &[Acknowledged]) -> Result<Verdict> {
    let account = Account::app();
    screen.wait("waiting until the replicas have caught up", CATCH_UP, || {
        positions_equal(lab, &account)
    })?;
    screen.step("looking for every acknowledged write on every node");
    let mut lost = HashSet::new();
    let mut missing = Vec::new();
    for node in Node::ALL {
        let present = keys_on(lab, node, &account, first)?;
        let absent: Vec<Key> = acknowledged
            .iter()
            .map(|acknowledged| acknowledged.key)
            .filter(|key| !present.contains(key))
            .collect();
        if !absent.is_empty() {
            missing.push((node, absent.len()));
        }
        lost.extend(absent);
    }
    Ok(Verdict {
        lost: lost.len(),
        missing,
    })
}

/// Every server writes what it applies to a binary log of its own, so equal ends mean equal contents.
fn positions_equal(lab: &Lab, account: &Account) -> Result<()> {
    let mut positions = Vec::new();
    for node in Node::ALL {
        let mut connection = sql::visit(lab, node, account)?;
        positions.push(sql::ask::<String>(&mut connection, node, "SELECT @@gtid_binlog_pos")?);
    }
    if positions.iter().any(|position| *position != positions[0]) {
        return Err(format!("positions are {}", positions.join(", ")));
    }
    Ok(())
}

fn keys_on(lab: &Lab, node: Node, account: &Account, first: u32) -> Result<HashSet<Key>> {
    let last = first + WRITERS - 1;
    let query = format!("SELECT writer, number FROM app.writes WHERE writer BETWEEN {first} AND {last}");
    let rows: Vec<(u32, u64)> = sql::visit(lab, node, account)?
        .query(query)
        .map_err(|error| format!("{node}: {error}"))?;
    Ok(rows
        .into_iter()
        .map(|(writer, number)| Key { writer, number })
        .collect())
}
