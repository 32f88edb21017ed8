//! Which server this is, and its words for what every server can do.
//!
//! One file per family; nothing outside this folder spells a statement or a column of one family.
//! Only MariaDB is here so far: a MySQL server is recognised and refused.

pub(crate) mod mariadb;

use crate::error::{Error, Result};

/// Oldest MariaDB with everything that the agent relies on: `SHOW REPLICA STATUS` privileges of their own, built-in
/// semi-synchronous replication and `READ ONLY ADMIN` apart from SUPER's other powers.
const OLDEST_MARIADB: Version = Version(10, 5, 0);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32, pub(crate) u32);

/// Reads what `VERSION()` says, or what the server binary prints for `--version`, and refuses what is not supported.
///
/// # Errors
/// [`Error::NotInstalled`] naming the version found and the versions supported.
pub(crate) fn identify(text: &str) -> Result<Version> {
    let unsupported = || Error::NotInstalled {
        what: format!("a supported server (found \"{}\")", text.trim()),
        hint: "this version of baton works with MariaDB 10.5 and newer".to_owned(),
    };
    let version = parse(text).ok_or_else(unsupported)?;
    if text.contains("MariaDB") && version >= OLDEST_MARIADB {
        Ok(version)
    } else {
        Err(unsupported())
    }
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
        assert_eq!(identify(mariadb).unwrap(), Version(11, 8, 6));
        assert_eq!(identify("10.11.18-MariaDB-0+deb12u1-log").unwrap(), Version(10, 11, 18));
        for other in [
            "8.4.3",
            "/usr/sbin/mysqld  Ver 9.7.4 for Linux on x86_64",
            "10.4.2-MariaDB",
            "GNU sed",
            "",
        ] {
            let error = identify(other).unwrap_err();
            assert!(matches!(error, Error::NotInstalled { .. }), "{other}");
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(Version(10, 11, 2) > Version(10, 6, 19));
    }
}
