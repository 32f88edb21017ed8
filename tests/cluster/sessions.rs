//! Sessions that stay: what they hold is in the way of others until somebody ends them.

use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Error};

use crate::lab::{Lab, Node, Result};
use crate::screen::Screen;
use crate::sql::{self, Account};

const LIMIT: Duration = Duration::from_secs(10);
/// Longer than any act.
const LONG: Duration = Duration::from_secs(300);
/// ER_CON_COUNT_ERROR.
const TOO_MANY: u16 = 1040;
/// More than any server of the lab takes.
const MANY: usize = 1000;

#[derive(Default)]
pub(crate) struct Sessions {
    open: Vec<Conn>,
}

impl Sessions {
    /// Opens one that has carried out these statements.
    pub(crate) fn open(&mut self, lab: &Lab, node: Node, statements: &str) -> Result<()> {
        let mut connection = connect(lab, node, LIMIT)?;
        sql::run(&mut connection, node, statements)?;
        self.open.push(connection);
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.open.clear();
    }

    /// Fills the server with clients until it takes no more, and with the one administrator that it takes then.
    pub(crate) fn crowd(&mut self, screen: &Screen, lab: &Lab, node: Node) -> Result<()> {
        while self.open.len() < MANY {
            match sql::connect(&lab.address(node), &Account::app(), LIMIT) {
                Ok(connection) => self.open.push(connection),
                Err(Error::MySqlError(error)) if error.code == TOO_MANY => {
                    // A monitor may have that connection just now.
                    let last = screen.wait("waiting for the last connection", LIMIT, || connect(lab, node, LIMIT))?;
                    self.open.push(last);
                    return Ok(());
                }
                Err(error) => return Err(format!("{node}: {error}")),
            }
        }
        Err(format!("{node} took {MANY} clients and would take more"))
    }
}

/// Starts a statement that takes long, and returns when it runs. Its session ends with it, or is ended.
pub(crate) fn busy(screen: &Screen, lab: &Lab, node: Node, statement: &'static str) -> Result<()> {
    let mut connection = connect(lab, node, LONG)?;
    let question = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {} AND INFO IS NOT NULL",
        connection.connection_id()
    );
    std::thread::spawn(move || connection.query_drop(statement));
    let mut observer = connect(lab, node, LIMIT)?;
    screen.wait("waiting until the statement runs", LIMIT, || {
        match sql::ask::<u64>(&mut observer, node, &question)? {
            0 => Err("it does not run".to_owned()),
            _ => Ok(()),
        }
    })
}

fn connect(lab: &Lab, node: Node, limit: Duration) -> Result<Conn> {
    sql::connect(&lab.address(node), &Account::administrator(), limit).map_err(|error| format!("{node}: {error}"))
}
