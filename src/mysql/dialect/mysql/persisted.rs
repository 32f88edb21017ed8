//! Variables that were set with SET PERSIST: they beat the command line, so a server that persisted `super_read_only=OFF`
//! comes up open whatever it is told. Found before the server is launched, in the file where it keeps them.
//!
//! <https://dev.mysql.com/doc/refman/9.4/en/persisted-system-variables.html>

use crate::error::Result;
use crate::mysql::sql::Connection;

/// In the data directory.
pub(crate) const FILE: &str = "mysqld-auto.cnf";
/// Keeps all persisted variables from being loaded, for one start.
pub(crate) const IGNORE: &str = "--persisted-globals-load=OFF";

/// What a launch decides, and nobody else.
const OURS: [&str; 12] = [
    "read_only",
    "super_read_only",
    "offline_mode",
    "event_scheduler",
    "relay_log_recovery",
    "skip_replica_start",
    "skip_slave_start",
    "rpl_semi_sync_source_enabled",
    "rpl_semi_sync_replica_enabled",
    "rpl_semi_sync_master_enabled",
    "rpl_semi_sync_slave_enabled",
    "persisted_globals_load",
];

/// The variables of ours that are persisted in a file with these contents.
pub(crate) fn found(contents: &[u8]) -> Vec<&'static str> {
    // Not read as JSON: the server does not escape all that JSON wants escaped. A name too many does no harm.
    let contents = String::from_utf8_lossy(contents);
    let is_key = |name: &&str| contents.contains(&format!("\"{name}\":"));
    OURS.into_iter().filter(is_key).collect()
}

/// Makes the server forget them.
pub(crate) fn forget(connection: &mut Connection, names: &[&str]) -> Result<()> {
    names
        .iter()
        .try_for_each(|name| connection.run(format!("RESET PERSIST IF EXISTS {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_in_the_files_of_all_versions() {
        // As 9.7.4 wrote it, shortened.
        let new = r#"{"Version": 2, "mysql_dynamic_variables": {"max_connections": {"Value": "200", "Metadata":
            {"Host": "localhost", "User": "root", "Timestamp": 1}}, "super_read_only": {"Value": "OFF"}},
            "mysql_static_variables": {"skip_replica_start": {"Value": "OFF"}}}"#;
        assert_eq!(found(new.as_bytes()), ["super_read_only", "skip_replica_start"]);
        let old = r#"{"Version": 1, "mysql_server": {"read_only": {"Value": "OFF"},
            "mysql_server_static_options": {"relay_log_recovery": {"Value": "ON"}}}}"#;
        assert_eq!(found(old.as_bytes()), ["read_only", "relay_log_recovery"]);
        assert_eq!(found(br#"{"Version": 2}"#), [""; 0]);
    }

    #[test]
    fn values_that_are_no_json_do_not_hide_a_name() {
        let odd = r#"{"Version": 2, "mysql_dynamic_variables": {"init_connect": {"Value": "SET @a=\"x\y\""},
            "offline_mode": {"Value": "OFF"}}}"#;
        assert_eq!(found(odd.as_bytes()), ["offline_mode"]);
    }
}
