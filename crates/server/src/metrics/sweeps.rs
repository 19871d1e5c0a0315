//! What sweeps delete.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// Counts what sweeps delete. Of each table there is a series, also if nothing of it has expired.
#[derive(Clone, Debug, Default)]
pub(crate) struct SweepMetrics {
    rows: Family<Swept, Counter>,
    failures: Family<Swept, Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Swept {
    table: &'static str,
}

impl SweepMetrics {
    /// Returns the counters of the rows of a table that were deleted, and of the sweeps that failed.
    pub(crate) fn of_table(&self, table: &'static str) -> (Counter, Counter) {
        let label = Swept { table };
        (self.rows.get_or_create_owned(&label), self.failures.get_or_create_owned(&label))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "swept_rows",
            "Rows that were deleted, as they had expired",
            self.rows.clone(),
        );
        registry.register(
            "sweep_failures",
            "Sweeps that failed: meanwhile, the table grows",
            self.failures.clone(),
        );
    }
}
