use super::read::server;
use super::*;
use crate::mysql::credentials::Secret;
use crate::mysql::sql::Login;

/// Rows of SHOW VARIABLES or SHOW STATUS.
fn named(values: &[(&str, &str)]) -> Vec<Row> {
    let row = |(name, value): &(&str, &str)| Row::of(&[("Variable_name", Some(*name)), ("Value", Some(*value))]);
    values.iter().map(row).collect()
}

/// Captured from a replica, 9.7.4.
const REPLICA: [(&str, &str); 22] = [
    ("enforce_gtid_consistency", "ON"),
    ("gtid_mode", "ON"),
    ("innodb_flush_log_at_trx_commit", "1"),
    ("log_bin", "ON"),
    ("log_bin_basename", "/var/lib/mysql/binlog"),
    ("log_replica_updates", "ON"),
    ("relay_log_recovery", "OFF"),
    ("rpl_semi_sync_replica_enabled", "ON"),
    ("rpl_semi_sync_replica_trace_level", "32"),
    ("rpl_semi_sync_source_enabled", "OFF"),
    ("rpl_semi_sync_source_timeout", "10000"),
    ("rpl_semi_sync_source_trace_level", "32"),
    ("rpl_semi_sync_source_wait_for_replica_count", "1"),
    ("rpl_semi_sync_source_wait_no_replica", "ON"),
    ("rpl_semi_sync_source_wait_point", "AFTER_SYNC"),
    ("server_id", "12"),
    ("server_uuid", "6b1f0a52-c6d1-11f0-9d3b-0242ac110002"),
    ("super_read_only", "ON"),
    ("sync_binlog", "1"),
    ("sync_relay_log", "1"),
    ("version", "9.7.4-2"),
    ("read_only", "ON"),
];

fn sets(executed: &str, owned: &str) -> Row {
    Row::of(&[("gtid_owned", Some(owned)), ("gtid_executed", Some(executed))])
}

fn replica(columns: &[(&str, Option<&str>)]) -> Row {
    let mut all = vec![
        ("Source_Host", Some("n1")),
        ("Replica_IO_Running", Some("Yes")),
        ("Replica_SQL_Running", Some("Yes")),
        ("Last_IO_Errno", Some("0")),
        ("Last_IO_Error", Some("")),
        ("Last_SQL_Errno", Some("0")),
        ("Last_SQL_Error", Some("")),
        ("Seconds_Behind_Source", Some("0")),
        ("Retrieved_Gtid_Set", Some("6b1f0a52-c6d1-11f0-9d3b-0242ac110001:3-7")),
        ("Channel_Name", Some("")),
    ];
    for (name, value) in columns {
        all.retain(|(known, _)| known != name);
        all.push((name, *value));
    }
    Row::of(&all)
}

const EXECUTED: &str = "6b1f0a52-c6d1-11f0-9d3b-0242ac110001:1-5";

#[test]
fn a_replica_is_read_as_it_is() {
    let status = named(&[
        ("Rpl_semi_sync_replica_status", "ON"),
        ("Rpl_semi_sync_source_status", "OFF"),
    ]);
    let server = server(&named(&REPLICA), &sets(EXECUTED, ""), Some(&replica(&[])), &status, 0).unwrap();
    assert!(server.read_only && server.unprovable.is_none() && server.not_durable.is_none());
    assert!(server.is_attached() && server.keeps_received);
    assert_eq!(
        server.holdings.pending().to_string(),
        "6b1f0a52-c6d1-11f0-9d3b-0242ac110001:6-7"
    );
    assert!(server.semi_sync.replica_acknowledges && !server.semi_sync.source_enabled && server.semi_sync.strict);
    assert_eq!(server.link.unwrap().lag, Some(Duration::ZERO));
}

#[test]
fn the_words_of_older_versions_are_understood() {
    let old: Vec<(String, &str)> = REPLICA
        .iter()
        .map(|(name, value)| (name.replace("source", "master").replace("replica", "slave"), *value))
        .collect();
    let old: Vec<(&str, &str)> = old.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let row = Row::of(&[
        ("Master_Host", Some("n1")),
        ("Slave_IO_Running", Some("Connecting")),
        ("Slave_SQL_Running", Some("No")),
        ("Last_IO_Errno", Some("2003")),
        ("Last_SQL_Errno", Some("1062")),
        ("Retrieved_Gtid_Set", Some("")),
        ("Seconds_Behind_Master", None),
    ]);
    let server = server(&named(&old), &sets("", ""), Some(&row), &[], 0).unwrap();
    assert!(server.unprovable.is_none(), "{:?}", server.unprovable);
    assert_eq!(server.semi_sync.acknowledgements, 1);
    let link = server.link.unwrap();
    assert_eq!(
        (link.receiver, link.applier, link.lag),
        (Thread::Connecting, Thread::Stopped, None)
    );
    assert_eq!(link.applier_error.map(|error| error.code), Some(1062));
}

#[test]
fn what_is_being_committed_is_in_the_binary_log() {
    let owned = "6b1f0a52-c6d1-11f0-9d3b-0242ac110001:6#31";
    let server = server(&named(&REPLICA), &sets(EXECUTED, owned), None, &[], 2).unwrap();
    assert_eq!(
        server.binlog_position.to_string(),
        "6b1f0a52-c6d1-11f0-9d3b-0242ac110001:1-6"
    );
    assert_eq!(server.holdings.resume_position().to_string(), EXECUTED);
    assert_eq!(server.semi_sync.connected, 2);
}

#[test]
fn without_the_plugin_nothing_can_be_waited_for() {
    let without: Vec<(&str, &str)> = REPLICA
        .into_iter()
        .filter(|(name, _)| !name.starts_with("rpl_semi"))
        .collect();
    let server = server(&named(&without), &sets(EXECUTED, ""), None, &[], 0).unwrap();
    assert_eq!((server.semi_sync.most, server.semi_sync.waits_for()), (0, 0));
}

#[test]
fn the_setting_that_is_wrong_is_named() {
    let with = |name: &str, value: &'static str| {
        let mut all = REPLICA.to_vec();
        all.retain(|(known, _)| *known != name);
        let name: &'static str = REPLICA.iter().find(|(known, _)| *known == name).unwrap().0;
        all.push((name, value));
        server(&named(&all), &sets(EXECUTED, ""), None, &[], 0).unwrap()
    };
    assert_eq!(
        with("gtid_mode", "OFF_PERMISSIVE").unprovable.as_deref(),
        Some("gtid_mode=ON")
    );
    assert_eq!(
        with("log_replica_updates", "OFF").unprovable.as_deref(),
        Some("log_replica_updates=ON")
    );
    assert_eq!(with("sync_binlog", "0").not_durable.as_deref(), Some("sync_binlog=1"));
    assert!(
        !with("super_read_only", "OFF").closed,
        "whoever has CONNECTION_ADMIN could write"
    );
    assert!(!with("read_only", "OFF").read_only);
    assert!(!with("relay_log_recovery", "ON").keeps_received);
}

fn login(tls: Option<crate::mysql::sql::Tls>) -> Login {
    Login {
        user: "repl'ica".to_owned(),
        password: Some(Secret::new("s3'cret".to_owned())),
        tls,
    }
}

fn pointing(version: Version, login: &Login) -> String {
    let source = Source {
        host: "n2",
        port: 3307,
        login,
        resume: None,
        acknowledge: true,
    };
    format!("{:?}", change_source(words::of(version), &source))
}

#[test]
fn pointing_to_a_source_restates_everything_and_hides_the_password() {
    let new = pointing(Version(9, 7, 4), &login(None));
    for part in [
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST='n2', SOURCE_PORT=3307, SOURCE_USER='repl''ica'",
        "SOURCE_AUTO_POSITION=1",
        "SOURCE_RETRY_COUNT=4294967295",
        "SOURCE_SSL=0, SOURCE_SSL_CA=''",
        "SOURCE_CONNECTION_AUTO_FAILOVER=0",
        "GET_SOURCE_PUBLIC_KEY=1",
        "SOURCE_PASSWORD='s3''cret'",
        "SOURCE_PASSWORD='***' FOR CHANNEL ''\"",
    ] {
        assert!(new.contains(part), "{part} is not in {new}");
    }
    let old = pointing(Version(5, 7, 44), &login(None));
    assert!(old.contains("CHANGE MASTER TO MASTER_HOST='n2'") && !old.contains("SOURCE_"));
}

#[test]
fn encryption_survives_a_change_of_source() {
    let tls = crate::mysql::sql::Tls {
        ca: Some("/etc/ca.pem".into()),
        verify: true,
        identity: None,
    };
    let shown = pointing(Version(8, 4, 0), &login(Some(tls)));
    for part in [
        "SOURCE_SSL=1",
        "SOURCE_SSL_CA='/etc/ca.pem'",
        "SOURCE_SSL_VERIFY_SERVER_CERT=1",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("GET_SOURCE_PUBLIC_KEY"));
}

#[test]
fn a_server_comes_up_closed_and_keeps_what_it_received() {
    let options = boot_options(Version(9, 7, 4));
    for option in [
        "--super-read-only=ON",
        "--skip-replica-start",
        "--relay-log-recovery=OFF",
        "--plugin-load-add=semisync_source.so",
        "--loose-rpl-semi-sync-source-enabled=OFF",
    ] {
        assert!(options.iter().any(|known| known == option), "{option}");
    }
    assert!(boot_options(Version(5, 7, 44)).contains(&"--skip-slave-start".to_owned()));
}
