//! Accounts of this node, read from /etc/passwd.
//!
//! Not through libc: in a static glibc binary `getpwnam` of an unknown name crashes where nsswitch.conf says
//! `passwd: files systemd`, which is Debian's default.

use std::path::Path;

use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The account with this name; none when /etc/passwd does not have it.
pub(crate) fn account(name: &str) -> Result<Option<Account>> {
    let path = Path::new("/etc/passwd");
    let text = std::fs::read_to_string(path).map_err(|error| Error::file("cannot read", path, error))?;
    Ok(find(&text, name))
}

/// The id of the group with this name; none when /etc/group does not have it.
pub(crate) fn group(name: &str) -> Result<Option<u32>> {
    let path = Path::new("/etc/group");
    let text = std::fs::read_to_string(path).map_err(|error| Error::file("cannot read", path, error))?;
    Ok(text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name))
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    }))
}

fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let mut ids = fields.skip(1);
        Some(Account {
            name: name.to_owned(),
            uid: ids.next()?.parse().ok()?,
            gid: ids.next()?.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let text = "root:x:0:0:root:/root:/bin/bash\nmysql:x:101:102::/nonexistent:/bin/false\n";
        let mysql = Account {
            name: "mysql".to_owned(),
            uid: 101,
            gid: 102,
        };
        assert_eq!(find(text, "mysql"), Some(mysql));
        assert_eq!(find(text, "mys"), None);
        assert_eq!(find("mysql:x:notanumber:1::/:/", "mysql"), None);
    }

    #[test]
    fn an_unknown_name_is_no_crash_in_a_static_binary() {
        assert_eq!(account("no_such_user_here").unwrap(), None);
        assert_eq!(group("no_such_group_here").unwrap(), None);
        assert_eq!(account("root").unwrap().map(|root| root.uid), Some(0));
    }
}
