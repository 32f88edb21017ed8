//! The connection to a server: statements in, rows of text out. The only file that knows the driver crate.
//!
//! Every connection has a time limit for each answer. A statement that carries a password is never shown.

use std::path::PathBuf;
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{ClientIdentity, Conn, DriverError, OptsBuilder, SslOpts, Value};

use super::credentials::Secret;
use crate::error::{Error, Result};
use crate::sys::deadline::Deadline;
use crate::sys::limit::within;
use crate::sys::resolve;

/// Where a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Socket(PathBuf),
    Tcp { host: String, port: u16 },
}

impl Address {
    /// Where a host is reached, in the order in which to try. The driver would look its name up without a deadline. But it
    /// verifies a certificate for what it connects to: only there it gets the name, which somebody just answered for.
    ///
    /// # Errors
    /// Those of [`resolve::addresses`].
    pub(crate) fn of(host: &str, port: u16, login: &Login, deadline: Deadline) -> Result<Vec<Address>> {
        let found = resolve::addresses(host, port, deadline)?;
        let hosts = if login.tls.as_ref().is_some_and(|tls| tls.verify) {
            vec![host.to_owned()]
        } else {
            found.iter().map(|address| address.ip().to_string()).collect()
        };
        Ok(hosts.into_iter().map(|host| Address::Tcp { host, port }).collect())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Socket(path) => write!(f, "{}", path.display()),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// How an encrypted connection is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) verify: bool,
    /// Certificate and key of this side, for accounts that ask for them.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) tls: Option<Tls>,
}

/// A statement and the form of it that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    sql: String,
    shown: String,
    secret: Option<Secret>,
}

impl Statement {
    /// A statement of which only `shown` may be shown, because it carries `secret`.
    pub(crate) fn hiding(sql: String, shown: String, secret: Secret) -> Statement {
        Statement {
            sql,
            shown,
            secret: Some(secret),
        }
    }

    /// The server quotes a part of a statement that it cannot read: the secret must not be in that either.
    fn without_secret(&self, message: &str) -> String {
        match &self.secret {
            Some(secret) if !secret.reveal().is_empty() => {
                let quoted = quote(secret.reveal());
                message
                    .replace(quoted.trim_matches('\''), "***")
                    .replace(secret.reveal(), "***")
            }
            Some(_) | None => message.to_owned(),
        }
    }
}

impl From<&str> for Statement {
    fn from(sql: &str) -> Statement {
        Statement {
            sql: sql.to_owned(),
            shown: sql.to_owned(),
            secret: None,
        }
    }
}

impl From<String> for Statement {
    fn from(sql: String) -> Statement {
        Statement {
            shown: sql.clone(),
            sql,
            secret: None,
        }
    }
}

/// A text as an SQL literal, for the statements that take no parameters. Right for the `sql_mode` that
/// [`Connection::open`] sets.
pub(crate) fn quote(text: &str) -> String {
    format!(
        "'{}'",
        text.replace('\\', "\\\\").replace('\'', "''").replace('\0', "\\0")
    )
}

/// One row, columns by name, values as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row(Vec<(String, Option<String>)>);

impl Row {
    #[cfg(test)]
    pub(crate) fn of(columns: &[(&str, Option<&str>)]) -> Row {
        let owned = |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
        Row(columns.iter().map(owned).collect())
    }

    /// The value under the first of these names that the row has; none for NULL too.
    pub(crate) fn get(&self, names: &[&str]) -> Option<&str> {
        names
            .iter()
            .find_map(|name| self.0.iter().find(|(column, _)| column.eq_ignore_ascii_case(name)))
            .and_then(|(_, value)| value.as_deref())
    }

    /// The value of a column that must be there.
    pub(crate) fn text(&self, names: &[&str]) -> Result<&str> {
        self.get(names).ok_or_else(|| Error::Unexpected {
            from: format!("the server, column {}", names.join(" or ")),
            got: "no value".to_owned(),
        })
    }

    /// The value of a column that must hold a number.
    pub(crate) fn number(&self, names: &[&str]) -> Result<u64> {
        let text = self.text(names)?;
        text.parse().map_err(|_| Error::Unexpected {
            from: format!("the server, column {}", names.join(" or ")),
            got: text.to_owned(),
        })
    }

    /// The value of a switch: `ON`, `1`, `Yes`.
    pub(crate) fn switch(&self, names: &[&str]) -> Result<bool> {
        self.text(names)
            .map(|text| ["1", "on", "yes"].contains(&text.to_ascii_lowercase().as_str()))
    }
}

pub(crate) struct Connection {
    driver: Conn,
    address: Address,
}

impl Connection {
    /// Connects and logs in; every answer must come within `limit`.
    ///
    /// # Errors
    /// [`Error::TooManyConnections`] and [`Error::Sql`] when the server answered and refused: it is alive.
    /// [`Error::Connection`] when it did not answer or nobody listens.
    pub(crate) fn open(address: &Address, login: &Login, limit: Duration) -> Result<Connection> {
        let limit = limit.max(Duration::from_millis(1));
        let mut options = OptsBuilder::new()
            .user(Some(&login.user))
            .pass(login.password.as_ref().map(Secret::reveal))
            .prefer_socket(false)
            .read_timeout(Some(limit))
            .write_timeout(Some(limit))
            .tcp_connect_timeout(Some(limit))
            .max_allowed_packet(Some(1 << 24))
            .stmt_cache_size(Some(0))
            .init(vec!["SET sql_mode=''"]);
        options = match address {
            Address::Socket(path) => options.socket(Some(path.display().to_string())),
            Address::Tcp { host, port } => options.ip_or_hostname(Some(host)).tcp_port(*port),
        };
        if let Some(tls) = &login.tls {
            let identity = tls
                .identity
                .clone()
                .map(|(certificate, key)| ClientIdentity::new(certificate, key));
            let ssl = SslOpts::default()
                .with_client_identity(identity)
                .with_root_cert_path(tls.ca.clone())
                .with_danger_accept_invalid_certs(!tls.verify)
                .with_danger_skip_domain_validation(!tls.verify);
            options = options.ssl_opts(ssl);
        }
        // The driver waits for ever where a local socket's queue is full, or where the name of a verified host is not
        // found. Twice, as connecting takes more than one answer.
        match within(limit * 2, move || Conn::new(options)) {
            Some(Ok(driver)) => Ok(Connection {
                driver,
                address: address.clone(),
            }),
            Some(Err(error)) => Err(classify(error, "connecting", address)),
            None => Err(silent(address, "connecting")),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.driver.connection_id().into()
    }

    /// Runs a statement that returns no rows.
    pub(crate) fn run(&mut self, statement: impl Into<Statement>) -> Result<()> {
        let statement = statement.into();
        let address = &self.address;
        let result = self.driver.query_drop(&statement.sql);
        result.map_err(|error| match classify(error, &statement.shown, address) {
            Error::Sql {
                statement: shown,
                code,
                message,
            } => Error::Sql {
                statement: shown,
                code,
                message: statement.without_secret(&message),
            },
            other => other,
        })
    }

    pub(crate) fn rows(&mut self, sql: &str) -> Result<Vec<Row>> {
        let address = &self.address;
        let rows: Vec<mysql::Row> = self.driver.query(sql).map_err(|error| classify(error, sql, address))?;
        Ok(rows.into_iter().map(to_row).collect())
    }

    /// The only row of a query that always has one.
    pub(crate) fn row(&mut self, sql: &str) -> Result<Row> {
        self.rows(sql)?.into_iter().next().ok_or_else(|| Error::Unexpected {
            from: format!("server at {}: {sql}", self.address),
            got: "no row".to_owned(),
        })
    }
}

fn to_row(row: mysql::Row) -> Row {
    let names: Vec<String> = row
        .columns_ref()
        .iter()
        .map(|column| column.name_str().into_owned())
        .collect();
    let values = mysql::Row::unwrap(row).into_iter().map(to_text);
    Row(names.into_iter().zip(values).collect())
}

fn to_text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Double(number) => Some(number.to_string()),
        Value::Date(..) | Value::Time(..) => Some(value.as_sql(true)),
    }
}

/// Errors by which a server says that it is full, before anyone is logged in: ER_CON_COUNT_ERROR,
/// ER_USER_LIMIT_REACHED.
const FULL: [u16; 2] = [1040, 1203];

fn classify(error: mysql::Error, shown: &str, address: &Address) -> Error {
    match error {
        mysql::Error::MySqlError(error) if FULL.contains(&error.code) => Error::TooManyConnections(error.code),
        mysql::Error::MySqlError(error) => Error::Sql {
            statement: shown.to_owned(),
            code: error.code,
            message: error.message,
        },
        mysql::Error::DriverError(DriverError::UnknownAuthPlugin(plugin)) => Error::Sql {
            statement: shown.to_owned(),
            code: 0,
            message: format!("the account asks for authentication by {plugin}, which this client does not know"),
        },
        error if is_timeout(&error) => silent(address, shown),
        other => Error::Connection {
            address: address.to_string(),
            message: format!("{shown}: {other}"),
        },
    }
}

fn silent(address: &Address, doing: &str) -> Error {
    Error::Connection {
        address: address.to_string(),
        message: format!("no answer in time while {doing}"),
    }
}

/// The driver hides the error of a socket in another one as long as it is connecting.
fn is_timeout(error: &mysql::Error) -> bool {
    use std::error::Error;
    let io = if let mysql::Error::IoError(error) = error {
        Some(error)
    } else if let mysql::Error::CodecError(error) = error {
        error.source().and_then(|source| source.downcast_ref())
    } else {
        None
    };
    io.is_some_and(|error: &std::io::Error| {
        matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_cannot_be_left() {
        assert_eq!(quote("simple"), "'simple'");
        assert_eq!(quote("it's"), "'it''s'");
        assert_eq!(quote("\\"), "'\\\\'");
        assert_eq!(quote("\\' OR 1"), "'\\\\'' OR 1'");
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = Secret::new("s3cret".to_owned());
        assert_eq!(format!("{secret:?}"), "***");
        let sql = "CHANGE MASTER TO MASTER_PASSWORD='s3cret'".to_owned();
        let statement = Statement::hiding(sql, "CHANGE MASTER TO ...".to_owned(), secret);
        assert_eq!(
            statement.without_secret("syntax error near 's3cret'"),
            "syntax error near '***'"
        );
    }

    #[test]
    fn a_full_server_is_told_from_a_dead_one() {
        let address = Address::Socket("/run/x.sock".into());
        let full = mysql::Error::MySqlError(mysql::MySqlError {
            state: "08004".to_owned(),
            message: "Too many connections".to_owned(),
            code: 1040,
        });
        assert!(matches!(
            classify(full, "connecting", &address),
            Error::TooManyConnections(1040)
        ));
        let gone = mysql::Error::IoError(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        assert!(matches!(
            classify(gone, "connecting", &address),
            Error::Connection { .. }
        ));
    }

    #[test]
    fn columns_are_found_by_any_of_their_names() {
        let row = Row::of(&[
            ("Master_Host", Some("n1")),
            ("Gtid_IO_Pos", None),
            ("read_only", Some("1")),
        ]);
        assert_eq!(row.get(&["Source_Host", "master_host"]), Some("n1"));
        assert_eq!(row.get(&["Gtid_IO_Pos"]), None);
        assert!(row.switch(&["read_only"]).unwrap());
        assert!(row.number(&["Master_Host"]).unwrap_err().to_string().contains("n1"));
    }
}
