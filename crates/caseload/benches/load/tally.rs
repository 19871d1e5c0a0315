//! The results of a load.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How long a load runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// One response in this many is parsed and compared with its request.
const SAMPLED: u64 = 64;

/// The results of a load.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Latencies of the batches that were measured, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// All batches that were acknowledged, measured or not.
    pub(crate) created: u64,
    /// Latencies of the requests that were measured and refused, in microseconds.
    pub(crate) refusals: Histogram<u64>,
    /// All requests that were refused, measured or not.
    pub(crate) refused: u64,
    /// The length of the measured time.
    pub(crate) elapsed: Duration,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            latencies: Histogram::new(3).unwrap(),
            created: 0,
            refusals: Histogram::new(3).unwrap(),
            refused: 0,
            elapsed: Duration::ZERO,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.latencies.add(&other.latencies).unwrap();
        self.created += other.created;
        self.refusals.add(&other.refusals).unwrap();
        self.refused += other.refused;
    }

    /// Returns the number of batches that were measured.
    pub(crate) fn measured(&self) -> u64 {
        self.latencies.len()
    }
}

/// Returns a quantile in milliseconds of latencies in microseconds.
pub(crate) fn quantile_ms(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    latencies.value_at_quantile(quantile) as f64 / 1000.0
}

/// The measured time of a load, after its warm-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    start: Instant,
    end: Instant,
}

impl Window {
    pub(crate) fn of(duration: Duration) -> Self {
        let start = Instant::now() + WARM_UP;
        Self { start, end: start + duration }
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Returns the time until the end.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    pub(crate) fn duration(&self) -> Duration {
        self.end - self.start
    }

    /// Returns the microseconds since `sent`; `None` if now is outside of the measured time.
    fn measured_micros(&self, sent: Instant) -> Option<u64> {
        let now = Instant::now();
        let is_within = now >= self.start && now < self.end;
        is_within.then(|| u64::try_from(now.duration_since(sent).as_micros()).unwrap())
    }
}

/// The results of one worker.
pub(crate) struct Count {
    pub(crate) tally: Tally,
    window: Window,
    requests: u64,
}

impl Count {
    pub(crate) fn new(window: Window) -> Self {
        Self { tally: Tally::new(), window, requests: 0 }
    }

    /// Counts a request. Returns whether its response is to be compared with it.
    pub(crate) fn is_sampled(&mut self) -> bool {
        self.requests += 1;
        self.requests % SAMPLED == 1
    }

    /// Counts a batch that was sent at `sent` and is acknowledged now.
    pub(crate) fn created(&mut self, sent: Instant) {
        self.tally.created += 1;
        if let Some(micros) = self.window.measured_micros(sent) {
            self.tally.latencies.record(micros).unwrap();
        }
    }

    /// Counts a request that was sent at `sent` and is refused now.
    pub(crate) fn refused(&mut self, sent: Instant) {
        self.tally.refused += 1;
        if let Some(micros) = self.window.measured_micros(sent) {
            self.tally.refusals.record(micros).unwrap();
        }
    }
}
