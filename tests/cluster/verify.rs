//! Is everything that was acknowledged still there, on the primary and on every replica?

use std::collections::HashSet;
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::family::POSITION;
use crate::lab::{Lab, Node, Result};
use crate::screen::Screen;
use crate::sql::{self, Account};
use crate::writer::{Acknowledged, IDENTITIES, Key};

/// What was looked for, and not found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Acknowledged keys that are missing on one node at least.
    pub(crate) lost: usize,
    /// For each node where something is missing: how much.
    pub(crate) missing: Vec<(Node, usize)>,
}

/// Waits until the replicas have all that the primary has. Nobody may write meanwhile.
pub(crate) fn catch_up(screen: &Screen, lab: &Lab, limit: Duration) -> Result<()> {
    screen.wait("waiting until the replicas have caught up", limit, || {
        positions_equal(lab, &Account::app())
    })
}

/// Compares what the writers from identity `first` on were told with what every node has.
pub(crate) fn verify(screen: &Screen, lab: &Lab, first: u32, acknowledged: &[Acknowledged]) -> Result<Verdict> {
    let account = Account::app();
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

fn positions_equal(lab: &Lab, account: &Account) -> Result<()> {
    let mut positions = Vec::new();
    for node in Node::ALL {
        let mut connection = sql::visit(lab, node, account)?;
        let position: String = sql::ask(&mut connection, node, POSITION.of(lab.family()))?;
        let mut parts: Vec<String> = position.split(',').map(|part| part.trim().to_owned()).collect();
        parts.sort();
        positions.push(parts.join(","));
    }
    if positions.iter().any(|position| *position != positions[0]) {
        return Err(format!("positions are {}", positions.join(", ")));
    }
    Ok(())
}

fn keys_on(lab: &Lab, node: Node, account: &Account, first: u32) -> Result<HashSet<Key>> {
    let last = first + IDENTITIES - 1;
    let query = format!("SELECT writer, number FROM app.writes WHERE writer BETWEEN {first} AND {last}");
    let rows: Vec<(u32, u64)> = sql::visit(lab, node, account)?
        .query(query)
        .map_err(|error| format!("{node}: {error}"))?;
    Ok(rows
        .into_iter()
        .map(|(writer, number)| Key { writer, number })
        .collect())
}
