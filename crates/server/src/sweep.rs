//! Deletes rows that have expired.

use std::time::Duration;

use domain::Error;
use prometheus_client::metrics::counter::Counter;
use runtime::CancellationToken;
use store::{Database, Sweep, Swept};
use telemetry::Throttle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::{causes, metrics::SweepMetrics};

/// How often expired rows are looked for.
const INTERVAL: Duration = Duration::from_secs(60);

/// The most rows that one transaction deletes, and the pause after it, so that writers are not slowed
/// down.
const BATCH_SIZE: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(100);

/// A sweep that takes longer than this halves its pauses, and again each time that it takes as long again: more
/// expires than it deletes, or there is much to catch up with.
const HALVED_AFTER: Duration = Duration::from_secs(60);
const MOST_HALVINGS: u32 = 4;

/// Returns the pause after a step of a sweep: as long as the step took at least, so that a sweep works half of the time
/// at most, unless its steps take longer than the longest pause.
fn pause(sweeping: Duration, step: Duration) -> Duration {
    let halvings = sweeping.as_secs() / HALVED_AFTER.as_secs();
    let halvings = u32::try_from(halvings).unwrap_or(u32::MAX).min(MOST_HALVINGS);
    (PAUSE / 2_u32.pow(halvings)).max(step.min(PAUSE))
}

/// Whose rows expire, and how old they become.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Table {
    /// The records of idempotency keys.
    IdempotencyKeys(Duration),
    /// What was done to tasks.
    TaskEvents(Duration),
    /// The events of creations.
    CreationEvents(Duration),
}

impl Table {
    /// Returns the name of the table.
    fn name(self) -> &'static str {
        match self {
            Self::IdempotencyKeys(_) => "idempotency_keys",
            Self::TaskEvents(_) => "task_events",
            Self::CreationEvents(_) => "creation_events",
        }
    }

    /// Returns a sweep of the table, and the age to which its rows are kept.
    fn sweep(self, database: &Database) -> (Sweep, Duration) {
        match self {
            Self::IdempotencyKeys(age) => (database.sweep_of_idempotency_keys(age), age),
            Self::TaskEvents(age) => (database.sweep_of_task_events(age), age),
            Self::CreationEvents(age) => (database.sweep_of_creation_events(age), age),
        }
    }
}

/// Deletes the rows of a table that have expired, in small batches, until the token is cancelled.
/// Several servers take turns.
pub(crate) async fn run(
    database: Database,
    table: Table,
    metrics: SweepMetrics,
    shutdown: CancellationToken,
) {
    let (mut sweep, age) = table.sweep(&database);
    let mut ticks = interval(INTERVAL.min(age));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (rows, failures) = metrics.of_table(table.name());
    let sweeping = async {
        loop {
            ticks.tick().await;
            run_once(&mut sweep, table, &rows, &failures).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = sweeping => {}
    }
}

/// Deletes all rows that have expired.
async fn run_once(sweep: &mut Sweep, table: Table, rows: &Counter, failures: &Counter) {
    let begun = Instant::now();
    loop {
        let step = Instant::now();
        match sweep.step(BATCH_SIZE).await {
            Ok(Swept::Busy) => return,
            Ok(Swept::Rows(deleted)) => {
                rows.inc_by(deleted as u64);
                if deleted < BATCH_SIZE as usize {
                    return;
                }
                sleep(pause(begun.elapsed(), step.elapsed())).await;
            }
            Err(error) => {
                failures.inc();
                log_failure(table, &error.into());
                return;
            }
        }
    }
}

/// The least time between two log lines about a sweep that fails, for each table.
static KEY_FAILURES: Throttle = Throttle::new(Duration::from_secs(60));
static EVENT_FAILURES: Throttle = Throttle::new(Duration::from_secs(60));
static CREATION_FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

/// Logs why a sweep failed: while sweeps fail, the table grows.
fn log_failure(table: Table, error: &Error) {
    let (failures, rows) = match table {
        Table::IdempotencyKeys(_) => (&KEY_FAILURES, "idempotency keys"),
        Table::TaskEvents(_) => (&EVENT_FAILURES, "task events"),
        Table::CreationEvents(_) => (&CREATION_FAILURES, "creation events"),
    };
    let causes = causes::of(error);
    let Some(suppressed) = failures.allow(Instant::now().into_std()) else { return };
    if matches!(error, Error::Unavailable(_) | Error::OutcomeUnknown(_)) {
        // The database is not available, which readiness reports, too; or each sweep times out.
        tracing::warn!(%error, causes, suppressed, "failed to delete expired {rows}");
    } else {
        tracing::error!(%error, causes, suppressed, "failed to delete expired {rows}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_that_takes_long_makes_shorter_pauses() {
        let pause = |seconds, step| {
            pause(Duration::from_secs(seconds), Duration::from_millis(step)).as_micros()
        };
        assert_eq!(
            [0, 59, 60, 120, 180, 240].map(|seconds| pause(seconds, 1)),
            [100_000, 100_000, 50_000, 25_000, 12_500, 6_250]
        );
        assert_eq!([300, u64::MAX].map(|seconds| pause(seconds, 1)), [6_250, 6_250]);
        // But none that are shorter than its steps, up to the longest pause.
        assert_eq!(
            [(0, 40), (240, 40), (240, 400)].map(|(seconds, step)| pause(seconds, step)),
            [100_000, 40_000, 100_000]
        );
    }
}
