//! The pool of connections, and the way of everything that isn't the write path.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    connection::SimpleConnection as _,
    r2d2::{CustomizeConnection, HandleError, Pool, PooledConnection},
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{DatabaseUrl, Error, connector::Connector};

pub(crate) type Connection = PooledConnection<Connector>;

/// How many connections are kept, and for what.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Connections for the writers, one each.
    pub writers: usize,
    /// Connections for everything else.
    pub readers: usize,
    /// How long a caller waits for a free connection. Must be far below the callers' deadlines.
    pub checkout_timeout: Duration,
}

/// The database, through a pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: Pool<Connector>,
    reads: Arc<Semaphore>,
    checkout_timeout: Duration,
}

impl Database {
    /// Starts a pool. It returns at once and connects in the background, also when the database
    /// is away or comes back.
    #[must_use]
    pub fn open(url: &DatabaseUrl, settings: &PoolSettings) -> Self {
        let size = u32::try_from(settings.writers + settings.readers).unwrap_or(u32::MAX);
        let pool = Pool::builder()
            .max_size(size.max(1))
            // r2d2 pauses at most half of this between attempts to reconnect.
            .connection_timeout(settings.checkout_timeout)
            .test_on_check_out(true)
            .connection_customizer(Box::new(Session))
            .error_handler(Box::new(LogErrors::default()))
            .build_unchecked(Connector::new(url));
        Self {
            pool,
            reads: Arc::new(Semaphore::new(settings.readers.max(1))),
            checkout_timeout: settings.checkout_timeout,
        }
    }

    /// A connection that has just answered.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where there's none within the checkout time-out. Blocks until then.
    pub(crate) fn connection(&self) -> Result<Connection, Error> {
        self.pool.get().map_err(|error| Error::Unavailable(error.into()))
    }

    /// Runs a query off the async threads. The connection is taken there too, since waiting for
    /// one blocks.
    ///
    /// # Errors
    /// The query's own, and [`Error::Unavailable`] where no connection is free in time.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // As many threads as connections: others wait here, where waiting costs nothing.
        let permit = timeout(self.checkout_timeout, Arc::clone(&self.reads).acquire_owned())
            .await
            .map_err(|elapsed| Error::Unavailable(elapsed.into()))?
            .map_err(|closed| Error::Internal(closed.into()))?;
        let database = self.clone();
        spawn_blocking(move || {
            let _permit = permit;
            query(&mut *database.connection()?)
        })
        .await
        .map_err(|panic| Error::Internal(panic.into()))?
    }
}

/// What each session is told once.
#[derive(Debug)]
struct Session;

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Session {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        // The write path's statement is planned once a connection, not anew for each call. The
        // one plan must then not depend on how full the tables were when it was made, so the
        // look-ups are told to use their indexes.
        connection
            .batch_execute(
                "SET plan_cache_mode = force_generic_plan; \
                 SET enable_seqscan = off; \
                 SET statement_timeout = '10s'",
            )
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// How often a database that is away is logged: a line for each attempt of each connection would
/// bury all others.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

/// r2d2's own handler would write to another log.
#[derive(Debug, Default)]
struct LogErrors {
    last: Mutex<Option<Instant>>,
}

impl HandleError<diesel::r2d2::Error> for LogErrors {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= LOG_INTERVAL) {
            tracing::warn!(%error, "no connection to the database");
            *last = Some(Instant::now());
        }
    }
}
