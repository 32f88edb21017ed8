//! Privileges without which the agent works and something that protects the data does not, and those of other accounts.

use mysql::prelude::Queryable;

use crate::lab::{Lab, N1, N2};
use crate::support::server::Server;

fn administered() -> Lab {
    let lab = Lab::of(Server::administered).serve();
    lab.await_ackers(N1, 2);
    lab.monitor(N1).expect(8);
    lab
}

fn run(lab: &Lab, statements: &[&str]) {
    let mut root = lab.server(N1).root();
    for statement in statements {
        root.query_drop(*statement).unwrap();
    }
}

#[test]
fn what_the_account_may_not_do_for_a_protection_is_a_weakness_that_names_the_grant() {
    let lab = administered();
    // SUPER has all the others in it until MariaDB 11.
    run(&lab, &["REVOKE BINLOG ADMIN, SUPER ON *.* FROM baton@localhost"]);
    lab.monitor(N1)
        .expect(191)
        .says(&["write_timeout", "GRANT BINLOG ADMIN ON *.* TO baton@localhost"]);
    run(&lab, &["GRANT BINLOG ADMIN, SUPER ON *.* TO baton@localhost"]);
    lab.monitor(N1).expect(8);
    run(&lab, &["REVOKE SELECT ON mysql.global_priv FROM baton@localhost"]);
    let says = ["GRANT SELECT ON mysql.global_priv", "mysql.roles_mapping"];
    lab.monitor(N1).expect(191).says(&says);
    let level_10 = lab.call(N1).env("OCF_CHECK_LEVEL", "10");
    level_10.run("validate-all").expect(190).says(&says);
}

/// The agent's own account at another host is another account; root is the administrator wherever it comes from.
#[test]
fn accounts_that_may_write_to_a_read_only_server_are_named() {
    let lab = administered();
    run(
        &lab,
        &[
            "CREATE USER root@'%' IDENTIFIED BY 'root'",
            "GRANT ALL ON *.* TO root@'%'",
            "CREATE USER baton@'%' IDENTIFIED BY 'baton'",
            "GRANT READ ONLY ADMIN ON *.* TO baton@'%'",
        ],
    );
    let says = ["baton@% may write to a read-only server"];
    lab.monitor(N1).expect(191).says(&says);
    crate::support::eventually("the accounts on n2", crate::support::server::SOON, || {
        let monitor = lab.monitor(N2);
        (monitor.code == 190 && monitor.stderr.contains(says[0])).then_some(())
    });
    for trusted in ["baton", "somebody baton@%"] {
        let trusting = lab.call(N1).param("trusted_accounts", trusted);
        trusting.run("monitor").expect(8);
    }
    let other = lab.call(N1).param("trusted_accounts", "baton@localhost");
    other.run("monitor").expect(191).says(&says);
    run(&lab, &["DROP USER root@'%', baton@'%'"]);
    lab.monitor(N1).expect(8);
}

/// The server grants it to them as it reads the row, and shows it in SHOW GRANTS only.
#[test]
fn an_account_that_an_old_version_gave_super_is_named() {
    const SUPER: u64 = 1 << 15;
    let lab = administered();
    run(
        &lab,
        &[
            "CREATE USER veteran@'%' IDENTIFIED BY 'veteran'",
            "GRANT INSERT, SELECT ON app.* TO veteran@'%'",
            &format!(
                "UPDATE mysql.global_priv SET Priv = JSON_SET(JSON_REMOVE(Priv, '$.version_id'), '$.access', {SUPER}) \
                 WHERE User = 'veteran'"
            ),
            "FLUSH PRIVILEGES",
        ],
    );
    lab.await_follows(N2, N1);
    let grants: Vec<String> = lab.server(N1).root().query("SHOW GRANTS FOR veteran@'%'").unwrap();
    assert!(grants[0].contains("READ_ONLY ADMIN"), "{grants:?}");
    lab.monitor(N1)
        .expect(191)
        .says(&["veteran@% may write to a read-only server"]);
    // What a GRANT writes is read as it stands.
    run(&lab, &["REVOKE SUPER, READ ONLY ADMIN ON *.* FROM veteran@'%'"]);
    lab.monitor(N1).expect(8);
}
