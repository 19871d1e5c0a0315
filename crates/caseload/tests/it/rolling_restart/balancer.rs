//! A minimal load balancer for two targets.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Chooses one of two targets, as a load balancer that avoids the unhealthy one.
#[derive(Default)]
pub(super) struct Balancer {
    /// The index of the avoided target plus one, or 0.
    avoided: AtomicUsize,
}

impl Balancer {
    /// Avoids a target.
    pub(super) fn avoid(&self, index: usize) {
        self.avoided.store(index + 1, Ordering::SeqCst);
    }

    /// Uses both targets again.
    pub(super) fn avoid_none(&self) {
        self.avoided.store(0, Ordering::SeqCst);
    }

    /// Returns the target for a turn: both in alternation, unless one is avoided.
    pub(super) fn choose(&self, turn: usize) -> usize {
        match self.avoided.load(Ordering::SeqCst) {
            0 => turn % 2,
            avoided => 2 - avoided,
        }
    }
}
