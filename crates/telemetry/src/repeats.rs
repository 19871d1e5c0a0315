//! Limits how many log lines of one kind are written: in an outage each call fails in the same way.

use std::{
    collections::HashMap,
    fmt::Debug,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use crate::cut::cut;

/// How long after the first suppressed line the number of suppressed lines is reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The target of the reports, which are not limited: there is one a second for each kind at most.
const REPORT: &str = "caseload_telemetry::suppressed";

/// The target of the lines about entries of the audit log. How many there may be is limited where they are made.
const AUDIT: &str = "caseload::audit";

/// How many lines of one kind are written.
#[derive(Clone, Copy, Debug)]
struct Limit {
    /// So many at once,
    burst: u32,
    /// and then one in this time.
    interval: Duration,
}

impl Limit {
    /// Returns the limit of a level. Whoever asks for the two levels of details gets them all.
    fn of(level: Level) -> Option<Self> {
        match level {
            Level::ERROR | Level::WARN => {
                Some(Self { burst: 10, interval: Duration::from_secs(1) })
            }
            Level::INFO => Some(Self { burst: 100, interval: Duration::from_millis(100) }),
            _ => None,
        }
    }
}

/// A layer that suppresses lines beyond a limit for each kind, and reports how many it has
/// suppressed. Lines are of one kind if they come from the same place in the code.
///
/// | level | lines of one kind |
/// |---|---|
/// | `error`, `warn` | ten at once, then one a second |
/// | `info` | a hundred at once, then ten a second |
/// | `debug`, `trace` | all |
#[derive(Clone, Debug, Default)]
pub(crate) struct Repeats(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    has_suppressed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    kinds: HashMap<Identifier, Kind>,
    has_suppressed: bool,
}

/// The lines from one place in the code.
#[derive(Debug)]
struct Kind {
    /// How many lines may be written now, as of `counted_at`.
    allowed: u32,
    counted_at: Instant,
    level: Level,
    /// The message of the first suppressed line.
    message: String,
    suppressed: u64,
}

impl Kind {
    fn new(level: Level, limit: Limit, now: Instant) -> Self {
        Self { allowed: limit.burst, counted_at: now, level, message: String::new(), suppressed: 0 }
    }

    /// Whether a line may be written now.
    fn allow(&mut self, limit: Limit, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.counted_at).as_nanos();
        let earned = u32::try_from(elapsed / limit.interval.as_nanos()).unwrap_or(u32::MAX);
        match limit.interval.checked_mul(earned) {
            Some(counted) if self.allowed.saturating_add(earned) < limit.burst => {
                self.allowed += earned;
                self.counted_at += counted;
            }
            _ => {
                self.allowed = limit.burst;
                self.counted_at = now;
            }
        }
        let is_allowed = self.allowed > 0;
        self.allowed = self.allowed.saturating_sub(1);
        is_allowed
    }
}

impl Repeats {
    /// Starts the thread that reports what was suppressed.
    ///
    /// # Errors
    /// If the system can't start another thread.
    pub(crate) fn start_reports(&self) -> io::Result<()> {
        let repeats = self.clone();
        thread::Builder::new().name("log-repeats".to_owned()).spawn(move || {
            loop {
                repeats.0.await_suppressed();
                thread::sleep(REPORT_INTERVAL);
                repeats.report();
            }
        })?;
        Ok(())
    }

    /// Logs how many lines of each kind were suppressed since the last report.
    pub(crate) fn report(&self) {
        for (level, kind, suppressed) in self.0.take_suppressed() {
            // The level is part of what a macro fixes.
            match level {
                Level::ERROR => {
                    tracing::error!(target: REPORT, kind, suppressed, "log lines were suppressed");
                }
                Level::WARN => {
                    tracing::warn!(target: REPORT, kind, suppressed, "log lines were suppressed");
                }
                _ => {
                    tracing::info!(target: REPORT, kind, suppressed, "log lines were suppressed");
                }
            }
        }
    }

    /// Whether an event may be logged now; if not, counts it.
    fn allow(&self, event: &Event<'_>, now: Instant) -> bool {
        let metadata = event.metadata();
        let level = *metadata.level();
        let Some(limit) =
            Limit::of(level).filter(|_| ![REPORT, AUDIT].contains(&metadata.target()))
        else {
            return true;
        };
        let mut state = self.0.lock();
        let kind = state.kinds.entry(metadata.callsite());
        let kind = kind.or_insert_with(|| Kind::new(level, limit, now));
        if kind.allow(limit, now) {
            return true;
        }
        if kind.suppressed == 0 {
            kind.message = message(event);
        }
        kind.suppressed += 1;
        if !state.has_suppressed {
            state.has_suppressed = true;
            self.0.has_suppressed.notify_one();
        }
        false
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn await_suppressed(&self) {
        let state = self.lock();
        let waited = self.has_suppressed.wait_while(state, |state| !state.has_suppressed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn take_suppressed(&self) -> Vec<(Level, String, u64)> {
        let mut state = self.lock();
        state.has_suppressed = false;
        let kinds = state.kinds.values_mut().filter(|kind| kind.suppressed > 0);
        kinds
            .map(|kind| {
                let message = std::mem::take(&mut kind.message);
                (kind.level, message, std::mem::take(&mut kind.suppressed))
            })
            .collect()
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        self.allow(event, Instant::now())
    }
}

/// Returns the message of an event.
fn message(event: &Event<'_>) -> String {
    struct Message(String);

    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            if field.name() == "message" {
                self.0 = cut(&format!("{value:?}")).into_owned();
            }
        }
    }

    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(level: Level, times: impl IntoIterator<Item = u64>) -> usize {
        let limit = Limit::of(level).unwrap();
        let start = Instant::now();
        let mut kind = Kind::new(level, limit, start);
        let times = times.into_iter().map(|millis| start + Duration::from_millis(millis));
        times.filter(|time| kind.allow(limit, *time)).count()
    }

    #[test]
    fn a_burst_is_written_and_then_one_line_in_each_interval() {
        assert_eq!(allowed(Level::ERROR, 0..1000), 10);
        assert_eq!(allowed(Level::WARN, 0..5001), 15);
        assert_eq!(allowed(Level::INFO, 0..1000), 109);
        // Rare lines are never suppressed.
        assert_eq!(allowed(Level::ERROR, (0..100).map(|second| second * 1000)), 100);
        // After a pause there may be a burst again, but no greater one.
        assert_eq!(allowed(Level::ERROR, (0..100).chain(1_000_000..1_000_100)), 20);
        assert!(Limit::of(Level::DEBUG).is_none());
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_far_ahead_does_no_harm() {
        let century = 100 * 365 * 24 * 3_600_000;
        assert_eq!(allowed(Level::INFO, [0, century, 0, century]), 4);
    }
}
