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

/// Calls that were sent over at least so long, so many of them in a row, are believed if they were on
/// their way for the same time, give or take this: their clock has stopped, as while its machine was paused.
/// Calls that were held back arrive together, so their times differ as much as the times at which they were sent.
const RUN_FOR: u64 = 1_000_000;
const RUN_CALLS: usize = 8;
const RUN_TOLERANCE: i128 = 50_000;

/// How much more than before their time must be: under a load that is too much, calls may all be late by
/// some hundred milliseconds.
const RUN_STEP: i128 = 2_000_000;

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
    /// The last calls of each clock of the current window.
    runs: HashMap<u64, Run>,
    since: Instant,
    /// How many clocks of the current window are not in the one before.
    new: usize,
}

/// Calls of a clock, one after the other, that were on their way for the same time.
#[derive(Clone, Copy, Debug)]
struct Run {
    first_sent: u64,
    calls: usize,
    /// Their differences.
    least: i128,
    most: i128,
}

impl Run {
    fn new(sent: u64, difference: i128) -> Self {
        Self { first_sent: sent, calls: 1, least: difference, most: difference }
    }

    /// Adds a call. Begins anew if its time differs too much.
    fn add(&mut self, sent: u64, difference: i128) {
        let (least, most) = (self.least.min(difference), self.most.max(difference));
        if most - least > RUN_TOLERANCE {
            *self = Self::new(sent, difference);
        } else {
            *self =
                Self { first_sent: self.first_sent.min(sent), calls: self.calls + 1, least, most };
        }
    }

    /// Returns the difference of the clock, if the run shows it.
    fn believed(&self, sent: u64) -> Option<i128> {
        let is_long = sent.saturating_sub(self.first_sent) >= RUN_FOR;
        (is_long && self.calls >= RUN_CALLS).then_some(self.least)
    }
}

impl Transits {
    pub(crate) fn new() -> Self {
        let start = Instant::now();
        let windows = Windows {
            current: HashMap::new(),
            last: HashMap::new(),
            runs: HashMap::new(),
            since: start,
            new: 0,
        };
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
        let least = windows.least(clock, micros, difference).unwrap_or(difference);
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
        self.runs.clear();
        if age >= 2 * WINDOW {
            self.last.clear();
        }
        self.new = 0;
        self.since = now;
    }

    /// Adds the difference of a call, and returns the least one of its clock; `None` if there are too
    /// many clocks. A clock that is known stays known as long as there are calls with its times.
    fn least(&mut self, clock: u64, sent: u64, difference: i128) -> Option<i128> {
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
        let run = self.runs.entry(clock).or_insert_with(|| Run::new(sent, difference));
        run.add(sent, difference);
        let least = last.map_or(*current, |last| last.min(*current));
        let Some(believed) = run.believed(sent).filter(|it| *it >= least + RUN_STEP) else {
            return Some(least);
        };
        *current = believed;
        self.last.entry(clock).and_modify(|last| *last = believed);
        Some(believed)
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
    fn a_clock_that_has_stopped_for_a_while_is_believed_once_calls_agree() {
        let transits = Transits::new();
        let delay = |now: u64, sent: u64| {
            let now = transits.start + Duration::from_millis(now);
            transits.delay_at(now, SentAt { clock: 1, micros: sent * 1000 }).as_millis()
        };
        assert_eq!(delay(1000, 1000), 0);
        // Calls that were held back for up to 5 s arrive together, whenever they were sent.
        for sent in (1000..6000).step_by(100) {
            assert_eq!(delay(6000, sent), u128::from(6000 - sent));
        }
        // One that was sent with others, or is alone, shows nothing either.
        for _ in 0..2 * RUN_CALLS {
            assert_eq!(delay(8000, 7000), 1000);
        }
        // The clock has stopped for 3 s.
        let delays: Vec<_> =
            (0..15).map(|call| delay(11_000 + call * 100, 8000 + call * 100)).collect();
        assert_eq!(delays, [[3000; 10].as_slice(), &[0; 5]].concat());
        assert_eq!(delay(13_500, 10_000), 500);
        // A call that is faster shows the true difference at once.
        assert_eq!((delay(13_500, 13_000), delay(13_600, 11_000)), (0, 2100));
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
