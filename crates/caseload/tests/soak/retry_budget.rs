//! How many calls are repeated at most: so few that callers never multiply a load that is too much already.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The budget is full with so many tokens, each worth a failed attempt, and repeats are made while it is more than
/// half full. A call that succeeds earns a tenth of a token. This is the throttling of retries that gRPC's
/// service config has (proposal A6), with the most tokens that it allows.
const FULL: i64 = 1000 * TOKEN;
const TOKEN: i64 = 10;

/// The tokens that are left, in tenths. All callers share them.
pub(crate) struct RetryBudget(AtomicI64);

impl RetryBudget {
    pub(crate) fn full() -> Self {
        Self(AtomicI64::new(FULL))
    }

    /// Adds what a call that succeeded earns.
    pub(crate) fn earn(&self) {
        self.add(1);
    }

    /// Takes what an attempt that failed costs. Returns whether it may be repeated.
    pub(crate) fn pay(&self) -> bool {
        self.add(-TOKEN) > FULL / 2
    }

    /// Returns what is left then.
    fn add(&self, tenths: i64) -> i64 {
        let sum = |left: i64| (left + tenths).clamp(0, FULL);
        match self.0.fetch_update(Relaxed, Relaxed, |left| Some(sum(left))) {
            Ok(before) | Err(before) => sum(before),
        }
    }
}
