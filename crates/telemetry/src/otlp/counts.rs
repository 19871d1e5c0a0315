//! How many spans were exported, and how many were not.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use crate::metrics::Metrics;

/// How many spans were exported, and how many were not. Clones are of the same counts.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    exported: Counter,
    rejected: Counter,
    failed: Counter,
    dropped: Counter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

impl Counts {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let family = Family::<Ended, Counter>::default();
        let counter = |result| family.get_or_create_owned(&Ended { result });
        let counts = Self {
            exported: counter("exported"),
            rejected: counter("rejected"),
            failed: counter("failed"),
            dropped: counter("dropped"),
        };
        metrics.register(|registry| {
            let help = "Spans of traces, by what became of them: exported; rejected by the collector; failed, as \
                        it could not be reached or did not take them; or dropped, as too many waited";
            registry.register("trace_spans", help, family);
        });
        counts
    }

    /// Counts a batch of which the collector has taken all but so many.
    pub(super) fn exported(&self, spans: u64, rejected: u64) {
        self.exported.inc_by(spans.saturating_sub(rejected));
        self.rejected.inc_by(rejected.min(spans));
    }

    /// Counts a batch that could not be exported.
    pub(super) fn failed(&self, spans: u64) {
        self.failed.inc_by(spans);
    }

    /// Counts spans that were dropped.
    pub(super) fn dropped(&self, spans: u64) {
        self.dropped.inc_by(spans);
    }
}
