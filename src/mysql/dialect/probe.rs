//! The table `baton.probe`: one row that a primary writes to find out whether its disk takes writes. Not replicated and in
//! no binary log, so every server has its own. All servers have the same words for it.

use crate::error::{Error, Result};
use crate::mysql::sql::Connection;

/// No lock is waited for: whoever holds one is not the disk. Not durable by itself where commits are not.
const APART: &str = "SET SESSION sql_log_bin=0, lock_wait_timeout=1, innodb_lock_wait_timeout=1";
const WRITE: &str = "REPLACE INTO baton.probe (one, written_at) VALUES (1, UTC_TIMESTAMP(6))";
const CREATE: [&str; 2] = [
    "CREATE DATABASE IF NOT EXISTS baton",
    "CREATE TABLE IF NOT EXISTS baton.probe (one TINYINT PRIMARY KEY, written_at DATETIME(6) NOT NULL) ENGINE=InnoDB \
     COMMENT='shows whether the disk takes writes, written by baton, not replicated'",
];
/// ER_BAD_DB_ERROR, ER_NO_SUCH_TABLE.
const NOT_THERE: [u16; 2] = [1049, 1146];

/// ER_SPECIFIC_ACCESS_DENIED_ERROR: not for want of a privilege on a table. MySQL's account has what this needs, or could
/// not have opened the server.
const UNLOGGED_DENIED: u16 = 1227;

/// What mends that the server denied a write with this error.
pub(crate) fn grant(code: u16) -> &'static str {
    if code == UNLOGGED_DENIED {
        "GRANT BINLOG ADMIN ON *.*"
    } else {
        "GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON baton.*"
    }
}

pub(super) fn write(connection: &mut Connection) -> Result<()> {
    connection.run(APART)?;
    match connection.run(WRITE) {
        Err(Error::Sql { code, .. }) if NOT_THERE.contains(&code) => {
            CREATE.iter().try_for_each(|statement| connection.run(*statement))?;
            connection.run(WRITE)
        }
        other => other,
    }
}
