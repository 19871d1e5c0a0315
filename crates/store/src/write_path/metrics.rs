//! What the write path counts and measures.

use std::time::{Duration, Instant};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::job::Job;
use crate::{metrics::durations, queued::Queued as _, statement_spans::StatementSpans};

/// The name of the span of the statement that creates tasks.
const CREATE: &str = "create_tasks";

/// The metrics of one queue and of its workers.
#[derive(Debug)]
pub(super) struct WriteMetrics {
    /// How long batches wait until a worker takes them for the first time.
    wait: Histogram,
    statements: Family<Kind, Histogram, fn() -> Histogram>,
    shared: Histogram,
    single: Histogram,
    batches: Histogram,
    rows: Histogram,
    failed: Counter,
    requeued: Counter,
    in_doubt: Counter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

impl Default for WriteMetrics {
    fn default() -> Self {
        let statements: Family<Kind, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(durations);
        Self {
            wait: durations(),
            shared: statements.get_or_create_owned(&Kind { kind: "shared" }),
            single: statements.get_or_create_owned(&Kind { kind: "single" }),
            statements,
            batches: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            rows: Histogram::new(exponential_buckets(2.0, 2.0, 10)),
            failed: Counter::default(),
            requeued: Counter::default(),
            in_doubt: Counter::default(),
        }
    }
}

impl WriteMetrics {
    /// Records that a worker has taken jobs.
    pub(super) fn taken(&self, jobs: &mut [Job]) {
        for job in jobs {
            if let Some(since) = job.caller.waiting_since.take() {
                self.wait.observe(since.elapsed().as_secs_f64());
                job.caller.end_wait();
            }
        }
    }

    /// Runs a statement of these jobs, and records it, in their traces too.
    pub(super) fn statement<T, E>(
        &self,
        jobs: &[Job],
        run: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let traces = || jobs.iter().map(|job| job.caller.trace());
        let spans = StatementSpans::begin(CREATE, traces());
        let begun = Instant::now();
        let result = run();
        self.ran(jobs, begun.elapsed(), result.is_ok());
        spans.end(traces(), result.is_ok());
        result
    }

    fn ran(&self, jobs: &[Job], took: Duration, has_succeeded: bool) {
        let rows: usize = jobs.iter().map(Job::rows).sum();
        self.batches.observe(jobs.len() as f64);
        self.rows.observe(rows as f64);
        let statements = if jobs.len() > 1 { &self.shared } else { &self.single };
        statements.observe(took.as_secs_f64());
        if !has_succeeded {
            self.failed.inc();
        }
    }

    /// Records that a job was returned to the queue.
    pub(super) fn requeued(&self) {
        self.requeued.inc();
    }

    /// Records that it is not known whether a job was done.
    pub(super) fn doubted(&self) {
        self.in_doubt.inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "write_wait",
            "How long a batch waits in the queue until a writer takes it for the first time",
            Unit::Seconds,
            self.wait.clone(),
        );
        registry.register_with_unit(
            "write_statement",
            "How long a statement that creates batches takes, its commit included: it is its own \
             transaction, so the commit has no time of its own. It is shared by several batches, or \
             single",
            Unit::Seconds,
            self.statements.clone(),
        );
        registry.register(
            "write_statement_batches",
            "Batches in a statement",
            self.batches.clone(),
        );
        registry.register(
            "write_statement_rows",
            "Rows of all batches in a statement: of tasks, assignees, idempotency keys and events",
            self.rows.clone(),
        );
        registry.register(
            "write_statement_failures",
            "Statements that failed: each of the batches of a shared one is run again, by itself",
            self.failed.clone(),
        );
        registry.register(
            "write_requeued_batches",
            "Batches that were returned to the queue after a writer had taken them",
            self.requeued.clone(),
        );
        registry.register(
            "write_batches_in_doubt",
            "Batches whose connection was lost, so that they may have been created",
            self.in_doubt.clone(),
        );
    }
}
