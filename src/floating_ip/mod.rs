use crate::ocf::{Action, Agent, Outcome};
pub(crate) const AGENT: Agent = Agent {
    name: "floating-ip",
    metadata: "",
    params: &[],
    actions: &[Action::Start],
    run: |_, _| Ok(Outcome::SUCCESS),
};
