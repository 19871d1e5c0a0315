//! Logs that entries could not be appended.

use std::time::{Duration, Instant};

use domain::Error;
use telemetry::Throttle;

use crate::causes;

/// The least time between two log lines about entries that are not appended.
static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

/// Logs that entries could not be appended, which is tried again.
pub(super) fn log_failure(error: &Error) {
    let causes = causes::of(error);
    let Some(suppressed) = FAILURES.allow(Instant::now()) else { return };
    if matches!(error, Error::Internal(_)) {
        tracing::error!(%error, causes, suppressed, "failed to append to the audit log");
    } else {
        tracing::warn!(%error, causes, suppressed, "failed to append to the audit log");
    }
}
