//! How long calls took.

use std::time::Duration;

use crate::{caller::Sample, neighbours::PAUSE};

/// Latencies in ascending order, corrected for the calls that were not made.
///
/// A caller whose call is stalled makes no other ones meanwhile. So that one stall of a second does
/// not disappear among very many short calls, the calls that it has prevented are added, each with the
/// latency that it would have had.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let mut made: Vec<_> = samples.iter().map(|sample| sample.latency).collect();
        made.sort_unstable();
        let interval = made.get(made.len() / 2).copied().unwrap_or_default() + PAUSE;
        let mut all = Vec::new();
        for latency in made {
            let mut next = Some(latency);
            while let Some(latency) = next {
                all.push(latency);
                next = latency.checked_sub(interval).filter(|left| *left > interval);
            }
        }
        all.sort_unstable();
        Self(all)
    }

    /// Returns a percentile; 0 if there are no calls.
    pub(crate) fn quantile(&self, percent: usize) -> Duration {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }

    /// Returns the bound if the 99th percentile is above it.
    pub(crate) fn exceed(&self, bound: Duration) -> Option<Duration> {
        (self.quantile(99) > bound).then_some(bound)
    }
}
