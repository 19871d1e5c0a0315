//! Reports readiness through `grpc.health.v1`.

use std::time::Duration;

use proto::tasks::v1::task_service_server::TaskServiceServer;
use runtime::CancellationToken;
use store::Database;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::server::NamedService as _;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::tasks::Tasks;

/// How often the database is checked.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long a check may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Reports the service, and the server as a whole, as serving while the database responds and has
/// the schema that this program needs. Once the token is cancelled, reports both as not serving and
/// returns.
pub(crate) async fn report(
    database: Database,
    health: HealthReporter,
    shutdown: CancellationToken,
) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_ready = None;
    loop {
        let is_ready = tokio::select! {
            () = shutdown.cancelled() => break,
            is_ready = async { ticks.tick().await; is_ready(&database).await } => is_ready,
        };
        if was_ready != Some(is_ready) {
            if is_ready {
                tracing::info!("serving");
            } else {
                tracing::warn!(
                    "not serving: the database is not available or its schema is not up to date"
                );
            }
            set(&health, is_ready).await;
            was_ready = Some(is_ready);
        }
    }
    set(&health, false).await;
}

/// Ends the streams of `Health.Watch` after their last message. Otherwise the server would wait for
/// them when it shuts down.
pub(crate) async fn end_watch_streams(mut health: HealthReporter) {
    health.clear_service_status("").await;
    health.clear_service_status(TaskServiceServer::<Tasks>::NAME).await;
}

async fn is_ready(database: &Database) -> bool {
    matches!(timeout(TIMEOUT, database.has_current_schema()).await, Ok(Ok(true)))
}

/// The server as a whole serves only while the service does: it is reported last as serving and
/// first as not serving.
async fn set(health: &HealthReporter, is_ready: bool) {
    if is_ready {
        health.set_serving::<TaskServiceServer<Tasks>>().await;
        health.set_service_status("", ServingStatus::Serving).await;
    } else {
        health.set_service_status("", ServingStatus::NotServing).await;
        health.set_not_serving::<TaskServiceServer<Tasks>>().await;
    }
}
