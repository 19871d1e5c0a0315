//! Counts calls and measures how long they take.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use hdrhistogram::Histogram;

use crate::{analysis::Point, faultless::WINDOW, kind::Kind};

/// What happened to the calls that were due in a window of some seconds, or to those of a kind.
#[derive(Clone)]
pub(crate) struct Calls {
    /// How long they took, until they were answered or given up, in microseconds.
    pub(crate) micros: Histogram<u32>,
    pub(crate) failed: u64,
}

/// Records calls from a moment on.
pub(crate) struct Recorder {
    state: Mutex<State>,
    /// Whether a fault has an effect at the moment.
    is_disturbed: AtomicBool,
}

struct State {
    start: Instant,
    windows: Vec<Calls>,
    /// Those that ended while no fault had an effect.
    kinds: BTreeMap<Kind, Calls>,
    /// Why calls were given up, and how often, by minute.
    failures: BTreeMap<(u64, String), u64>,
    /// Why attempts failed, of which most are repeated.
    attempts: BTreeMap<String, u64>,
}

impl Default for Calls {
    fn default() -> Self {
        Self { micros: Histogram::new(2).unwrap(), failed: 0 }
    }
}

impl Calls {
    pub(crate) fn count(&self) -> u64 {
        self.micros.len()
    }

    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        self.micros.value_at_quantile(quantile) as f64 / 1000.0
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.micros.add(&other.micros).unwrap();
        self.failed += other.failed;
    }

    fn record(&mut self, micros: u64, failed: bool) {
        self.micros.record(micros).unwrap();
        self.failed += u64::from(failed);
    }
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State::from(Instant::now())),
            is_disturbed: AtomicBool::new(false),
        }
    }

    /// Forgets everything. What is recorded from now on counts from `start`.
    pub(crate) fn restart(&self, start: Instant) {
        *self.state.lock().unwrap() = State::from(start);
    }

    /// Says whether a fault has an effect from now on.
    pub(crate) fn set_disturbed(&self, is_disturbed: bool) {
        self.is_disturbed.store(is_disturbed, Ordering::Relaxed);
    }

    /// Records a call that was due at a time and has ended now.
    pub(crate) fn record(&self, kind: Kind, due: Instant, result: Result<(), String>) {
        let micros = u64::try_from(due.elapsed().as_micros()).unwrap();
        let mut state = self.state.lock().unwrap();
        let Some(since) = due.checked_duration_since(state.start) else { return };
        let window = (since.as_secs_f64() / WINDOW) as usize;
        if state.windows.len() <= window {
            state.windows.resize_with(window + 1, Calls::default);
        }
        state.windows[window].record(micros, result.is_err());
        if !self.is_disturbed.load(Ordering::Relaxed) {
            state.kinds.entry(kind).or_default().record(micros, result.is_err());
        }
        if let Err(reason) = result {
            *state.failures.entry((since.as_secs() / 60, reason)).or_default() += 1;
        }
    }

    /// Counts an attempt that failed.
    pub(crate) fn failed_attempt(&self, reason: &str) {
        let mut state = self.state.lock().unwrap();
        match state.attempts.get_mut(reason) {
            Some(count) => *count += 1,
            None => {
                state.attempts.insert(reason.to_owned(), 1);
            }
        }
    }

    /// Returns all windows: the time at which each begins, in seconds, and its calls.
    pub(crate) fn windows(&self) -> Vec<(f64, Calls)> {
        let windows = self.state.lock().unwrap().windows.clone();
        windows.into_iter().enumerate().map(|(at, calls)| (at as f64 * WINDOW, calls)).collect()
    }

    pub(crate) fn kinds(&self) -> BTreeMap<Kind, Calls> {
        self.state.lock().unwrap().kinds.clone()
    }

    pub(crate) fn failures(&self) -> BTreeMap<(u64, String), u64> {
        self.state.lock().unwrap().failures.clone()
    }

    pub(crate) fn attempts(&self) -> BTreeMap<String, u64> {
        self.state.lock().unwrap().attempts.clone()
    }
}

impl State {
    fn from(start: Instant) -> Self {
        Self {
            start,
            windows: Vec::new(),
            kinds: BTreeMap::new(),
            failures: BTreeMap::new(),
            attempts: BTreeMap::new(),
        }
    }
}

/// Returns a quantile of each window, in milliseconds.
pub(crate) fn quantiles(windows: &[(f64, Calls)], quantile: f64) -> Vec<Point> {
    let filled = windows.iter().filter(|(_, calls)| calls.count() > 0);
    filled.map(|(at, calls)| (*at, calls.quantile_ms(quantile))).collect()
}

/// Returns the calls of several windows together.
pub(crate) fn together<'a>(windows: impl Iterator<Item = &'a (f64, Calls)>) -> Calls {
    let mut all = Calls::default();
    windows.for_each(|(_, calls)| all.add(calls));
    all
}
