//! Deletes rows that have expired.

use std::time::Duration;

use domain::Error;
use prometheus_client::metrics::counter::Counter;
use runtime::CancellationToken;
use store::Database;
use telemetry::Throttle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::{causes, metrics::SweepMetrics};

/// How often expired rows are looked for.
const INTERVAL: Duration = Duration::from_secs(60);

/// The most rows that one transaction deletes, and the pause after it, so that writers are not slowed
/// down.
const BATCH_SIZE: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(100);

/// Whose rows expire, and how old they become.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Table {
    /// The records of idempotency keys.
    IdempotencyKeys(Duration),
    /// What was done to tasks.
    TaskEvents(Duration),
}

impl Table {
    /// Returns the name of the table.
    fn name(self) -> &'static str {
        match self {
            Self::IdempotencyKeys(_) => "idempotency_keys",
            Self::TaskEvents(_) => "task_events",
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
    let (Table::IdempotencyKeys(age) | Table::TaskEvents(age)) = table;
    let mut ticks = interval(INTERVAL.min(age));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (rows, failures) = metrics.of_table(table.name());
    let sweeping = async {
        loop {
            ticks.tick().await;
            sweep(&database, table, &rows, &failures).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = sweeping => {}
    }
}

async fn sweep(database: &Database, table: Table, rows: &Counter, failures: &Counter) {
    loop {
        let result = match table {
            Table::IdempotencyKeys(age) => database.sweep_idempotency_keys(age, BATCH_SIZE).await,
            Table::TaskEvents(age) => database.sweep_task_events(age, BATCH_SIZE).await,
        };
        match &result {
            Ok(deleted) => rows.inc_by(*deleted as u64),
            Err(_) => failures.inc(),
        };
        match result {
            Ok(deleted) if deleted < BATCH_SIZE as usize => return,
            Ok(_) => sleep(PAUSE).await,
            Err(error) => {
                log_failure(table, &error.into());
                return;
            }
        }
    }
}

/// The least time between two log lines about a sweep that fails, for each table.
static KEY_FAILURES: Throttle = Throttle::new(Duration::from_secs(60));
static EVENT_FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

/// Logs why a sweep failed: while sweeps fail, the table grows.
fn log_failure(table: Table, error: &Error) {
    let (failures, rows) = match table {
        Table::IdempotencyKeys(_) => (&KEY_FAILURES, "idempotency keys"),
        Table::TaskEvents(_) => (&EVENT_FAILURES, "task events"),
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
