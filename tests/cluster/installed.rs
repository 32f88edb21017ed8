//! What the cluster's own tools say of the installed agents and of the configuration.

use crate::lab::{Lab, Result};

/// A claim, a command run on a node of the lab, and what its output must contain.
struct Question {
    claim: &'static str,
    command: &'static [&'static str],
    answer: &'static str,
}

const QUESTIONS: &[Question] = &[
    Question {
        claim: "pacemaker_lists_the_fencing_plugin",
        command: &["stonith_admin", "--list-installed"],
        answer: "fence_baton",
    },
    Question {
        claim: "pacemaker_reads_the_metadata_of_the_fencing_plugin",
        command: &["stonith_admin", "--metadata", "--agent", "fence_baton"],
        answer: "<resource-agent name=\"fence_baton\"",
    },
    Question {
        claim: "pacemaker_has_the_options_of_a_fencing_device_validated",
        command: &[
            "sh",
            "-c",
            "stonith_admin --validate --agent fence_baton --option backend=docker && echo accepted",
        ],
        answer: "accepted",
    },
    Question {
        claim: "pacemaker_is_told_that_the_options_of_a_fencing_device_are_wrong",
        command: &[
            "sh",
            "-c",
            "stonith_admin --validate --agent fence_baton --option backend=steam || echo refused",
        ],
        answer: "refused",
    },
    Question {
        claim: "pacemaker_reads_the_metadata_of_the_database_agent",
        command: &["crm_resource", "--show-metadata", "ocf:baton:mysql"],
        answer: "<resource-agent name=\"mysql\"",
    },
    Question {
        claim: "pacemaker_reads_the_metadata_of_the_address_agent",
        command: &["crm_resource", "--show-metadata", "ocf:baton:floating-ip"],
        answer: "<resource-agent name=\"floating-ip\"",
    },
    Question {
        claim: "the_fencing_device_is_registered",
        command: &["stonith_admin", "--list-registered"],
        answer: "fence",
    },
    Question {
        claim: "the_loaded_configuration_has_no_errors",
        command: &["sh", "-c", "crm_verify --live-check && echo valid"],
        answer: "valid",
    },
];

/// Asks everything; each claim with the problem, if there is one.
pub(crate) fn ask(lab: &Lab) -> Vec<(&'static str, Option<String>)> {
    QUESTIONS
        .iter()
        .map(|question| (question.claim, problem(lab, question).err()))
        .collect()
}

fn problem(lab: &Lab, question: &Question) -> Result<()> {
    let output = lab.exec_anywhere(question.command)?;
    if output.contains(question.answer) {
        return Ok(());
    }
    Err(format!(
        "`{}` does not say \"{}\": {output}",
        question.command.join(" "),
        question.answer
    ))
}
