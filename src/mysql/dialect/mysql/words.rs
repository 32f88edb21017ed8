//! How MySQL's words changed from version to version. A newer version than the last row here is taken to speak like it.
//!
//! Invariant: no I/O here. Sources, in <https://dev.mysql.com/doc/relnotes/mysql/8.0/en/>: 8.0.22 (SHOW REPLICA STATUS,
//! START REPLICA, asynchronous connection failover), 8.0.23 (CHANGE REPLICATION SOURCE TO), 8.0.26 (semi-synchronous
//! plugins and variables renamed); 8.4.0 removed the old statements: <https://dev.mysql.com/doc/relnotes/mysql/8.4/en/>.

use crate::mysql::dialect::Version;

/// The words of one range of versions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    since: Version,
    /// In START, STOP, RESET and SHOW ... STATUS.
    pub(super) replica: &'static str,
    /// CHANGE ... TO.
    pub(super) change: &'static str,
    /// The beginning of its options.
    pub(super) option: &'static str,
    /// Lists the replicas that are connected.
    pub(super) replicas: &'static str,
    /// Keeps replication from starting with the server.
    pub(super) skip_start: &'static str,
    /// Whether the server may choose another source by itself, unless it is told not to.
    pub(super) chooses_source: bool,
    pub(super) plugins: [&'static str; 2],
}

const OLD_PLUGINS: [&str; 2] = ["semisync_master.so", "semisync_slave.so"];
const NEW_PLUGINS: [&str; 2] = ["semisync_source.so", "semisync_replica.so"];

const WORDS: [Words; 4] = [
    Words {
        since: Version(5, 7, 0),
        replica: "SLAVE",
        change: "CHANGE MASTER TO",
        option: "MASTER",
        replicas: "SHOW SLAVE HOSTS",
        skip_start: "--skip-slave-start",
        chooses_source: false,
        plugins: OLD_PLUGINS,
    },
    Words {
        since: Version(8, 0, 22),
        replica: "REPLICA",
        change: "CHANGE MASTER TO",
        option: "MASTER",
        replicas: "SHOW REPLICAS",
        skip_start: "--skip-slave-start",
        chooses_source: false,
        plugins: OLD_PLUGINS,
    },
    Words {
        since: Version(8, 0, 23),
        replica: "REPLICA",
        change: "CHANGE REPLICATION SOURCE TO",
        option: "SOURCE",
        replicas: "SHOW REPLICAS",
        skip_start: "--skip-slave-start",
        chooses_source: true,
        plugins: OLD_PLUGINS,
    },
    Words {
        since: Version(8, 0, 26),
        replica: "REPLICA",
        change: "CHANGE REPLICATION SOURCE TO",
        option: "SOURCE",
        replicas: "SHOW REPLICAS",
        skip_start: "--skip-replica-start",
        chooses_source: true,
        plugins: NEW_PLUGINS,
    },
];

pub(super) fn of(version: Version) -> &'static Words {
    WORDS
        .iter()
        .rev()
        .find(|words| version >= words.since)
        .unwrap_or(&WORDS[0])
}

/// The names of semi-synchronous replication, which belong to the plugin that is loaded and not to the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SemiSyncWords {
    pub(super) source: &'static str,
    pub(super) replica: &'static str,
    pub(super) count: &'static str,
    pub(super) without_replica: &'static str,
}

pub(super) const NEW_SEMI_SYNC: SemiSyncWords = SemiSyncWords {
    source: "rpl_semi_sync_source",
    replica: "rpl_semi_sync_replica",
    count: "wait_for_replica_count",
    without_replica: "wait_no_replica",
};
pub(super) const OLD_SEMI_SYNC: SemiSyncWords = SemiSyncWords {
    source: "rpl_semi_sync_master",
    replica: "rpl_semi_sync_slave",
    count: "wait_for_slave_count",
    without_replica: "wait_no_slave",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_the_newest_words_it_knows() {
        for (version, replica, change, plugin) in [
            (Version(5, 7, 44), "SLAVE", "CHANGE MASTER TO", "semisync_master.so"),
            (Version(8, 0, 22), "REPLICA", "CHANGE MASTER TO", "semisync_master.so"),
            (
                Version(8, 0, 25),
                "REPLICA",
                "CHANGE REPLICATION SOURCE TO",
                "semisync_master.so",
            ),
            (
                Version(8, 0, 26),
                "REPLICA",
                "CHANGE REPLICATION SOURCE TO",
                "semisync_source.so",
            ),
            (
                Version(8, 4, 3),
                "REPLICA",
                "CHANGE REPLICATION SOURCE TO",
                "semisync_source.so",
            ),
            (
                Version(9, 7, 4),
                "REPLICA",
                "CHANGE REPLICATION SOURCE TO",
                "semisync_source.so",
            ),
            (
                Version(26, 10, 0),
                "REPLICA",
                "CHANGE REPLICATION SOURCE TO",
                "semisync_source.so",
            ),
        ] {
            let words = of(version);
            assert_eq!(
                (words.replica, words.change, words.plugins[0]),
                (replica, change, plugin),
                "{version:?}"
            );
        }
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(WORDS.windows(2).all(|pair| pair[0].since < pair[1].since));
    }
}
