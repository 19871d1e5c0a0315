//! Polling for a condition, with a timeout. `crates/gateway/tests` uses this file too.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for anything before it fails. Long enough for a busy machine.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two polls.
const INTERVAL: Duration = Duration::from_millis(10);

/// Blocks until `poll` returns a value, and returns that value. Panics after [`TEST_TIMEOUT`],
/// naming `what` it waited for.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TEST_TIMEOUT;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < deadline, "timed out while waiting for {what}");
        thread::sleep(INTERVAL);
    }
}

/// Blocks until `condition` holds. Panics after [`TEST_TIMEOUT`].
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Waits, without blocking the thread, until `poll` returns a value, and returns that value.
/// Panics after [`TEST_TIMEOUT`].
pub(crate) async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TEST_TIMEOUT;
    loop {
        if let Some(value) = poll().await {
            return value;
        }
        assert!(Instant::now() < deadline, "timed out while waiting for {what}");
        tokio::time::sleep(INTERVAL).await;
    }
}
