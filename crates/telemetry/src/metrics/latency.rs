//! Histograms of how long requests take.

use prometheus_client::metrics::exemplar::HistogramWithExemplars;

use crate::trace_context::TraceId;

/// A histogram in seconds. Each bucket may name the trace of a request that is in it.
pub type Latency = HistogramWithExemplars<TraceId>;

/// The upper bounds of the buckets, in seconds: from a read of one task to the longest deadline.
const BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Returns an empty histogram.
#[must_use]
pub fn latency() -> Latency {
    Latency::new(BUCKETS.into_iter())
}
