//! The one deadline of an action, and the only place that waits.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Error, Result};

/// A point in time by which an action must have ended by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    set: Instant,
    at: Instant,
}

impl Deadline {
    pub(crate) fn after(duration: Duration) -> Deadline {
        let set = Instant::now();
        Deadline {
            set,
            at: set + duration,
        }
    }

    /// The earlier of this deadline and `duration` from now.
    pub(crate) fn within(self, duration: Duration) -> Deadline {
        let set = Instant::now();
        Deadline {
            set,
            at: self.at.min(set + duration),
        }
    }

    /// This deadline, `reserve` earlier: leaves time for what must follow.
    pub(crate) fn keeping(self, reserve: Duration) -> Deadline {
        self.within(self.remaining().saturating_sub(reserve))
    }

    pub(crate) fn remaining(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// How long ago this deadline was set.
    pub(crate) fn age(self) -> Duration {
        self.set.elapsed()
    }

    pub(crate) fn expired(self) -> bool {
        self.remaining().is_zero()
    }

    pub(crate) fn timeout(self, waiting_for: impl Into<String>) -> Error {
        Error::Timeout {
            waiting_for: waiting_for.into(),
            after: self.age(),
        }
    }

    /// Asks `look` until it finds something, at growing intervals from 2 ms to `step`.
    ///
    /// # Errors
    /// [`Error::Timeout`] naming `waiting_for` when the deadline passes first; any error of `look` at once.
    pub(crate) fn poll<T>(
        self,
        waiting_for: &str,
        step: Duration,
        look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        self.poll_pausing(waiting_for, step, look, |pause| {
            self.pause(pause);
            Ok(())
        })
    }

    /// The same, for a caller with a way of its own to let time pass.
    ///
    /// # Errors
    /// Also any error of `pause`.
    pub(crate) fn poll_pausing<T>(
        self,
        waiting_for: &str,
        step: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
        pause: impl Fn(Duration) -> Result<()>,
    ) -> Result<T> {
        let mut interval = Duration::from_millis(2).min(step);
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if self.expired() {
                return Err(self.timeout(waiting_for));
            }
            pause(interval.min(self.remaining()))?;
            interval = (interval * 2).min(step);
        }
    }

    /// Waits until a descriptor is ready for one of the events.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] at the deadline, even if the descriptor is always ready.
    pub(crate) fn ready(self, descriptor: &impl AsFd, events: PollFlags) -> std::io::Result<()> {
        loop {
            let remaining = self.remaining();
            if remaining.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            // Rounded up, or the last millisecond would be spent in a busy loop.
            let millis = remaining.as_millis().saturating_add(1).min(i32::MAX as u128);
            let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(descriptor.as_fd(), events)], timeout) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Waits for `duration`, or until the deadline if that is earlier.
    #[expect(clippy::disallowed_methods, reason = "the one place that waits")]
    pub(crate) fn pause(self, duration: Duration) {
        std::thread::sleep(duration.min(self.remaining()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrower_deadline_is_never_later_than_its_parent() {
        let parent = Deadline::after(Duration::from_millis(50));
        assert!(parent.within(Duration::from_secs(5)).remaining() <= Duration::from_millis(50));
        assert!(parent.keeping(Duration::from_secs(1)).expired());
    }

    #[test]
    fn a_timeout_says_what_was_awaited() {
        let result: Result<()> =
            Deadline::after(Duration::from_millis(5))
                .poll("the server's answer", Duration::from_millis(2), || Ok(None));
        let text = result.unwrap_err().to_string();
        assert!(text.starts_with("the server's answer did not happen within"), "{text}");
    }

    #[test]
    fn the_condition_is_asked_once_even_when_time_is_up() {
        let found = Deadline::after(Duration::ZERO).poll("x", Duration::from_millis(1), || Ok(Some(7)));
        assert_eq!(found.unwrap(), 7);
    }
}
