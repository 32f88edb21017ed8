//! A time limit for calls that have none of their own.

use std::sync::mpsc::channel;
use std::time::Duration;

/// Runs `work`; none when it is not done within `limit`. It goes on then, and ends with the process: only for work that
/// nobody needs who does not wait for it.
pub(crate) fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = channel();
    std::thread::spawn(move || drop(done.send(work())));
    result.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_in_time_has_a_result_and_what_hangs_has_none() {
        assert_eq!(within(Duration::from_secs(10), || 7), Some(7));
        let (_never, waits) = channel::<()>();
        assert_eq!(within(Duration::from_millis(10), move || waits.recv()), None);
    }
}
