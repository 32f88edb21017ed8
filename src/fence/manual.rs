//! The manual page, made from the metadata. The language is that of man(7).

use super::document::Document;

const SYNOPSIS: &str = ".SH SYNOPSIS\n.B fence_baton\n[\\fIoption\\fR]...\n.br\n.B fence_baton\n< \\fIoptions\\fR\n.PP\n\
Without an option on the command line, options are read from stdin, as lines \\fIname\\fR=\\fIvalue\\fR; a name there has \
_ where the command line has \\-, and no dashes in front. This is how Pacemaker passes them.\n";
const EXIT_STATUS: &str = ".SH EXIT STATUS\n.TP\n.B 0\nSuccess; of status: at least one plug is on.\n.TP\n.B 1\nFailure, or \
it cannot be told.\n.TP\n.B 2\nOf status: every plug is off.\n";
const SEE_ALSO: &str = ".SH SEE ALSO\n.BR stonith_admin (8),\n.BR pacemaker-fenced (7)\n";

/// What each action does, in the order of the metadata; a test proves that none is missing.
pub(super) const ACTIONS: &[(&str, &str)] = &[
    ("on", "Switches all plugs on and waits until they say so."),
    ("off", "Switches all plugs off and proves it."),
    ("reboot", "As off; then orders all plugs on, without waiting for them."),
    ("status", "Tells the state by the exit status."),
    ("list", "Prints every plug that the device has."),
    ("list-status", "The same, with the state of each."),
    (
        "monitor",
        "Looks whether the device answers and knows the plugs, and keeps what off needs when the network is troubled.",
    ),
    (
        "validate-all",
        "Looks whether the options are right and the device knows the plugs.",
    ),
    (
        "diag",
        "Goes through every step of a fencing that switches nothing, and says what would fail.",
    ),
    ("metadata", "Prints what Pacemaker wants to know of this agent."),
    ("manpage", "Prints this page."),
];

pub(super) fn page(document: &Document) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH FENCE_BATON 8 \"\" \"baton {version}\" \"Fence agents\"\n.SH NAME\n");
    page.push_str("fence_baton \\- switches a node off and proves it\n");
    page.push_str(SYNOPSIS);
    page.push_str(".SH DESCRIPTION\n");
    let paragraphs: Vec<String> = document.about.split("\n\n").map(plain).collect();
    page.push_str(&paragraphs.join("\n.PP\n"));
    page.push_str("\n.SH ACTIONS\n");
    for (name, text) in ACTIONS {
        page.push_str(&entry(name, text));
    }
    page.push_str(".SH OPTIONS\n");
    for parameter in document.parameters.iter().filter(|parameter| !parameter.deprecated) {
        page.push_str(&entry(&parameter.getopt, &parameter.description()));
    }
    page.push_str(EXIT_STATUS);
    page.push_str(SEE_ALSO);
    page
}

fn entry(term: &str, text: &str) -> String {
    format!(".TP\n.B {}\n{}\n", plain(term), plain(text))
}

/// A text in which nothing is taken for a command.
fn plain(text: &str) -> String {
    let text = text.trim().replace('\\', "\\e").replace('-', "\\-");
    let lines = text.lines().map(|line| match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_a_command() {
        assert_eq!(plain(".TH\n'br\na-b\\c"), "\\&.TH\n\\&'br\na\\-b\\ec");
    }
}
