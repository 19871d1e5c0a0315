//! A set of connections, which is used until it is given up as a whole.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use diesel::{
    PgConnection,
    connection::SimpleConnection as _,
    r2d2::{CustomizeConnection, HandleError, Pool, PooledConnection},
};
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
    time::timeout,
};

use crate::{DatabaseUrl, Error, PoolSettings, connector::Connector};

pub(crate) type Connection = PooledConnection<Connector>;

/// A pool of connections, and what is asked on them.
#[derive(Debug)]
pub(crate) struct Connections {
    pool: Pool<Connector>,
    reads: Arc<Semaphore>,
    checkout_timeout: Duration,
    is_given_up: watch::Sender<bool>,
    trace: Weak<()>,
}

impl Connections {
    /// Starts a pool. It returns at once and connects in the background, also when the database
    /// is away or comes back.
    pub(crate) fn open(url: &DatabaseUrl, settings: &PoolSettings) -> Self {
        let size = u32::try_from(settings.writers + settings.readers).unwrap_or(u32::MAX - 1);
        let connector = Connector::new(url);
        let trace = connector.trace();
        let pool = Pool::builder()
            // One more for whoever asks whether there is an answer at all.
            .max_size(size + 1)
            .min_idle(Some(size))
            // r2d2 pauses at most half of this between attempts to reconnect.
            .connection_timeout(settings.checkout_timeout)
            .test_on_check_out(true)
            .connection_customizer(Box::new(Session))
            .error_handler(Box::new(LogErrors::default()))
            .build_unchecked(connector);
        Self {
            pool,
            reads: Arc::new(Semaphore::new(settings.readers.max(1))),
            checkout_timeout: settings.checkout_timeout,
            is_given_up: watch::Sender::new(false),
            trace,
        }
    }

    /// A connection that has just answered. Blocks until then: forever where it is to a server
    /// that hangs.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where there's none within the checkout time-out.
    pub(crate) fn connection(&self) -> Result<Connection, Error> {
        self.pool.get().map_err(|error| Error::Unavailable(error.into()))
    }

    /// Runs a query off the async threads. The connection is taken there too, since waiting for
    /// one blocks.
    ///
    /// # Errors
    /// The query's own, [`Error::Unavailable`] where no connection is free in time, and
    /// [`Error::ConnectionLost`] where all are given up meanwhile.
    pub(crate) async fn run<T: Send + 'static>(
        self: Arc<Self>,
        query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // As many threads as connections: others wait here, where waiting costs nothing.
        let permit = timeout(self.checkout_timeout, Arc::clone(&self.reads).acquire_owned())
            .await
            .map_err(|elapsed| Error::Unavailable(elapsed.into()))?
            .map_err(|closed| Error::Internal(closed.into()))?;
        let mut is_given_up = self.is_given_up.subscribe();
        let answer = spawn_blocking(move || {
            let _permit = permit;
            query(&mut *self.connection()?)
        });
        tokio::select! {
            answer = answer => answer.map_err(|panic| Error::Internal(panic.into()))?,
            _ = is_given_up.wait_for(|is_given_up| *is_given_up) => {
                Err(Error::ConnectionLost("the database stopped answering on it".into()))
            }
        }
    }

    /// Lets go all who wait for an answer.
    pub(crate) fn give_up(&self) {
        self.is_given_up.send_replace(true);
    }

    /// Can be upgraded for as long as there still is a connection, or somebody who uses one.
    pub(crate) fn trace(&self) -> Weak<()> {
        self.trace.clone()
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
