//! Limits how often a log line is written.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Allows one log line per interval and counts those that it suppresses.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    /// When the last line was allowed, and how many were suppressed since.
    last: Mutex<(Option<Instant>, u64)>,
}

impl Throttle {
    /// Returns a throttle that allows the first line, and then one per interval.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self { interval, last: Mutex::new((None, 0)) }
    }

    /// Returns how many lines were suppressed since the last allowed one if a line may be written
    /// now. Otherwise counts it as suppressed and returns `None`.
    pub fn allow(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (allowed, suppressed) = *last;
        if allowed.is_some_and(|allowed| now.duration_since(allowed) < self.interval) {
            last.1 += 1;
            return None;
        }
        *last = (Some(now), 0);
        Some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_interval_is_allowed_and_the_others_are_counted() {
        let throttle = Throttle::new(Duration::from_secs(1));
        let start = Instant::now();
        let after = |millis| throttle.allow(start + Duration::from_millis(millis));
        assert_eq!(after(0), Some(0));
        assert_eq!([after(1), after(999)], [None, None]);
        assert_eq!(after(1000), Some(2));
        assert_eq!([after(1001), after(2000)], [None, Some(1)]);
    }
}
