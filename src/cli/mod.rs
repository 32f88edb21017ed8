//! What an operator types: `baton COMMAND`.

use std::process::ExitCode;

pub(crate) const USAGE: &str = "\n  --version    the version of this binary\n  --help       this text\n";

/// Runs an operator's command; `usage` is the text of the whole binary.
pub(crate) fn main(arguments: &[String], usage: &str) -> ExitCode {
    match arguments.first().map(String::as_str) {
        Some("--version" | "-V") => {
            eprintln!("baton {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some("--help" | "-h") => {
            eprintln!("{usage}");
            ExitCode::SUCCESS
        }
        other => {
            eprintln!("baton: unknown command \"{}\"\n\n{usage}", other.unwrap_or(""));
            ExitCode::from(2)
        }
    }
}
