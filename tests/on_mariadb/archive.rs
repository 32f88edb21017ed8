//! What a program that decodes binary logs writes besides the text.

use mysql::prelude::Queryable;

use crate::archived::only_archived;
use crate::lab::{Lab, N1, N3};
use crate::support::write;

/// The statement is in the binary log with the file that it loaded. Decoded by default, that ends up in /tmp.
#[test]
fn a_file_that_a_statement_loaded_is_in_the_archive_and_nowhere_else() {
    let lab = Lab::serving();
    lab.write(N1, 101);
    lab.await_received(N3, N1);
    let loaded = lab.server(N3).path("loaded");
    write(&loaded, "4711\t4712\n", 0o644);
    let mut root = lab.server(N3).root();
    root.query_drop("SET binlog_format=STATEMENT").unwrap();
    root.query_drop(format!(
        "LOAD DATA INFILE '{}' INTO TABLE app.t (id, v)",
        loaded.display()
    ))
    .unwrap();
    lab.transition().stop(&[N3]).carry_out();
    lab.transition().start(&[N3]).carry_out();
    lab.monitor(N3).expect(190).says(&["a copy of them is in"]);
    let kept = only_archived(&lab, N3);
    let names: Vec<&str> = kept
        .decoded()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(
        std::fs::read_to_string(kept.path.join(names[0])).unwrap(),
        "4711\t4712\n"
    );
    assert!(kept.text().contains(names[0]), "{}", kept.text());
}
