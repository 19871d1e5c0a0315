//! How long calls take from their sender to here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::HeaderMap;
use proto::wire::{SentAt, header};
use tokio::time::Instant;

/// How long the least difference between two clocks is known. Clocks don't run at quite the same speed,
/// and one stops while its machine is paused: after twice this time the calls of a gateway that was paused
/// are judged by its new difference. Longer than a gateway's calls take, so that a server which did not run
/// for as long still knows the difference of before.
const WINDOW: Duration = Duration::from_secs(15);

/// The most clocks that are known. Each gateway has one.
const MAX_CLOCKS: usize = 1024;

/// Finds out how long calls were on their way, by the clocks of their senders.
///
/// A call may have waited on the connection, while this process did not run or a network held it back.
/// `grpc-timeout` does not tell: it counts from when the call is read. Of the calls with times of one
/// clock, the fastest one counts as one that was not held back, so the clocks need not agree.
#[derive(Clone, Debug)]
pub(super) struct Transits {
    start: Instant,
    clocks: Arc<Mutex<HashMap<u64, Differences>>>,
}

/// The least difference between this process's clock and a sender's, in microseconds: in the current
/// window, and in the one before.
#[derive(Debug)]
struct Differences {
    current: i128,
    last: i128,
    since: Instant,
}

impl Transits {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), clocks: Arc::default() }
    }

    /// Returns how much longer a call was on its way than the fastest ones of its sender; zero if
    /// its headers don't say when it was sent.
    pub(super) fn delay(&self, headers: &HeaderMap) -> Duration {
        let sent_at = headers.get(&header::SENT_AT).and_then(|value| value.to_str().ok());
        let Some(sent_at) = sent_at.and_then(|text| text.parse().ok()) else {
            return Duration::ZERO;
        };
        self.delay_at(Instant::now(), sent_at)
    }

    fn delay_at(&self, now: Instant, SentAt { clock, micros }: SentAt) -> Duration {
        let elapsed = now.saturating_duration_since(self.start).as_micros();
        let difference = i128::try_from(elapsed).unwrap_or(i128::MAX) - i128::from(micros);
        // No update of the map can panic half-way.
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clocks.get_mut(&clock) {
            return known.delay(now, difference);
        }
        if clocks.len() >= MAX_CLOCKS {
            clocks.retain(|_, known| known.age(now) < 2 * WINDOW);
        }
        if clocks.len() < MAX_CLOCKS {
            clocks.insert(clock, Differences { current: difference, last: difference, since: now });
        }
        Duration::ZERO
    }
}

impl Differences {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    fn delay(&mut self, now: Instant, difference: i128) -> Duration {
        let age = self.age(now);
        if age >= 2 * WINDOW {
            *self = Self { current: difference, last: difference, since: now };
        } else if age >= WINDOW {
            *self = Self { current: difference, last: self.current, since: now };
        }
        self.current = self.current.min(difference);
        let delay = difference - self.current.min(self.last);
        Duration::from_micros(u64::try_from(delay).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_call_is_as_late_as_it_was_slower_than_the_fastest_one_of_its_clock() {
        let transits = Transits::new();
        let sent = |clock, secs: u64| SentAt { clock, micros: secs * 1_000_000 };
        let at = |secs: u32| transits.start + secs * SECOND;
        let delay = |now, sent_at| transits.delay_at(now, sent_at).as_secs();

        // The sender's clock is 1,000 s ahead, and the first call is held back for 2 s.
        assert_eq!(delay(at(12), sent(1, 1010)), 0);
        assert_eq!(delay(at(13), sent(1, 1013)), 0);
        assert_eq!(delay(at(20), sent(1, 1013)), 7);
        assert_eq!(delay(at(20), sent(2, 5)), 0, "another clock");
        // The fastest call is still known a window later, but not after two.
        assert_eq!(delay(at(35), sent(1, 1030)), 5);
        assert_eq!(delay(at(49), sent(1, 1040)), 9);
        assert_eq!(delay(at(51), sent(1, 1040)), 6);
        assert_eq!(delay(at(500), sent(1, 1000)), 0);
    }

    #[test]
    fn the_number_of_clocks_is_limited_and_old_ones_make_room() {
        let transits = Transits::new();
        let now = transits.start + SECOND;
        for clock in 0..2 * MAX_CLOCKS as u64 {
            assert_eq!(transits.delay_at(now, SentAt { clock, micros: 9 }), Duration::ZERO);
        }
        assert_eq!(transits.clocks.lock().unwrap().len(), MAX_CLOCKS);
        transits.delay_at(now + 2 * WINDOW, SentAt { clock: u64::MAX, micros: 9 });
        assert_eq!(transits.clocks.lock().unwrap().len(), 1);
    }

    #[test]
    fn headers_without_a_time_tell_nothing() {
        let transits = Transits::new();
        let mut headers = HeaderMap::new();
        assert_eq!(transits.delay(&headers), Duration::ZERO);
        headers.insert(header::SENT_AT.clone(), "soon".parse().unwrap());
        assert_eq!(transits.delay(&headers), Duration::ZERO);
    }
}
