//! When a caller may make a failed call again.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use domain::Error;

/// The range of delays for callers who were rejected because of overload, in milliseconds.
const RANGE_MS: (u32, u32) = (500, 1000);

/// Returns how long to wait before the call is made again; `None` if it should not be, unchanged.
pub(super) fn of(error: &Error) -> Option<Duration> {
    match error {
        Error::Overloaded
        | Error::TenantOverloaded
        | Error::AddressOverloaded
        | Error::Unavailable(_) => Some(spread_delay()),
        Error::RateLimited { retry_after, .. } => Some(*retry_after),
        Error::Unauthenticated(_)
        | Error::AddressNotAllowed
        | Error::MissingScope(_)
        | Error::Invalid(_)
        | Error::IdempotencyKeyReused
        | Error::NotFound(_)
        | Error::TasksNotFound(_)
        | Error::Stale(_)
        | Error::DeadlineExceeded
        | Error::OutcomeUnknown(_)
        | Error::Internal(_) => None,
    }
}

/// Returns another delay for each caller: callers who are rejected at the same time must not all
/// return at the same time. Steps of the golden ratio fill the range evenly, however many there are.
fn spread_delay() -> Duration {
    const STEP: u32 = 0x9e37_79b9;
    static POSITION: AtomicU32 = AtomicU32::new(0);
    let position = POSITION.fetch_add(STEP, Ordering::Relaxed);
    let (min, max) = RANGE_MS;
    let millis = u64::from(max) - ((u64::from(position) * u64::from(max - min)) >> u32::BITS);
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delays_of_rejected_callers_are_spread_evenly_over_the_range() {
        let delays: Vec<_> = (0..1000).map(|_| spread_delay().as_millis()).collect();
        for from in (500..1000).step_by(50) {
            let count = delays.iter().filter(|delay| (from + 1..=from + 50).contains(*delay));
            assert!((90..=110).contains(&count.count()), "{from}");
        }
    }
}
