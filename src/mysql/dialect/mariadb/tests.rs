use super::read::server;
use super::*;
use crate::mysql::credentials::Credentials;
use crate::mysql::credentials::Secret;
use crate::mysql::sql::Row;

fn variables() -> Row {
    Row::of(&[
        ("version", Some("11.8.6-MariaDB-0+deb13u1-log")),
        ("server_id", Some("2")),
        ("read_only", Some("1")),
        ("gtid_strict_mode", Some("1")),
        ("log_bin", Some("1")),
        ("log_slave_updates", Some("1")),
        ("log_bin_basename", Some("/var/lib/mysql/binlog")),
        ("gtid_binlog_pos", Some("0-1-7")),
        ("gtid_binlog_state", Some("0-2-3,0-1-7")),
        ("gtid_slave_pos", Some("0-1-7")),
        ("source_enabled", Some("0")),
        ("replica_enabled", Some("1")),
        ("wait_point", Some("AFTER_SYNC")),
        ("wait_no_replica", Some("1")),
        ("timeout", Some("10000")),
        ("sync_binlog", Some("1")),
        ("sync_relay_log", Some("1")),
        ("flush_log", Some("3")),
    ])
}

fn replica(columns: &[(&str, Option<&str>)]) -> Row {
    let mut all = vec![
        ("Master_Host", Some("n1")),
        ("Slave_IO_Running", Some("Yes")),
        ("Slave_SQL_Running", Some("Yes")),
        ("Last_IO_Errno", Some("0")),
        ("Last_IO_Error", Some("")),
        ("Last_SQL_Errno", Some("0")),
        ("Last_SQL_Error", Some("")),
        ("Seconds_Behind_Master", Some("0")),
        ("Gtid_IO_Pos", Some("0-1-9")),
    ];
    for (name, value) in columns {
        all.retain(|(known, _)| known != name);
        all.push((name, *value));
    }
    Row::of(&all)
}

#[test]
fn a_replica_is_read_as_it_is() {
    let status = [Row::of(&[
        ("Variable_name", Some("Rpl_semi_sync_master_clients")),
        ("Value", Some("2")),
    ])];
    let server = server(&variables(), Some(&replica(&[])), &status, 2).unwrap();
    assert!(server.read_only && server.unprovable.is_none() && server.is_attached());
    assert_eq!(server.holdings.pending().to_string(), "0-1-9");
    assert_eq!(server.semi_sync.clients, 2);
    assert_eq!(server.link.unwrap().lag, Some(Duration::ZERO));
}

#[test]
fn an_unknown_lag_is_not_zero_and_errors_have_their_code() {
    let row = replica(&[
        ("Slave_IO_Running", Some("Connecting")),
        ("Seconds_Behind_Master", None),
        ("Slave_SQL_Running", Some("No")),
        ("Last_SQL_Errno", Some("1062")),
        ("Last_SQL_Error", Some("Duplicate entry")),
    ]);
    let link = server(&variables(), Some(&row), &[], 0).unwrap().link.unwrap();
    assert_eq!(
        (link.receiver, link.applier, link.lag),
        (Thread::Connecting, Thread::Stopped, None)
    );
    assert_eq!(link.applier_error.map(|error| error.code), Some(1062));
}

#[test]
fn a_restarted_replica_is_not_attached_until_it_is_started() {
    let row = replica(&[
        ("Slave_IO_Running", Some("No")),
        ("Slave_SQL_Running", Some("No")),
        ("Gtid_IO_Pos", Some("")),
    ]);
    assert!(!server(&variables(), Some(&row), &[], 0).unwrap().is_attached());
    let stopped_by_hand = replica(&[("Slave_IO_Running", Some("No")), ("Slave_SQL_Running", Some("No"))]);
    assert!(
        server(&variables(), Some(&stopped_by_hand), &[], 0)
            .unwrap()
            .is_attached()
    );
}

#[test]
fn garbage_is_shown_not_guessed() {
    for (column, value) in [
        ("Slave_IO_Running", "Perhaps"),
        ("Gtid_IO_Pos", "0-1"),
        ("Last_IO_Errno", "many"),
    ] {
        let error = server(&variables(), Some(&replica(&[(column, Some(value))])), &[], 0).unwrap_err();
        assert!(error.to_string().contains(value), "{error}");
    }
}

#[test]
fn truncation_exists_since_the_fixed_release_of_each_series() {
    for (version, can) in [
        (Version(10, 5, 29), false),
        (Version(10, 6, 18), false),
        (Version(10, 6, 19), true),
        (Version(10, 11, 18), true),
        (Version(11, 3, 2), false),
        (Version(11, 4, 3), true),
        (Version(11, 8, 6), true),
        (Version(12, 3, 1), true),
    ] {
        assert_eq!(can_truncate(version), can, "{version:?}");
    }
}

#[test]
fn pointing_to_a_source_restates_everything_and_hides_the_password() {
    let credentials = Credentials {
        user: "repl'ica".to_owned(),
        password: Some(crate::mysql::credentials::Password::Given(Secret::new(
            "s3'cret".to_owned(),
        ))),
        tls: None,
    };
    let login = credentials.login().unwrap();
    let statement = change_source(&Source {
        host: "n2",
        port: 3307,
        login: &login,
        resume: None,
        acknowledge: true,
    });
    let shown = format!("{statement:?}");
    assert!(shown.contains("MASTER_PASSWORD='s3''cret'") && shown.contains("MASTER_USER='repl''ica'"));
    assert!(shown.contains("MASTER_HOST='n2'") && shown.contains("MASTER_PORT=3307") && shown.contains("MASTER_SSL=0"));
    assert!(shown.contains("MASTER_USE_GTID=slave_pos"));
    assert!(shown.contains("shown: \"CHANGE MASTER TO MASTER_HOST='n2'") && shown.contains("MASTER_PASSWORD='***'\""));
}
