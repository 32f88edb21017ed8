//! Servers whose data were replaced by those of a backup while they were down.

use std::path::PathBuf;

use crate::ackers::await_claim;
use crate::lab::{Lab, N1, N2, N3};
use crate::support::server::copy;

/// A copy of the data of a stopped server.
struct Backup<'a> {
    lab: &'a Lab,
    node: usize,
}

impl Backup<'_> {
    fn of(lab: &Lab, node: usize) -> Backup<'_> {
        let backup = Backup { lab, node };
        copy(&lab.server(node).datadir(), &backup.path());
        backup
    }

    fn path(&self) -> PathBuf {
        self.lab.server(self.node).path("backup")
    }

    /// As an administrator does it.
    fn restore(&self) {
        let data = self.lab.server(self.node).datadir();
        std::fs::remove_dir_all(&data).unwrap();
        copy(&self.path(), &data);
    }
}

/// It remembers that it was the primary, but those were other data.
#[test]
fn the_last_primary_with_the_data_of_a_backup_is_not_promoted() {
    let lab = Lab::serving();
    lab.transition().demote(N1).stop(&[N1, N2, N3]).carry_out();
    let backup = Backup::of(&lab, N1);
    lab.transition().start(&[N1, N2]).promote(N1).carry_out();
    lab.await_follows(N2, N1);
    lab.write(N1, 10);
    lab.transition().demote(N1).stop(&[N1, N2]).carry_out();
    backup.restore();
    lab.transition().start(&[N1, N3]).carry_out();
    lab.monitor(N1)
        .expect(190)
        .says(&["was the primary of epoch 2", "it has no record of that"]);
    assert_eq!(lab.score(N1), None);
    let transition = lab.transition().promote(N1).close();
    transition.elect().try_promote().expect(1).says(&["n2"]);
}

/// What it wrote itself it would skip when it receives it, unless it acknowledges (MariaDB).
#[test]
fn without_semi_synchronous_replication_a_former_primary_that_lacks_its_own_transactions_is_held() {
    let lab = Lab::serving();
    lab.write(N1, 10);
    lab.await_rejoined(N2, N1);
    lab.transition().demote(N1).stop(&[N1]).carry_out();
    let backup = Backup::of(&lab, N1);
    lab.transition().start(&[N1]).promote(N1).carry_out();
    lab.await_follows(N2, N1);
    lab.write(N1, 11);
    lab.await_rejoined(N2, N1);
    lab.transition().demote(N1).stop(&[N1]).promote(N2).carry_out();
    backup.restore();
    lab.replication.set("async");
    lab.transition().start(&[N1]).carry_out();
    lab.monitor(N1)
        .expect(190)
        .says(&["this node is held", "lacks transactions that it wrote itself"]);
    assert!(lab.is_detached(N1));
}

/// It follows the primary that it followed when the backup was made, and MySQL keeps what was received over a restart.
#[test]
fn a_replica_with_the_data_of_a_backup_is_no_proof() {
    let lab = Lab::serving();
    lab.transition().stop(&[N2, N3]).carry_out();
    let backup = Backup::of(&lab, N2);
    lab.transition().start(&[N2]).carry_out();
    lab.await_follows(N2, N1);
    await_claim(&lab, &["n2"], 1);
    lab.write(N1, 10);
    for node in [N1, N2] {
        lab.server(node).crash();
    }
    lab.transition().demote(N1).stop(&[N1, N2]).carry_out();
    backup.restore();
    lab.transition().start(&[N2, N3]).carry_out();
    let transition = lab.transition().promote(N2).close();
    transition
        .elect()
        .try_promote()
        .expect(1)
        .says(&["commits waited for 1 of n2", "start n1"]);
    assert!(!lab.rows(N2).contains_key(&10));
}
