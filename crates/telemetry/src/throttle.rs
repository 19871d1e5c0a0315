//! Lines of log that would come too often.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lets one event of many be logged.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    /// When one was logged, and how many were not since.
    last: Mutex<(Option<Instant>, u64)>,
}

impl Throttle {
    /// One at the most in this time.
    #[must_use]
    pub const fn new(interval: Duration) -> Self {
        Self { interval, last: Mutex::new((None, 0)) }
    }

    /// Notes an event. Where it is to be logged, tells how many others weren't.
    pub fn note(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (logged, others) = *last;
        if logged.is_some_and(|logged| now.duration_since(logged) < self.interval) {
            last.1 += 1;
            return None;
        }
        *last = (Some(now), 0);
        Some(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_let_through_each_time() {
        let throttle = Throttle::new(Duration::from_secs(1));
        let start = Instant::now();
        let after = |millis| throttle.note(start + Duration::from_millis(millis));
        assert_eq!(after(0), Some(0));
        assert_eq!([after(1), after(999)], [None, None]);
        assert_eq!(after(1000), Some(2));
        assert_eq!([after(1001), after(2000)], [None, Some(1)]);
    }
}
