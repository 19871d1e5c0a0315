//! Logs that entries could not be appended.

use std::time::{Duration, Instant};

use domain::{Error, TenantId};
use telemetry::Throttle;

use crate::causes;

/// The least time between two log lines about entries that are not appended.
static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

/// Logs that entries of a tenant, if it is known of which, could not be appended, which is tried again.
pub(super) fn log_failure(tenant: Option<TenantId>, error: &Error) {
    let causes = causes::of(error);
    let Some(suppressed) = FAILURES.allow(Instant::now()) else { return };
    let tenant = tenant.map(TenantId::get);
    if matches!(error, Error::Internal(_)) {
        tracing::error!(tenant, %error, causes, suppressed, "failed to append to the audit log");
    } else {
        tracing::warn!(tenant, %error, causes, suppressed, "failed to append to the audit log");
    }
}
