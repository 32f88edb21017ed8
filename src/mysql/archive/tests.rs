use super::*;
use crate::mysql::gtid::Holdings;
use crate::mysql::state::{Claim, Epoch, Record};

const BINLOG: &[u8] = include_bytes!("../../../tests/fixtures/binlog/mariadb-10.11.bin");

fn epoch() -> Epoch {
    Epoch {
        number: 4,
        node: "n2".to_owned(),
        server_id: 12,
        position: Position::parse("0-11-4").unwrap(),
        opened_at: String::new(),
        evidence: String::new(),
        proven: true,
        doubted: 0,
        claim: Claim::default(),
    }
}

/// A stopped server with one binary log, and its archive.
struct Crashed {
    directory: tempfile::TempDir,
    record: Record,
    epoch: Epoch,
}

impl Crashed {
    fn new() -> Crashed {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("binlog.000001"), BINLOG).unwrap();
        std::fs::create_dir(directory.path().join("archive")).unwrap();
        Crashed {
            directory,
            record: Record {
                epoch: 3,
                ..Record::default()
            },
            epoch: epoch(),
        }
    }

    fn archive(&self) -> PathBuf {
        self.directory.path().join("archive")
    }

    fn write(&self, target: &str, limit: Duration) -> Result<()> {
        let extra = Extra {
            place: Place::Stopped,
            primary_has: Some(Holdings::at(&self.epoch.position)),
            record: &self.record,
            epoch: &self.epoch,
        };
        let work = Work {
            resource: "db",
            node: "n1",
            extra: &extra,
            limit: Deadline::after(limit),
        };
        let has = extra.primary_has.as_ref().unwrap();
        let found = search::binary_logs(
            &self.directory.path().join("binlog"),
            Ok(has),
            Deadline::after(Duration::from_secs(60)),
        )
        .unwrap();
        work.write(Family::MariaDb, found, &self.archive(), &self.archive().join(target))
    }
}

const LONG: Duration = Duration::from_secs(20);

fn manifest(directory: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(directory.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_directory_is_there_with_all_that_belongs_to_it_or_not_at_all() {
    let place = Crashed::new();
    let target = place.archive().join("epoch-4-x");
    place.write("epoch-4-x", Duration::ZERO).unwrap_err();
    assert!(!target.exists());
    // The next try does not stumble over what the first one left.
    assert!(place.archive().join(UNFINISHED).exists());
    place.write("epoch-4-x", LONG).unwrap();
    assert!(!place.archive().join(UNFINISHED).exists());
    let manifest = manifest(&target);
    assert_eq!(manifest["transactions"], "0-11-5, 5-11-1");
    assert_eq!(manifest["class"], "never-acknowledged");
    assert_eq!((&manifest["server_id"], &manifest["count"]), (&11.into(), &2.into()));
    let copy = std::fs::read(target.join("binlog.000001")).unwrap();
    assert_eq!(copy, [&BINLOG[..379], &BINLOG[586..]].concat());
    assert_eq!(manifest["files"][0]["from_byte"], 586);
}

#[test]
fn what_is_there_is_never_replaced_and_there_is_a_limit() {
    let place = Crashed::new();
    place.write("epoch-4-x", LONG).unwrap();
    std::fs::write(place.archive().join("epoch-4-x/manifest.json"), "mine").unwrap();
    let error = place.write("epoch-4-x", LONG).unwrap_err();
    assert!(error.to_string().contains("epoch-4-x"), "{error}");
    let kept = std::fs::read_to_string(place.archive().join("epoch-4-x/manifest.json")).unwrap();
    assert_eq!(kept, "mine");
    for number in 1..MOST {
        std::fs::create_dir(place.archive().join(format!("epoch-4-{number}"))).unwrap();
    }
    let full = place.write("epoch-4-y", LONG).unwrap_err();
    assert!(full.to_string().contains("has 32 directories"), "{full}");
}

#[test]
fn the_same_transactions_are_found_whatever_the_epoch_is_now() {
    let place = Crashed::new();
    let names = ["0-11-5", "0-11-6"].map(|text| name(&Position::parse(text).unwrap()));
    let path = place.archive().join(format!("epoch-4-{}", names[0]));
    std::fs::create_dir(&path).unwrap();
    std::fs::create_dir(place.archive().join(UNFINISHED)).unwrap();
    assert_eq!(kept(&place.archive(), &names[0]).unwrap(), Some(path));
    assert_eq!(kept(&place.archive(), &names[1]).unwrap(), None);
    assert_eq!(kept(&place.directory.path().join("none"), &names[0]).unwrap(), None);
}
