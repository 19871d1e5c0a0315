//! Deletes expired idempotency keys.

use std::time::Duration;

use domain::Error;
use runtime::CancellationToken;
use store::Database;
use telemetry::Throttle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::causes;

/// How often expired keys are looked for.
const INTERVAL: Duration = Duration::from_secs(60);

/// The most keys that one transaction deletes, and the pause after it, so that writers are not slowed
/// down.
const BATCH_SIZE: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(100);

/// Deletes idempotency keys that are older than `ttl`, in small batches, until the token is
/// cancelled. Several servers take turns.
pub(crate) async fn run(database: Database, ttl: Duration, shutdown: CancellationToken) {
    let mut ticks = interval(INTERVAL.min(ttl));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sweeping = async {
        loop {
            ticks.tick().await;
            sweep(&database, ttl).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = sweeping => {}
    }
}

async fn sweep(database: &Database, ttl: Duration) {
    loop {
        match database.sweep_idempotency_keys(ttl, BATCH_SIZE).await {
            Ok(deleted) if deleted < BATCH_SIZE as usize => return,
            Ok(_) => sleep(PAUSE).await,
            Err(error) => {
                log_failure(&error.into());
                return;
            }
        }
    }
}

/// The least time between two log lines about a sweep that fails.
static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

/// Logs why a sweep failed: while sweeps fail, the table grows.
fn log_failure(error: &Error) {
    let causes = causes::of(error);
    let Some(suppressed) = FAILURES.allow(Instant::now().into_std()) else { return };
    if matches!(error, Error::Unavailable(_) | Error::OutcomeUnknown(_)) {
        // The database is not available, which readiness reports, too; or each sweep times out.
        tracing::warn!(%error, causes, suppressed, "failed to delete expired idempotency keys");
    } else {
        tracing::error!(%error, causes, suppressed, "failed to delete expired idempotency keys");
    }
}
