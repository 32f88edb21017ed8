//! validate-all: level 0 looks at the parameters alone, level 10 at this host and at a server that runs.

use super::config::Config;
use super::daemon;
use super::decide;
use super::disk;
use super::observe;
use super::state::{Answer, Disk, Seen, Server};
use super::why::Why;
use crate::error::Result;
use crate::ocf::env::Context;
use crate::ocf::{OcfCode, Outcome};

const LOOK_AT_HOST: u32 = 10;

pub(crate) fn run(context: &Context, config: &Config) -> Result<Outcome> {
    if context.check_level < LOOK_AT_HOST {
        return Ok(Outcome::SUCCESS);
    }
    let binary = daemon::binary(config)?;
    daemon::product(&binary, context.deadline)?;
    let account = daemon::account(config)?;
    daemon::check_datadir(config, &account)?;
    config.admin.login()?;
    config.replication.credentials.login()?;
    match observe::local(config, config.hang_timeout)? {
        Seen::Running(_, Answer::Facts(server)) => running(config, *server),
        Seen::Running(_, Answer::Alive(how)) => Ok(Outcome::because(
            OcfCode::ErrPermission,
            format!("the server refuses the agent: {how}; check parameters admin_user and admin_password_file"),
        )),
        Seen::Running(_, Answer::Silent(_)) | Seen::Absent => Ok(Outcome::SUCCESS),
    }
}

/// What a server that runs should be mended of. A primary is asked to write as its monitors ask it.
fn running(config: &Config, mut server: Server) -> Result<Outcome> {
    if config.policy.promotable && !server.read_only && server.disk == Disk::Fine {
        server.disk = disk::probe(config, config.write_timeout)?;
    }
    Ok(match decide::weakness(&server, config.policy) {
        Some(why @ Why::Unprovable(_)) => Outcome::because(OcfCode::ErrConfigured, why.to_string()),
        Some(why) => Outcome::because(OcfCode::Degraded, why.to_string()),
        None => Outcome::SUCCESS,
    })
}
