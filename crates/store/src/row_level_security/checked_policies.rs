//! Which policies were checked, and were good.

use std::sync::{Mutex, PoisonError};

/// The policies whose conditions were last read, and were good: their OIDs and versions.
#[derive(Debug, Default)]
pub(crate) struct CheckedPolicies(Mutex<Option<String>>);

impl CheckedPolicies {
    /// Returns the policies; `None` before the first check that found nothing wrong.
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, policies: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(policies);
    }
}
