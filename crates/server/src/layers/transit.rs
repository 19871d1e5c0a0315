//! How long calls take from their sender to here.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::HeaderMap;
use proto::wire::{SentAt, header};
use tokio::time::Instant;

/// How long the least difference between two clocks is known at least. Clocks don't run at quite the same
/// speed, and one stops while its machine is paused: after twice this time the calls of a gateway that was
/// paused are judged by its new difference. Longer than a gateway's calls take, so that a server which did
/// not run for as long still knows the difference of before.
const WINDOW: Duration = Duration::from_secs(15);

/// The most clocks that are known. Each gateway has one.
const MAX_CLOCKS: usize = 1024;

/// Finds out how long calls were on their way, by the clocks of their senders.
///
/// A call may have waited on the connection, while this process did not run or a network held it back.
/// `grpc-timeout` does not tell: it counts from when the call is read. Of the calls with times of one
/// clock, the fastest one counts as one that was not held back, so the clocks need not agree.
///
/// Only calls of authenticated callers may be passed to it: a call that claims to be sent in the future
/// makes all others of its clock look late. A clock's name is a random number that its gateway sends to
/// nobody but its servers.
#[derive(Debug)]
pub(crate) struct Transits {
    start: Instant,
    windows: Mutex<Windows>,
}

/// The least difference between this process's clock and each sender's, in microseconds: in the current
/// window, and in the one before.
#[derive(Debug)]
struct Windows {
    current: HashMap<u64, i128>,
    last: HashMap<u64, i128>,
    since: Instant,
    /// How many clocks of the current window are not in the one before.
    new: usize,
}

impl Transits {
    pub(crate) fn new() -> Self {
        let start = Instant::now();
        let windows =
            Windows { current: HashMap::new(), last: HashMap::new(), since: start, new: 0 };
        Self { start, windows: Mutex::new(windows) }
    }

    /// Returns how much longer a call that arrived then was on its way than the fastest ones of its
    /// sender; zero if its headers don't say when it was sent.
    pub(super) fn delay(&self, arrived: Instant, headers: &HeaderMap) -> Duration {
        let sent_at = headers.get(&header::SENT_AT).and_then(|value| value.to_str().ok());
        let Some(sent_at) = sent_at.and_then(|text| text.parse().ok()) else {
            return Duration::ZERO;
        };
        self.delay_at(arrived, sent_at)
    }

    fn delay_at(&self, now: Instant, SentAt { clock, micros }: SentAt) -> Duration {
        let elapsed = now.saturating_duration_since(self.start).as_micros();
        let difference = i128::try_from(elapsed).unwrap_or(i128::MAX) - i128::from(micros);
        // No update of the windows can panic half-way.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.turn(now);
        let least = windows.least(clock, difference).unwrap_or(difference);
        Duration::from_micros(u64::try_from(difference - least).unwrap_or_default())
    }
}

impl Windows {
    /// Begins the next window once the current one is over.
    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age < WINDOW {
            return;
        }
        self.last = mem::take(&mut self.current);
        if age >= 2 * WINDOW {
            self.last.clear();
        }
        self.new = 0;
        self.since = now;
    }

    /// Adds the difference of a call, and returns the least one of its clock; `None` if there are too
    /// many clocks. A clock that is known stays known as long as there are calls with its times.
    fn least(&mut self, clock: u64, difference: i128) -> Option<i128> {
        let last = self.last.get(&clock).copied();
        let current = match self.current.entry(clock) {
            Entry::Occupied(current) => current.into_mut(),
            Entry::Vacant(vacant) => {
                if last.is_none() {
                    if self.last.len() + self.new >= MAX_CLOCKS {
                        return None;
                    }
                    self.new += 1;
                }
                vacant.insert(difference)
            }
        };
        *current = difference.min(*current);
        Some(last.map_or(*current, |last| last.min(*current)))
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
        // The fastest call is still known in the next window, but not after it.
        assert_eq!(delay(at(34), sent(1, 1030)), 4);
        assert_eq!(delay(at(36), sent(1, 1030)), 2);
        assert_eq!(delay(at(500), sent(1, 1000)), 0);
    }

    #[test]
    fn the_number_of_clocks_is_limited_and_known_ones_stay() {
        let transits = Transits::new();
        let sizes = || {
            let windows = transits.windows.lock().unwrap();
            (windows.current.len(), windows.last.len())
        };
        let send_all = |now: Instant| {
            let micros = u64::try_from((now - transits.start).as_micros()).unwrap();
            for clock in 1..2 * MAX_CLOCKS as u64 {
                assert_eq!(transits.delay_at(now, SentAt { clock, micros }), Duration::ZERO);
            }
        };
        let known = |sent, now| {
            let sent_at = SentAt { clock: 0, micros: sent };
            transits.delay_at(transits.start + now, sent_at)
        };
        assert_eq!(known(2_000_000, SECOND), Duration::ZERO);
        send_all(transits.start + SECOND);
        assert_eq!(sizes(), (MAX_CLOCKS, 0));
        // Others take all places of each window before it.
        send_all(transits.start + WINDOW);
        assert_eq!(known(2_000_000, WINDOW), WINDOW - SECOND);
        assert_eq!(sizes(), (MAX_CLOCKS, MAX_CLOCKS));

        transits.delay_at(transits.start + 4 * WINDOW, SentAt { clock: u64::MAX, micros: 9 });
        assert_eq!(sizes(), (1, 0));
    }

    #[test]
    fn headers_without_a_time_tell_nothing() {
        let transits = Transits::new();
        let mut headers = HeaderMap::new();
        assert_eq!(transits.delay(transits.start, &headers), Duration::ZERO);
        headers.insert(header::SENT_AT.clone(), "soon".parse().unwrap());
        assert_eq!(transits.delay(transits.start, &headers), Duration::ZERO);
    }
}
