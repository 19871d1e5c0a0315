//! What the connections to the database count and measure.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

/// The upper bounds of the buckets of durations, in seconds: from a statement of one row to the longest
/// statement.
const BUCKETS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Returns an empty histogram of durations.
pub(crate) fn durations() -> Histogram {
    Histogram::new(BUCKETS)
}

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// The metrics of the queries of one database. The name of a query is a part of the code, so there are
/// only so many.
#[derive(Debug)]
pub(crate) struct QueryMetrics {
    waits: Durations<LaneLabel>,
    queries: Durations<QueryLabel>,
    failures: Family<QueryLabel, Counter>,
    failovers: Counter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LaneLabel {
    pub(crate) lane: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabel {
    query: &'static str,
}

impl Default for QueryMetrics {
    fn default() -> Self {
        Self {
            waits: Family::new_with_constructor(durations),
            queries: Family::new_with_constructor(durations),
            failures: Family::default(),
            failovers: Counter::default(),
        }
    }
}

impl QueryMetrics {
    /// Records that a query has waited so long for a connection.
    pub(crate) fn waited(&self, lane: &'static str, time: Duration) {
        self.waits.get_or_create(&LaneLabel { lane }).observe(time.as_secs_f64());
    }

    /// Records that a query has run.
    pub(crate) fn ran(&self, query: &'static str, time: Duration) {
        let label = QueryLabel { query };
        self.queries.get_or_create(&label).observe(time.as_secs_f64());
        // Also of a query that has never failed there is a number.
        let _zero = self.failures.get_or_create(&label);
    }

    /// Records that a query has failed, whether it has run or not.
    pub(crate) fn failed(&self, query: &'static str) {
        self.failures.get_or_create(&QueryLabel { query }).inc();
    }

    /// Records that the connections were replaced.
    pub(crate) fn failed_over(&self) {
        self.failovers.inc();
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "database_wait",
            "How long a query waits for a connection",
            Unit::Seconds,
            self.waits.clone(),
        );
        registry.register_with_unit(
            "database_query",
            "How long a query takes, commits included",
            Unit::Seconds,
            self.queries.clone(),
        );
        registry.register(
            "database_query_failures",
            "Queries that failed, also for lack of a connection",
            self.failures.clone(),
        );
        registry.register(
            "database_failovers",
            "How often all connections were replaced, as the server did not answer on them",
            self.failovers.clone(),
        );
    }
}
