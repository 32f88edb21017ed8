//! Which face of the binary was called: by the name it was called with, else by the first argument.

use std::path::Path;
use std::process::ExitCode;

use crate::{cli, fence, floating_ip, mysql, ocf};

struct Applet {
    name: &'static str,
    purpose: &'static str,
    run: fn(&[String]) -> ExitCode,
}

const APPLETS: [Applet; 4] = [
    Applet {
        name: "mysql",
        purpose: "OCF agent: promotable MySQL/MariaDB server (ocf:baton:mysql)",
        run: |arguments| ocf::serve(&mysql::AGENT, arguments),
    },
    Applet {
        name: "floating-ip",
        purpose: "OCF agent: the address that clients use (ocf:baton:floating-ip)",
        run: floating_ip::main,
    },
    Applet {
        name: "fence_baton",
        purpose: "STONITH plugin: switches a node off and proves it",
        run: fence::main,
    },
    // fence_baton starts this one: the slices do not know each other, and only here they meet.
    Applet {
        name: "sql-fence",
        purpose: "closes the database of a node that is being fenced (option sql_fence of fence_baton)",
        run: mysql::sql_fence::main,
    },
];

/// The operator's own name of the binary; under it the first argument may name an applet.
const OPERATOR: &str = "baton";
const USAGE_EXIT: u8 = 2;

/// Runs the applet that `arguments` (argv, program name first) ask for.
pub(crate) fn run(arguments: Vec<String>) -> ExitCode {
    let called = arguments.first().map_or("", |path| base_name(path));
    let rest = arguments.get(1..).unwrap_or_default();
    if let Some(applet) = find(called) {
        return (applet.run)(rest);
    }
    if called != OPERATOR {
        eprintln!("{called}: baton has no applet of this name\n\n{}", usage());
        return ExitCode::from(USAGE_EXIT);
    }
    match rest.split_first() {
        Some((first, tail)) => match find(first) {
            Some(applet) => (applet.run)(tail),
            None => cli::main(rest, &usage()),
        },
        None => {
            eprintln!("{}", usage());
            ExitCode::from(USAGE_EXIT)
        }
    }
}

fn base_name(path: &str) -> &str {
    Path::new(path)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(path)
}

fn find(name: &str) -> Option<&'static Applet> {
    APPLETS.iter().find(|applet| applet.name == name)
}

fn usage() -> String {
    let mut text = format!(
        "baton {} passes the write role of a replicated MySQL or MariaDB server between nodes under Pacemaker\n\n\
         usage: baton APPLET ARGUMENT..., or through a link that has the applet's name\n\n",
        env!("CARGO_PKG_VERSION")
    );
    for applet in &APPLETS {
        text.push_str(&format!("  {:<12} {}\n", applet.name, applet.purpose));
    }
    text.push_str(cli::USAGE);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_applet_is_the_base_name_of_any_path() {
        for path in ["mysql", "./mysql", "/usr/lib/ocf/resource.d/baton/mysql", "//mysql"] {
            assert_eq!(find(base_name(path)).map(|applet| applet.name), Some("mysql"), "{path}");
        }
        assert!(find(base_name("/usr/bin/mysqld")).is_none());
        assert!(find(base_name("")).is_none());
    }
}
