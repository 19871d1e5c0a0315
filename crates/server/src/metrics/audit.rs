//! What waits for the audit log.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use prometheus_client::registry::{Registry, Unit};
use telemetry::metrics::Reading;

/// Tells for how long the oldest change has waited in the outbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditMetrics {
    oldest: Arc<Mutex<Option<SystemTime>>>,
}

impl AuditMetrics {
    /// Records when the oldest change was made that waits; `None` if none does.
    pub(crate) fn waits_since(&self, oldest: Option<SystemTime>) {
        *self.oldest.lock().unwrap_or_else(PoisonError::into_inner) = oldest;
    }

    /// Returns for how many seconds the oldest change has waited. That grows while it can't be looked up, too.
    fn seconds(&self) -> i64 {
        let oldest = *self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = oldest.and_then(|oldest| oldest.elapsed().ok()).unwrap_or_default();
        i64::try_from(waits.as_secs()).unwrap_or(i64::MAX)
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let audit = self.clone();
        registry.register_with_unit(
            "audit_outbox_oldest",
            "For how long the oldest change has waited to be appended to the audit log",
            Unit::Seconds,
            Reading(move || audit.seconds()),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_change_waits_longer_and_longer_until_it_is_appended() {
        let audit = AuditMetrics::default();
        assert_eq!(audit.seconds(), 0);
        audit.waits_since(SystemTime::now().checked_sub(Duration::from_secs(3600)));
        assert!((3600..3700).contains(&audit.seconds()));
        audit.waits_since(None);
        assert_eq!(audit.seconds(), 0);
    }
}
