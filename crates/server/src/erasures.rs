//! Goes on with erasures of users whose calls have ended early.

use std::time::Duration;

use domain::Error;
use runtime::CancellationToken;
use store::Database;
use telemetry::Throttle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::causes;

/// How often such users are looked for.
const INTERVAL: Duration = Duration::from_secs(60);

/// How long an erasure may take before the next one is tried.
const LIMIT: Duration = Duration::from_secs(60);

/// The most users of one look.
const USERS: u32 = 100;

/// Completes erasures until the token is cancelled. Several servers may do the same work.
pub(crate) async fn run(database: Database, shutdown: CancellationToken) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let completing = async {
        loop {
            ticks.tick().await;
            if let Err(error) = complete(&database).await {
                log_failure(&error);
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = completing => {}
    }
}

/// Completes the erasures that are pending, each by itself: one that fails, or waits for a transaction
/// that does not end, does not keep the others from it.
async fn complete(database: &Database) -> Result<(), Error> {
    for (tenant, user) in database.pending_erasures(USERS).await? {
        match timeout(LIMIT, database.complete_erasure(tenant, user)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log_failure(&error),
            Err(_) => tracing::warn!(
                %tenant,
                user_id = user.get(),
                "an erasure waits for a transaction that does not end"
            ),
        }
    }
    Ok(())
}

/// The least time between two log lines about erasures that fail.
static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

fn log_failure(error: &Error) {
    let causes = causes::of(error);
    let Some(suppressed) = FAILURES.allow(Instant::now().into_std()) else { return };
    if matches!(error, Error::Unavailable(_) | Error::OutcomeUnknown(_)) {
        // The database is not available, which readiness reports, too.
        tracing::warn!(%error, causes, suppressed, "failed to complete erasures of users");
    } else {
        tracing::error!(%error, causes, suppressed, "failed to complete erasures of users");
    }
}
