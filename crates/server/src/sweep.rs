//! Forgets requests whose time is over.

use std::time::Duration;

use runtime::CancellationToken;
use store::Database;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often it is looked for some.
const INTERVAL: Duration = Duration::from_secs(60);

/// How many are forgotten in one transaction, and how long others are let pass after it.
const STEP: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(100);

/// Forgets requests that are older than `age`, in small steps, until the token is cancelled. Of
/// several servers one does it at a time.
pub(crate) async fn run(database: Database, age: Duration, ending: CancellationToken) {
    let mut ticks = interval(INTERVAL.min(age));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sweeping = async {
        loop {
            ticks.tick().await;
            sweep(&database, age).await;
        }
    };
    tokio::select! {
        () = ending.cancelled() => {}
        () = sweeping => {}
    }
}

async fn sweep(database: &Database, age: Duration) {
    loop {
        match database.forget_requests(age, STEP).await {
            Ok(forgotten) if forgotten < STEP as usize => return,
            Ok(_) => sleep(PAUSE).await,
            Err(error) => {
                // Readiness tells of a database that is away; the rest is for the log.
                tracing::debug!(%error, "old requests could not be forgotten");
                return;
            }
        }
    }
}
