//! The health checks that probes make.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Lets those who ask for the health of a server at the same time share one check: the server
/// answers only so many of them at once on a connection, and anybody can send probes.
#[derive(Debug, Default)]
pub(super) struct SharedCheck {
    result: watch::Sender<bool>,
    is_running: AtomicBool,
}

impl SharedCheck {
    /// Returns the result of the check that is running, or else of a new one. That one runs in a task of
    /// its own, and must end with [`Self::finish`].
    pub(super) async fn join<F>(&self, check: impl FnOnce() -> F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut result = self.result.subscribe();
        if !self.is_running.swap(true, Ordering::AcqRel) {
            tokio::spawn(check());
        }
        result.changed().await.is_ok() && *result.borrow()
    }

    /// Ends a check with this result.
    pub(super) fn finish(&self, is_serving: bool) {
        // In this order: whoever finds the check running has subscribed before its result is sent.
        self.is_running.store(false, Ordering::Release);
        self.result.send_replace(is_serving);
    }
}
