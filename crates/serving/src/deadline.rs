//! Deadlines after a duration that may be too long for the clock.

use std::time::Duration;

use tokio::time::Instant;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Returns the instant that lies `duration` from now, or one year from now if that is sooner: the
/// clock can't represent [`Duration::MAX`] from now.
pub(crate) fn after(duration: Duration) -> Instant {
    Instant::now() + duration.min(YEAR)
}
