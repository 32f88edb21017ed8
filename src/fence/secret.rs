//! Passwords and tokens: from a file, from a program, or from the configuration itself, in this order.

use crate::error::{During, Error, Result};
use crate::fence::options::Values;
use crate::sys::command::Command;
use crate::sys::deadline::Deadline;
use crate::sys::files;

/// The password of the account on the device; none when none is configured.
pub(crate) fn password(values: &Values, deadline: Deadline) -> Result<Option<String>> {
    of("password", values, deadline)
}

/// The value of the option `name`, or what its sisters `name_file` and `name_script` lead to.
pub(crate) fn of(name: &str, values: &Values, deadline: Deadline) -> Result<Option<String>> {
    let (file, script) = (format!("{name}_file"), format!("{name}_script"));
    if let Some(path) = values.path(&file) {
        return files::read_secret(&file, &path).map(Some);
    }
    let Some(path) = values.path(&script) else {
        return Ok(values.text(name).map(str::to_owned));
    };
    if !path.is_absolute() {
        let given = path.display().to_string();
        return Err(Error::parameter(
            &script,
            &given,
            "must be an absolute path of a program",
        ));
    }
    // Never shown, neither the secret nor what else the program says.
    let output = Command::new(path.display().to_string())
        .run(deadline)
        .during(script.clone())?;
    if !output.status.success() {
        let text = format!("{script} {} ended with {}", path.display(), output.status);
        return Err(Error::State(text));
    }
    Ok(Some(output.stdout.trim_end().to_owned()))
}
