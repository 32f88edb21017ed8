//! Wall clock and host name, for log lines and records. Decisions never read the clock.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// The time stamp of Pacemaker's log, local time with milliseconds: `Nov 21 09:00:01.123`.
pub(crate) fn log_stamp() -> String {
    let now = OffsetDateTime::now_local().unwrap_or_else(|_| OffsetDateTime::now_utc());
    let format = format_description!("[month repr:short] [day] [hour]:[minute]:[second].[subsecond digits:3]");
    now.format(format).unwrap_or_default()
}

/// The time for records that outlive this machine: RFC 3339, UTC, whole seconds.
pub(crate) fn utc_stamp() -> String {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0)
        .unwrap_or(now)
        .format(&Rfc3339)
        .unwrap_or_default()
}

pub(crate) fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stamps_have_the_documented_form() {
        let stamp = super::log_stamp();
        assert_eq!(stamp.len(), "Nov 21 09:00:01.123".len(), "{stamp}");
        assert!(super::utc_stamp().ends_with('Z'));
    }
}
