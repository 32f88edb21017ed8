//! The table `baton.reign`: who was primary when. It is replicated with the data, so every server and every backup can say
//! which transactions belong to which primary. All servers have the same words for it.

use crate::error::{Error, Result};
use crate::mysql::gtid::Position;
use crate::mysql::reign::Reign;
use crate::mysql::sql::{Connection, Row, quote};
use crate::mysql::state::Epoch;

const EXISTS: &str =
    "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'baton' AND TABLE_NAME = 'reign'";

/// Epochs are numbered anew where a cluster's configuration was lost: the time is a part of the key.
const CREATE: [&str; 2] = [
    "CREATE DATABASE IF NOT EXISTS baton",
    "CREATE TABLE IF NOT EXISTS baton.reign (epoch BIGINT UNSIGNED NOT NULL, node VARCHAR(255) NOT NULL, \
     server_id INT UNSIGNED NOT NULL, server_uuid VARCHAR(36) NOT NULL, opened_position LONGTEXT NOT NULL, \
     opened_at VARCHAR(32) NOT NULL, evidence LONGTEXT NOT NULL, proven BOOLEAN NOT NULL, \
     closed_position LONGTEXT, closed_at VARCHAR(32), PRIMARY KEY (epoch, opened_at)) \
     ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='who was primary when, written by baton'",
];

/// A monitor does not wait for whoever holds locks on this table.
const IMPATIENT: &str = "SET lock_wait_timeout=1, innodb_lock_wait_timeout=1";

/// ER_BAD_DB_ERROR, ER_NO_SUCH_TABLE; ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR.
const NOT_THERE: [u16; 4] = [1049, 1146, 1044, 1142];

/// Makes the table if it is not there, and writes to it in one transaction. Doing it again changes nothing.
pub(super) fn write(connection: &mut Connection, epoch: &Epoch, server_uuid: &str) -> Result<()> {
    connection.run(IMPATIENT)?;
    // A statement that makes nothing would be a transaction all the same.
    if connection.rows(EXISTS)?.is_empty() {
        CREATE.iter().try_for_each(|statement| connection.run(*statement))?;
    }
    connection.run("START TRANSACTION")?;
    for statement in statements(epoch, server_uuid) {
        connection.run(statement)?;
    }
    connection.run("COMMIT")
}

/// Only one reign is open.
fn statements(epoch: &Epoch, server_uuid: &str) -> [String; 2] {
    let number = epoch.number;
    let position = quote(&epoch.position.to_string());
    let opened_at = quote(&epoch.opened_at);
    [
        format!(
            "UPDATE baton.reign SET closed_position={position}, closed_at={opened_at} WHERE closed_position IS NULL \
             AND NOT (epoch={number} AND opened_at={opened_at})"
        ),
        format!(
            "INSERT IGNORE INTO baton.reign (epoch, node, server_id, server_uuid, opened_position, opened_at, evidence, \
             proven) VALUES ({number}, {}, {}, {}, {position}, {opened_at}, {}, {})",
            quote(&epoch.node),
            epoch.server_id,
            quote(server_uuid),
            quote(&epoch.evidence),
            u8::from(epoch.proven)
        ),
    ]
}

/// All reigns that the table knows.
pub(super) fn read(connection: &mut Connection) -> Result<Vec<Reign>> {
    let columns = "SELECT epoch, node, server_id, server_uuid, opened_position, closed_position FROM baton.reign";
    match connection.rows(columns) {
        Ok(rows) => rows.iter().map(reign).collect(),
        Err(Error::Sql { code, .. }) if NOT_THERE.contains(&code) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn reign(row: &Row) -> Result<Reign> {
    let position = |column: &str| {
        let text = row.get(&[column]).map(Position::parse);
        text.transpose().map_err(|got| Error::Unexpected {
            from: format!("the server, baton.reign.{column}"),
            got,
        })
    };
    Ok(Reign {
        epoch: row.number(&["epoch"])?,
        node: row.text(&["node"])?.to_owned(),
        server_id: u32::try_from(row.number(&["server_id"])?).unwrap_or(u32::MAX),
        server_uuid: row.text(&["server_uuid"])?.to_owned(),
        opened: position("opened_position")?.unwrap_or_default(),
        closed: position("closed_position")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::state::Claim;

    #[test]
    fn a_reign_ends_all_others_and_begins_where_its_primary_was_promoted() {
        let epoch = Epoch {
            number: 2,
            node: "n2".to_owned(),
            server_id: 12,
            position: Position::parse("0-11-9").unwrap(),
            opened_at: "2026-11-21T09:00:00Z".to_owned(),
            evidence: "it's proven".to_owned(),
            proven: true,
            doubted: 0,
            claim: Claim::default(),
        };
        assert_eq!(
            statements(&epoch, ""),
            [
                "UPDATE baton.reign SET closed_position='0-11-9', closed_at='2026-11-21T09:00:00Z' \
                 WHERE closed_position IS NULL AND NOT (epoch=2 AND opened_at='2026-11-21T09:00:00Z')",
                "INSERT IGNORE INTO baton.reign (epoch, node, server_id, server_uuid, opened_position, opened_at, \
                 evidence, proven) VALUES (2, 'n2', 12, '', '0-11-9', '2026-11-21T09:00:00Z', 'it''s proven', 1)"
            ]
        );
    }

    #[test]
    fn a_row_is_read_and_one_that_cannot_be_is_shown() {
        let row = |opened, closed| {
            Row::of(&[
                ("epoch", Some("7")),
                ("node", Some("n1")),
                ("server_id", Some("11")),
                ("server_uuid", Some("")),
                ("opened_position", Some(opened)),
                ("closed_position", closed),
            ])
        };
        let open = reign(&row("0-11-3", None)).unwrap();
        assert_eq!((open.epoch, open.node.as_str(), open.server_id), (7, "n1", 11));
        assert_eq!((open.opened.to_string().as_str(), open.closed), ("0-11-3", None));
        let closed = reign(&row("", Some("0-11-9"))).unwrap();
        assert_eq!(closed.closed, Some(Position::parse("0-11-9").unwrap()));
        let error = reign(&row("somewhere", None)).unwrap_err().to_string();
        assert!(
            error.contains("opened_position") && error.contains("somewhere"),
            "{error}"
        );
    }
}
