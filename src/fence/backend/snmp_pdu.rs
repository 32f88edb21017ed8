//! Power distribution units with switched outlets, over SNMP. Which kind it is, the device says itself (sysObjectID).
//!
//! A plug is an outlet's number. What the device has no variable for is an error: other agents took it for "off".

use std::cell::OnceCell;

use super::address;
use super::snmp::{Access, Agent, Cipher, Oid, Signature, User, Value};
use crate::error::{Error, Result};
use crate::fence::options::{Options, Values};
use crate::fence::power::{Listed, Power, State};
use crate::fence::secret;
use crate::sys::deadline::Deadline;

const SYS_OBJECT_ID: [u32; 9] = [1, 3, 6, 1, 2, 1, 1, 2, 0];
const PORT: u16 = 161;
const MOST_OUTLETS: usize = 1024;

/// A kind of device: which variable has an outlet's state, its switch and its name, and what their numbers mean. The
/// outlet's number comes after each.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    /// What its sysObjectID begins with.
    is: &'static [u32],
    state: &'static [u32],
    switch: &'static [u32],
    label: &'static [u32],
    /// (on, off), as the state says it.
    says: (i64, i64),
    /// (on, off), as the switch takes it.
    takes: (i64, i64),
}

/// The longest beginning that fits wins. Sources: the vendors' PowerNet-MIB, TRIPPLITE-PRODUCTS, CPS-MIB.
const KINDS: [Kind; 5] = [
    Kind {
        name: "APC rack PDU (rPDU)",
        is: &[1, 3, 6, 1, 4, 1, 318, 1, 3, 4, 5],
        state: &[1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 5, 1, 1, 4],
        switch: &[1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 3, 1, 1, 4],
        label: &[1, 3, 6, 1, 4, 1, 318, 1, 1, 12, 3, 5, 1, 1, 2],
        says: (1, 2),
        takes: (1, 2),
    },
    // off(1) and on(2) here, but immediateOn(1) and immediateOff(2) there.
    Kind {
        name: "APC rack PDU (rPDU2)",
        is: &[1, 3, 6, 1, 4, 1, 318, 1, 3, 4, 6],
        state: &[1, 3, 6, 1, 4, 1, 318, 1, 1, 26, 9, 2, 3, 1, 5],
        switch: &[1, 3, 6, 1, 4, 1, 318, 1, 1, 26, 9, 2, 4, 1, 5],
        label: &[1, 3, 6, 1, 4, 1, 318, 1, 1, 26, 9, 2, 3, 1, 3],
        says: (2, 1),
        takes: (1, 2),
    },
    Kind {
        name: "Tripp Lite PDU",
        is: &[1, 3, 6, 1, 4, 1, 850, 1],
        state: &[1, 3, 6, 1, 4, 1, 850, 10, 2, 3, 5, 1, 2, 1],
        switch: &[1, 3, 6, 1, 4, 1, 850, 10, 2, 3, 5, 1, 4, 1],
        label: &[1, 3, 6, 1, 4, 1, 850, 10, 2, 3, 5, 1, 5, 1],
        says: (2, 1),
        takes: (2, 1),
    },
    Kind {
        name: "Tripp Lite PDU (LX)",
        is: &[1, 3, 6, 1, 4, 1, 850, 1, 1, 1],
        state: &[1, 3, 6, 1, 4, 1, 850, 1, 1, 3, 2, 3, 3, 1, 1, 4, 1],
        switch: &[1, 3, 6, 1, 4, 1, 850, 1, 1, 3, 2, 3, 3, 1, 1, 6, 1],
        label: &[1, 3, 6, 1, 4, 1, 850, 1, 1, 3, 2, 3, 3, 1, 1, 2, 1],
        says: (2, 1),
        takes: (2, 1),
    },
    Kind {
        name: "CyberPower PDU",
        is: &[1, 3, 6, 1, 4, 1, 3808],
        state: &[1, 3, 6, 1, 4, 1, 3808, 1, 1, 3, 3, 5, 1, 1, 4],
        switch: &[1, 3, 6, 1, 4, 1, 3808, 1, 1, 3, 3, 3, 1, 1, 4],
        label: &[1, 3, 6, 1, 4, 1, 3808, 1, 1, 3, 3, 3, 1, 1, 2],
        says: (1, 2),
        takes: (1, 2),
    },
];

pub(crate) struct SnmpPdu {
    name: String,
    agent: Agent,
    kind: OnceCell<&'static Kind>,
}

impl SnmpPdu {
    pub(crate) fn new(options: &Options, deadline: Deadline) -> Result<SnmpPdu> {
        let values = &options.values;
        let host = address::host(options)?;
        let at = address::resolved(values, &host, values.number("ipport", 1)?.unwrap_or(PORT), deadline)?;
        Ok(SnmpPdu {
            name: format!("the device at {host}"),
            agent: Agent::new(host, at, access(values, deadline)?),
            kind: OnceCell::new(),
        })
    }

    fn kind(&self, deadline: Deadline) -> Result<&'static Kind> {
        if let Some(kind) = self.kind.get() {
            return Ok(kind);
        }
        let kind = match self.agent.get(&Oid::new(&SYS_OBJECT_ID), deadline)? {
            Value::Name(oid) => recognised(&oid).ok_or_else(|| {
                let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
                let known = known.join(", ");
                Error::State(format!("{} calls itself {oid}, which is none of: {known}", self.name))
            })?,
            other => return Err(self.unexpected(format!("{other:?} for sysObjectID"))),
        };
        Ok(self.kind.get_or_init(|| kind))
    }

    fn switch(&self, plug: &str, on: bool, deadline: Deadline) -> Result<()> {
        let kind = self.kind(deadline)?;
        let number = if on { kind.takes.0 } else { kind.takes.1 };
        let oid = Oid::new(kind.switch).child(outlet(plug)?);
        self.agent.set(&oid, Value::Number(number), deadline)
    }

    fn unexpected(&self, got: String) -> Error {
        Error::Unexpected {
            from: self.name.clone(),
            got,
        }
    }
}

impl Power for SnmpPdu {
    fn describe(&self, deadline: Deadline) -> Result<String> {
        Ok(format!("{} is a {}", self.name, self.kind(deadline)?.name))
    }

    fn status(&self, plug: &str, deadline: Deadline) -> Result<State> {
        let kind = self.kind(deadline)?;
        let oid = Oid::new(kind.state).child(outlet(plug)?);
        match self.agent.get(&oid, deadline)? {
            Value::Number(number) => meaning(kind, number).ok_or_else(|| {
                self.unexpected(format!(
                    "{number} for the state of outlet {plug}, which is neither on nor off"
                ))
            }),
            Value::Missing => Err(Error::State(format!(
                "{} has no outlet {plug}; that is no proof that the node is off: check plug and pcmk_host_map",
                self.name
            ))),
            other => Err(self.unexpected(format!("{other:?} for the state of outlet {plug}"))),
        }
    }

    fn off(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.switch(plug, false, deadline)
    }

    fn on(&self, plug: &str, deadline: Deadline) -> Result<()> {
        self.switch(plug, true, deadline)
    }

    fn list(&self, deadline: Deadline) -> Result<Vec<Listed>> {
        let kind = self.kind(deadline)?;
        let states = self.agent.walk(kind.state, MOST_OUTLETS, deadline)?;
        let labels = self.agent.walk(kind.label, MOST_OUTLETS, deadline)?;
        let listed = states.iter().filter_map(|(oid, value)| {
            let outlet = oid.last()?;
            let label = labels.iter().find(|(oid, _)| oid.last() == Some(outlet));
            Some(Listed {
                plug: outlet.to_string(),
                alias: label.map(|(_, value)| text(value)).unwrap_or_default(),
                state: match value {
                    Value::Number(number) => meaning(kind, *number),
                    _ => None,
                },
            })
        });
        Ok(listed.collect())
    }

    fn warnings(&self, plug: &str, _: Deadline) -> Result<Vec<String>> {
        outlet(plug)?;
        Ok(Vec::new())
    }

    fn risks(&self) -> Vec<String> {
        self.agent.in_the_open().map(str::to_owned).into_iter().collect()
    }
}

fn recognised(oid: &Oid) -> Option<&'static Kind> {
    let fitting = KINDS.iter().filter(|kind| oid.is_within(kind.is));
    fitting.max_by_key(|kind| kind.is.len())
}

fn meaning(kind: &Kind, number: i64) -> Option<State> {
    match number {
        number if number == kind.says.0 => Some(State::On),
        number if number == kind.says.1 => Some(State::Off),
        _ => None,
    }
}

fn outlet(plug: &str) -> Result<u32> {
    let number = plug.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Error::parameter("plug", plug, "must be an outlet's number"))
}

/// A label as the device shows it, but never with what would end its field or line.
fn text(value: &Value) -> String {
    let Value::Text(bytes) = value else {
        return String::new();
    };
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control() && !",;".contains(*c)).collect()
}

fn access(values: &Values, deadline: Deadline) -> Result<Access> {
    let version = match values.choice("snmp_version")? {
        "1" => 0,
        "2c" => 1,
        _ => return user(values, deadline).map(Access::User),
    };
    let community = match values.text("community") {
        Some(community) => community.to_owned(),
        None => secret::password(values, deadline)?.unwrap_or_default(),
    };
    if community.is_empty() {
        let allowed = "must be the community with write access; or set password_file, or snmp_version=3";
        return Err(Error::parameter("community", "", allowed));
    }
    Ok(Access::Community(version, community))
}

fn user(values: &Values, deadline: Deadline) -> Result<User> {
    let name = values.text("username").unwrap_or_default();
    if name.is_empty() {
        return Err(Error::parameter(
            "username",
            "",
            "must name the account, with snmp_version=3",
        ));
    }
    let level = values.choice("snmp_sec_level")?;
    let signature = Signature::parse(values.choice("snmp_auth_prot")?).filter(|_| level != "noAuthNoPriv");
    let cipher = Cipher::parse(values.choice("snmp_priv_prot")?).filter(|_| level == "authPriv");
    let password = secret::password(values, deadline)?.unwrap_or_default();
    let hiding = secret::of("snmp_priv_passwd", values, deadline)?.unwrap_or_else(|| password.clone());
    for (needed, name, secret) in [
        (signature.is_some(), "password", &password),
        (cipher.is_some(), "snmp_priv_passwd", &hiding),
    ] {
        // The standard's own minimum: what is shorter no device accepts.
        if needed && secret.len() < 8 {
            return Err(Error::parameter(
                name,
                "***",
                "must have at least 8 characters, with snmp_version=3",
            ));
        }
    }
    Ok(User {
        name: name.to_owned(),
        signature: signature.map(|signature| (signature, password)),
        cipher: cipher.map(|cipher| (cipher, hiding)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(numbers: &[u32]) -> Option<&'static str> {
        recognised(&Oid::new(numbers)).map(|kind| kind.name)
    }

    #[test]
    fn a_device_is_what_the_longest_beginning_says() {
        assert_eq!(
            kind_of(&[1, 3, 6, 1, 4, 1, 318, 1, 3, 4, 5]),
            Some("APC rack PDU (rPDU)")
        );
        assert_eq!(
            kind_of(&[1, 3, 6, 1, 4, 1, 318, 1, 3, 4, 6]),
            Some("APC rack PDU (rPDU2)")
        );
        assert_eq!(kind_of(&[1, 3, 6, 1, 4, 1, 850, 1]), Some("Tripp Lite PDU"));
        assert_eq!(kind_of(&[1, 3, 6, 1, 4, 1, 850, 1, 1, 1]), Some("Tripp Lite PDU (LX)"));
        assert_eq!(kind_of(&[1, 3, 6, 1, 4, 1, 3808, 1, 1, 3, 7]), Some("CyberPower PDU"));
        assert_eq!(
            kind_of(&[1, 3, 6, 1, 4, 1, 8072, 3, 2, 10]),
            None,
            "a Linux machine's snmpd"
        );
        assert_eq!(kind_of(&[1, 3, 6, 1, 4, 1, 318, 1, 3, 5, 4]), None, "an APC UPS");
        assert_eq!(kind_of(&[]), None);
    }

    #[test]
    fn only_the_kinds_own_number_means_off() {
        for kind in &KINDS {
            for number in -1..9 {
                let expected = match number {
                    number if number == kind.says.0 => Some(State::On),
                    number if number == kind.says.1 => Some(State::Off),
                    _ => None,
                };
                assert_eq!(meaning(kind, number), expected, "{} {number}", kind.name);
            }
            assert_ne!(kind.says.0, kind.says.1);
        }
    }

    #[test]
    fn a_plug_is_a_number() {
        assert_eq!(outlet("24").ok(), Some(24));
        for bad in ["0", "", "-1", "1.2", "node1", "4294967296"] {
            assert!(outlet(bad).is_err(), "{bad}");
        }
    }
}
