//! What the connections to the database count and measure.

use std::{sync::OnceLock, time::Duration};

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

/// The most names of queries, and of lanes.
const MOST_NAMES: usize = 64;

/// What is counted under each of a few names that are parts of the code. Each is found without a lock or a
/// hash, by going through the names.
#[derive(Debug)]
struct Named<T>([OnceLock<(&'static str, T)>; MOST_NAMES]);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self([const { OnceLock::new() }; MOST_NAMES])
    }
}

impl<T> Named<T> {
    /// Returns what is counted under this name, which `make` makes the first time; `None` if there are too
    /// many names.
    fn get(&self, name: &'static str, make: impl Fn() -> T) -> Option<&T> {
        let mut all = self.0.iter().map(|place| place.get_or_init(|| (name, make())));
        all.find(|(other, _)| *other == name).map(|(_, counted)| counted)
    }
}

/// The metrics of the queries of one database. The name of a query is a part of the code, so there are
/// only so many.
#[derive(Debug)]
pub(crate) struct QueryMetrics {
    waits: Durations<LaneLabel>,
    queries: Durations<QueryLabel>,
    failures: Family<QueryLabel, Counter>,
    failovers: Counter,
    by_lane: Named<Histogram>,
    by_query: Named<(Histogram, Counter)>,
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
            by_lane: Named::default(),
            by_query: Named::default(),
        }
    }
}

impl QueryMetrics {
    /// Records that a query has waited so long for a connection.
    pub(crate) fn waited(&self, lane: &'static str, time: Duration) {
        let wait = || self.waits.get_or_create_owned(&LaneLabel { lane });
        if let Some(wait) = self.by_lane.get(lane, wait) {
            wait.observe(time.as_secs_f64());
        }
    }

    /// Records that a query has run.
    pub(crate) fn ran(&self, query: &'static str, time: Duration) {
        if let Some((duration, _)) = self.of_query(query) {
            duration.observe(time.as_secs_f64());
        }
    }

    /// Records that a query has failed, whether it has run or not.
    pub(crate) fn failed(&self, query: &'static str) {
        if let Some((_, failures)) = self.of_query(query) {
            failures.inc();
        }
    }

    fn of_query(&self, query: &'static str) -> Option<&(Histogram, Counter)> {
        let label = QueryLabel { query };
        self.by_query.get(query, || {
            let duration = self.queries.get_or_create_owned(&label);
            (duration, self.failures.get_or_create_owned(&label))
        })
    }

    /// Records that the connections were replaced.
    pub(crate) fn failed_over(&self) {
        self.failovers.inc();
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "database_wait",
            "How long a query waits for its tenant's turn and a connection, also in vain",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_counter_and_there_are_no_more_than_there_may_be() {
        let named = Named::<Counter>::default();
        for name in ["a", "b", "a"] {
            named.get(name, Counter::default).unwrap().inc();
        }
        assert_eq!(named.get("a", Counter::default).unwrap().get(), 2);
        assert_eq!(named.get("b", Counter::default).unwrap().get(), 1);
        for number in 2..MOST_NAMES {
            let name: &'static str = number.to_string().leak();
            assert!(named.get(name, Counter::default).is_some());
        }
        assert!(named.get("too many", Counter::default).is_none());
    }
}
