//! Which server this is, and its words for what every server can do.
//!
//! One folder per family; nothing outside this one spells a statement or a column of one family.

pub(crate) mod mariadb;
pub(crate) mod mysql;
pub(crate) mod probe;
mod reign;

use std::path::Path;

use super::decide::Recovery;
use super::node::Database;
use super::sql::{Connection, Row};
use crate::error::{Error, Result};
use mariadb::MariaDb;
use mysql::MySql;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    MariaDb,
    MySql,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Product {
    pub(crate) family: Family,
    pub(crate) version: Version,
}

/// Oldest MariaDB with everything that the agent relies on: `SHOW REPLICA STATUS` privileges of their own, built-in
/// semi-synchronous replication and `READ ONLY ADMIN` apart from SUPER's other powers.
const OLDEST_MARIADB: Version = Version(10, 5, 9);
/// Oldest MySQL with `super_read_only`, `offline_mode` and a wait point.
const OLDEST_MYSQL: Version = Version(5, 7, 8);

impl Product {
    /// Reads what `VERSION()` says, or what the server binary prints for `--version`, and refuses what is not supported.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] naming the version found and the versions supported.
    pub(crate) fn identify(text: &str) -> Result<Product> {
        let family = if text.contains("MariaDB") {
            Family::MariaDb
        } else {
            Family::MySql
        };
        let oldest = match family {
            Family::MariaDb => OLDEST_MARIADB,
            Family::MySql => OLDEST_MYSQL,
        };
        let version = parse(text).filter(|version| *version >= oldest);
        let version = version.ok_or_else(|| Error::NotInstalled {
            what: format!("a supported server (found \"{}\")", text.trim()),
            hint: "baton works with MariaDB 10.5.9 and newer and MySQL 5.7.8 and newer".to_owned(),
        })?;
        Ok(Product { family, version })
    }

    /// Whether this server can drop a tail that nobody confirmed during crash recovery.
    pub(crate) fn can_truncate(self) -> bool {
        match self.family {
            Family::MariaDb => mariadb::can_truncate(self.version),
            Family::MySql => false,
        }
    }

    /// Options with which a server comes up closed, whatever its configuration says. They come after all others.
    pub(crate) fn boot_options(self, recovery: Recovery) -> Vec<String> {
        match self.family {
            Family::MariaDb => mariadb::boot_options(recovery),
            Family::MySql => mysql::boot_options(self.version),
        }
    }
}

/// The words for a connected server.
///
/// # Errors
/// [`Error::NotInstalled`] when it is a server that baton does not support.
pub(crate) fn database(mut connection: Connection) -> Result<Box<dyn Database + Send>> {
    let version = connection.row("SELECT VERSION() AS version")?;
    let product = Product::identify(version.text(&["version"])?)?;
    Ok(match product.family {
        Family::MariaDb => Box::new(MariaDb::new(connection, product.version)),
        Family::MySql => Box::new(MySql::new(connection, product.version)),
    })
}

/// Path of the relay logs without their number; `status` is that of the replica. The server names the directory only if
/// its configuration does.
fn relay_log_base(connection: &mut Connection, status: &Row) -> Result<Option<String>> {
    let file = Path::new(status.get(&["Relay_Log_File"]).unwrap_or(""));
    let Some(stem) = file.file_stem() else {
        return Ok(None);
    };
    let places = connection.row("SELECT @@GLOBAL.relay_log_basename AS base, @@GLOBAL.datadir AS datadir")?;
    let configured = places.get(&["base"]).and_then(|base| Path::new(base).parent());
    let directory = match configured.filter(|directory| directory.is_absolute()) {
        Some(directory) => directory,
        None => Path::new(places.text(&["datadir"])?),
    };
    Ok(Some(directory.join(stem).display().to_string()))
}

/// Columns of the replica's status, called like the settings.
const FILTERS: [&str; 6] = [
    "Replicate_Do_DB",
    "Replicate_Do_Table",
    "Replicate_Wild_Do_Table",
    "Replicate_Ignore_DB",
    "Replicate_Ignore_Table",
    "Replicate_Wild_Ignore_Table",
];

/// The first filter of a replica, which leaves out a part and counts it as executed.
fn filter(status: &Row) -> Option<String> {
    FILTERS.iter().find_map(|name| {
        let value = status.get(&[name]).filter(|value| !value.is_empty())?;
        Some(format!("{}={value}", name.to_ascii_lowercase()))
    })
}

/// Whether a statement ended with this error because the account lacks a privilege.
pub(crate) fn is_denied(code: u16) -> bool {
    // ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_SPECIFIC_ACCESS_DENIED_ERROR.
    [1044, 1142, 1227].contains(&code)
}

/// None where this account may not ask.
fn allowed<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(Error::Sql { code, .. }) if is_denied(code) => Ok(None),
        other => other.map(Some),
    }
}

/// Ends every session that the query names by `id`, except these.
fn end_each(connection: &mut Connection, sessions: &str, except: &[u64]) -> Result<()> {
    for row in connection.rows(sessions)? {
        let session = row.number(&["id"])?;
        if except.contains(&session) {
            continue;
        }
        match connection.run(format!("KILL CONNECTION {session}")) {
            // 1094: the session is gone already.
            Ok(()) | Err(Error::Sql { code: 1094, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The first `number.number.number` of the text.
fn parse(text: &str) -> Option<Version> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .find_map(|word| {
            let mut numbers = word.split('.').map(|part| part.parse().ok());
            Some(Version(numbers.next()??, numbers.next()??, numbers.next()??))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_told_apart_by_what_they_say() {
        let mariadb =
            "mariadbd  Ver 11.8.6-MariaDB-0+deb13u1 from Debian for debian-linux-gnu on x86_64 (-- Please help)";
        for (text, family, version) in [
            (mariadb, Family::MariaDb, Version(11, 8, 6)),
            ("10.11.18-MariaDB-0+deb12u1-log", Family::MariaDb, Version(10, 11, 18)),
            ("8.4.3", Family::MySql, Version(8, 4, 3)),
            (
                "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))",
                Family::MySql,
                Version(9, 7, 4),
            ),
            ("5.7.44-log", Family::MySql, Version(5, 7, 44)),
            ("26.10.0", Family::MySql, Version(26, 10, 0)),
        ] {
            assert_eq!(Product::identify(text).unwrap(), Product { family, version }, "{text}");
        }
        for other in ["10.4.2-MariaDB", "5.6.51", "GNU sed", "sed (GNU sed) 4.9", ""] {
            let error = Product::identify(other).unwrap_err();
            assert!(matches!(error, Error::NotInstalled { .. }), "{other}");
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(Version(10, 11, 2) > Version(10, 6, 19));
    }
}
