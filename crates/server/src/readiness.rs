//! Reports readiness, through `grpc.health.v1` and on the admin port.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use proto::{
    cases::v1::case_service_server::CaseServiceServer,
    directory::v1::directory_service_server::DirectoryServiceServer,
    tasks::v1::task_service_server::TaskServiceServer,
};
use runtime::CancellationToken;
use store::{Database, Error};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::server::NamedService as _;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{cases::Cases, causes, directory::Directory, tasks::Tasks};

/// The services, by their names.
const SERVICES: [&str; 3] = [
    TaskServiceServer::<Tasks>::NAME,
    CaseServiceServer::<Cases>::NAME,
    DirectoryServiceServer::<Directory>::NAME,
];

/// The server as a whole.
const SERVER: &str = "";

/// How often the database is checked.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long a check may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the server is ready, as it was reported last. Clones are of the same server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Returns whether the server is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Whether the server can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Ready,
    /// The database does not answer in time, or does not have the schema of this program.
    Unavailable,
    /// The database can't be used as it is, for this reason.
    Unusable(String),
    /// A statement has been running for too long, as one whose commit waits for a standby. Queries
    /// that only read, as the other check, are answered all the same.
    Stalled,
}

/// Reports the services, and the server as a whole, as serving while the database responds, has the
/// schema and the encoding that this program needs, and has run no statement for longer than `max_statement_age`; and
/// not before `authentication` has succeeded, without which every call would fail. Once the token is cancelled, reports
/// all as not serving and returns.
pub(crate) async fn report<F>(
    database: Database,
    max_statement_age: Duration,
    authentication: impl Fn() -> F,
    (health, readiness): (HealthReporter, Readiness),
    shutdown: CancellationToken,
) where
    F: Future<Output = Result<(), Error>>,
{
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    let mut is_first = true;
    loop {
        let current = tokio::select! {
            () = shutdown.cancelled() => break,
            current = async {
                ticks.tick().await;
                check(&database, max_statement_age, &authentication).await
            } => current,
        };
        if last.as_ref() != Some(&current) {
            match &current {
                Finding::Ready => tracing::info!("serving"),
                Finding::Unavailable => tracing::warn!(
                    "not serving: the database is not available or its schema is not up to date"
                ),
                Finding::Unusable(reason) => {
                    tracing::error!(reason, "not serving: the database can't be used");
                }
                Finding::Stalled => tracing::warn!(
                    ?max_statement_age,
                    "not serving: a statement has been running for too long"
                ),
            }
            let is_ready = current == Finding::Ready;
            readiness.0.store(is_ready, Relaxed);
            set(&health, is_ready).await;
            last = Some(current);
            if is_ready && mem::take(&mut is_first) {
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = warn_of_unused_row_level_security(&database) => {}
                }
            }
        }
    }
    readiness.0.store(false, Relaxed);
    set(&health, false).await;
}

/// Ends the streams of `Health.Watch` after their last message. Otherwise the server would wait for
/// them when it shuts down.
pub(crate) async fn end_watch_streams(mut health: HealthReporter) {
    health.clear_service_status(SERVER).await;
    for service in SERVICES {
        health.clear_service_status(service).await;
    }
}

async fn check<F>(
    database: &Database,
    max_statement_age: Duration,
    authentication: &impl Fn() -> F,
) -> Finding
where
    F: Future<Output = Result<(), Error>>,
{
    match timeout(TIMEOUT, database.has_current_schema()).await {
        Ok(Ok(true)) => {}
        Ok(Err(Error::Invalid(reason))) => return Finding::Unusable(reason),
        Ok(Ok(false) | Err(_)) | Err(_) => return Finding::Unavailable,
    }
    match timeout(TIMEOUT, database.check_privileges()).await {
        Ok(Ok(())) => {}
        Ok(Err(Error::Invalid(reason))) => return Finding::Unusable(reason),
        Ok(Err(_)) | Err(_) => return Finding::Unavailable,
    }
    match timeout(TIMEOUT, authentication()).await {
        Ok(Ok(())) => {}
        Ok(Err(error @ Error::Internal(_))) => {
            return Finding::Unusable(format!("no key can be accepted: {}", causes::of(&error)));
        }
        Ok(Err(_)) | Err(_) => return Finding::Unavailable,
    }
    match database.oldest_statement() {
        Some(age) if age > max_statement_age => Finding::Stalled,
        _ => Finding::Ready,
    }
}

/// Logs a warning if the database is set up for row-level security, and the server was started without it: nobody
/// would notice that it restricts nothing.
async fn warn_of_unused_row_level_security(database: &Database) {
    if let Ok(Ok(true)) = timeout(TIMEOUT, database.has_unused_row_level_security()).await {
        tracing::warn!(
            "row-level security is set up in the database, but not used: start the server with \
             --row-level-security"
        );
    }
}

/// The server as a whole serves only while the services do: it is reported last as serving and
/// first as not serving.
pub(crate) async fn set(health: &HealthReporter, is_ready: bool) {
    if is_ready {
        for service in SERVICES {
            health.set_service_status(service, ServingStatus::Serving).await;
        }
        health.set_service_status(SERVER, ServingStatus::Serving).await;
    } else {
        health.set_service_status(SERVER, ServingStatus::NotServing).await;
        for service in SERVICES {
            health.set_service_status(service, ServingStatus::NotServing).await;
        }
    }
}
