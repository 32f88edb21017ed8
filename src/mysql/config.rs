//! The parameters of `ocf:baton:mysql`: what may be said, and what it means.
//!
//! Invariant: no I/O here. Parameters that users of `ocf:heartbeat:mysql` know keep their name and meaning.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::credentials::Secret;
use super::credentials::{Credentials, Password};
use super::decide::{Loss, Policy};
use super::sql::Tls;
use crate::error::{Error, Result};
use crate::ocf::env::Context;
use crate::ocf::params::{Kind, Param, Params, Strictness};

pub(super) const PARAMS: &[Param] = &[
    Param::new("binary", Kind::Text, ""),
    Param::new("config", Kind::Path, ""),
    Param::new("datadir", Kind::Path, "/var/lib/mysql"),
    Param::new("user", Kind::Text, "mysql"),
    Param::new("group", Kind::Text, "mysql"),
    Param::new("pid", Kind::Path, "/run/mysqld/mysqld.pid"),
    Param::new("socket", Kind::Path, "/run/mysqld/mysqld.sock"),
    Param::new("log", Kind::Path, "/var/log/mysql/error.log"),
    Param::new("additional_parameters", Kind::Text, ""),
    Param::new("admin_user", Kind::Text, "root").reloadable(),
    Param::new("admin_password_file", Kind::Path, "").reloadable(),
    Param::new("replication_user", Kind::Text, "replica"),
    Param::new("replication_password_file", Kind::Path, ""),
    Param::new("replication_password", Kind::Text, "").alias("replication_passwd"),
    Param::new("replication_port", Kind::Integer, "3306"),
    Param::new("replication_ssl", Kind::Boolean, "false"),
    Param::new("replication_ssl_ca", Kind::Path, ""),
    Param::new("replication_ssl_cert", Kind::Path, ""),
    Param::new("replication_ssl_key", Kind::Path, ""),
    Param::new("replication_ssl_verify", Kind::Boolean, "true"),
    Param::new("node_addresses", Kind::Text, ""),
    Param::new("replication", Kind::Choice(&["semi-sync", "async"]), "semi-sync"),
    Param::new("loss", Kind::Choice(&["never", "bounded"]), "never").reloadable(),
    Param::new("event_scheduler", Kind::Boolean, "false"),
    Param::new("max_lag", Kind::Time, "60s")
        .reloadable()
        .alias("max_slave_lag"),
    Param::new("trusted_accounts", Kind::Text, "").reloadable(),
    Param::new("reader_attribute", Kind::Text, "readable").reloadable(),
    Param::new("apply_stall_timeout", Kind::Time, "20s").reloadable(),
    Param::new("hang_timeout", Kind::Time, "3s").reloadable(),
    Param::new("write_timeout", Kind::Time, "5s").reloadable(),
];

/// How replicas reach the primary.
#[derive(Debug, Clone)]
pub(crate) struct Replication {
    pub(crate) credentials: Credentials,
    pub(crate) port: u16,
}

#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The server program as configured; none: the first of the usual places.
    pub(crate) binary: Option<String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) datadir: PathBuf,
    pub(crate) user: String,
    pub(crate) group: String,
    pub(crate) pid: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) additional: Vec<String>,
    pub(crate) admin: Credentials,
    pub(crate) replication: Replication,
    addresses: BTreeMap<String, String>,
    pub(crate) policy: Policy,
    /// Users that may write to a read-only server and are known not to.
    trusted: Vec<String>,
    pub(crate) reader_attribute: String,
    /// Whether the primary runs events.
    pub(crate) event_scheduler: bool,
    /// A drain without progress for so long is given up.
    pub(crate) apply_stall_timeout: Duration,
    /// A server that does not answer within this time is not alive.
    pub(crate) hang_timeout: Duration,
    /// A primary that answers and does not write within this time has a disk that hangs.
    pub(crate) write_timeout: Duration,
}

impl Config {
    /// Reads and checks all parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first one that is wrong.
    pub(crate) fn from(context: &Context, strictness: Strictness) -> Result<Config> {
        let params = context.parameters(strictness);
        params.check()?;
        let text = |name: &str| params.text(name).unwrap_or("").to_owned();
        let words = |name: &str| text(name).split_whitespace().map(str::to_owned).collect();
        let path = |name: &str| params.text(name).map(PathBuf::from);
        let place = |name: &str| PathBuf::from(text(name));
        let time = |name: &str| params.time(name).map(Option::unwrap_or_default);
        Ok(Config {
            binary: params.text("binary").map(str::to_owned),
            config: path("config"),
            datadir: place("datadir"),
            user: text("user"),
            group: text("group"),
            pid: place("pid"),
            socket: place("socket"),
            log: place("log"),
            additional: words("additional_parameters"),
            admin: Credentials {
                user: text("admin_user"),
                password: path("admin_password_file").map(|path| Password::File {
                    parameter: "admin_password_file",
                    path,
                }),
                tls: None,
            },
            replication: replication(params)?,
            addresses: addresses(&text("node_addresses"))?,
            policy: Policy {
                promotable: context.promotable,
                semi_sync: text("replication") == "semi-sync",
                loss: if text("loss") == "bounded" {
                    Loss::Bounded
                } else {
                    Loss::Never
                },
                max_lag: time("max_lag")?,
            },
            trusted: words("trusted_accounts"),
            reader_attribute: text("reader_attribute"),
            event_scheduler: params.boolean("event_scheduler")?,
            apply_stall_timeout: time("apply_stall_timeout")?,
            hang_timeout: time("hang_timeout")?,
            write_timeout: time("write_timeout")?,
        })
    }

    /// Whether this account, `user@host`, is known not to write to a read-only server.
    pub(crate) fn trusts(&self, account: &str) -> bool {
        let user = account.rsplit_once('@').map_or(account, |(user, _)| user);
        self.trusted.iter().any(|trusted| trusted == user || trusted == account)
    }

    /// Where the server of `node` is reached: its entry in `node_addresses`, else its name.
    pub(crate) fn address_of(&self, node: &str) -> String {
        self.addresses.get(node).cloned().unwrap_or_else(|| node.to_owned())
    }

    /// The node whose server has this address.
    pub(crate) fn node_at(&self, address: &str) -> String {
        self.addresses
            .iter()
            .find(|(_, known)| *known == address)
            .map_or_else(|| address.to_owned(), |(node, _)| node.clone())
    }
}

fn replication(params: Params<'_>) -> Result<Replication> {
    let path = |name: &str| params.text(name).map(PathBuf::from);
    let port = params.integer("replication_port")?.unwrap_or_default();
    let file = path("replication_password_file").map(|path| Password::File {
        parameter: "replication_password_file",
        path,
    });
    let given = params
        .text("replication_password")
        .map(|text| Password::Given(Secret::new(text.to_owned())));
    if file.is_some() && given.is_some() {
        return Err(Error::parameter(
            "replication_password",
            "***",
            "give either replication_password or replication_password_file, not both",
        ));
    }
    let tls = params.boolean("replication_ssl")?.then(|| {
        Ok::<Tls, Error>(Tls {
            ca: path("replication_ssl_ca"),
            verify: params.boolean("replication_ssl_verify")?,
            identity: path("replication_ssl_cert").zip(path("replication_ssl_key")),
        })
    });
    Ok(Replication {
        credentials: Credentials {
            user: params.text("replication_user").unwrap_or("").to_owned(),
            password: file.or(given),
            tls: tls.transpose()?,
        },
        port: u16::try_from(port)
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| Error::parameter("replication_port", &port.to_string(), "must be a port, 1 to 65535"))?,
    })
}

/// `n1=10.0.0.1 n2=10.0.0.2`, separated by blanks, commas or semicolons.
fn addresses(text: &str) -> Result<BTreeMap<String, String>> {
    text.split([' ', ',', ';', '\t', '\n'])
        .filter(|entry| !entry.is_empty())
        .map(|entry| match entry.split_once('=') {
            Some((node, address)) if !node.is_empty() && !address.is_empty() => {
                Ok((node.to_owned(), address.to_owned()))
            }
            _ => Err(Error::parameter(
                "node_addresses",
                entry,
                "must be a list of node=address",
            )),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ocf::env::Env;
    use crate::ocf::metadata;

    fn config(pairs: &[(&str, &str)]) -> Result<Config> {
        Config::from(&Context::new(Env::of(pairs), PARAMS)?, Strictness::RefuseAll)
    }

    #[test]
    fn metadata_and_table_agree() {
        assert_eq!(metadata::disagreements(&crate::mysql::AGENT), Vec::<String>::new());
    }

    #[test]
    fn every_default_is_valid() {
        let config = config(&[]).unwrap();
        assert_eq!(config.datadir, PathBuf::from("/var/lib/mysql"));
        assert_eq!(config.hang_timeout, Duration::from_secs(3));
        assert!(config.policy.semi_sync && !config.policy.promotable);
        assert!(config.admin.password.is_none() && config.replication.credentials.tls.is_none());
    }

    #[test]
    fn an_address_names_its_node_and_back() {
        let config = config(&[("OCF_RESKEY_node_addresses", "n1=10.0.0.1, n2=10.0.0.2")]).unwrap();
        assert_eq!(config.address_of("n2"), "10.0.0.2");
        assert_eq!(config.address_of("n3"), "n3");
        assert_eq!(config.node_at("10.0.0.1"), "n1");
        assert_eq!(config.node_at("n3"), "n3");
    }

    #[test]
    fn wrong_values_are_named() {
        for (name, value) in [
            ("datadir", "relative/path"),
            ("replication", "sync"),
            ("replication_port", "0"),
            ("replication_port", "65536"),
            ("node_addresses", "n1"),
            ("max_lag", "soon"),
            ("replication_ssl", "perhaps"),
        ] {
            let error = config(&[(&format!("OCF_RESKEY_{name}"), value)]).unwrap_err();
            assert!(error.to_string().contains(&format!("{name}=\"{value}\"")), "{error}");
        }
    }

    #[test]
    fn two_passwords_are_refused_without_showing_one() {
        let error = config(&[
            ("OCF_RESKEY_replication_password", "s3cret"),
            ("OCF_RESKEY_replication_password_file", "/etc/p"),
        ])
        .unwrap_err()
        .to_string();
        assert!(error.contains("not both") && !error.contains("s3cret"), "{error}");
    }
}
