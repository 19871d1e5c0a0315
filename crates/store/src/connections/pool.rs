//! A pool of connections, which is used until it is abandoned as a whole.

use std::{
    pin::pin,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, PgConnection,
    r2d2::{self, PooledConnection},
};
use tokio::{
    sync::{oneshot, watch},
    task::spawn_blocking,
    time::sleep,
};
use traces::{Kind, Span};

use super::{
    connector::Connector,
    lane::Lane,
    log_errors::LogErrors,
    presence::Presence,
    session::{Session, Sharing},
    statements::{Observer, Statements},
    threads::{Load, Run, Threads},
    url::DatabaseUrl,
};
use crate::{error::Error, metrics::QueryMetrics, scope::Access, statement_spans::query_span};

/// The name of the span of a query's wait for its tenant's turn and a connection.
const WAIT: &str = "connection wait";

pub(crate) type Connection = PooledConnection<Connector>;

/// How many connections are kept, and for what.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// Connections for the writer threads, one each. Without writers the pool is that of a command,
    /// which connects once and ends: its connections are opened when they are needed.
    pub writers: usize,
    /// Connections for all other queries.
    pub readers: usize,
    /// Connections for changes. There are a quarter as many, rounded up, for changes to locked rows.
    pub changers: usize,
    /// How many queries of one tenant wait for their turn, beside those that run.
    pub tenant_queue_length: usize,
    /// How long a caller waits for a free connection. Must be far below the callers' deadlines.
    pub checkout_timeout: Duration,
    /// How long a statement waits for a lock that another session holds before it fails. Must be
    /// below 10 s, which a statement may take in all.
    pub lock_timeout: Duration,
}

/// The connections for the directory: so few that feeding a large one leaves the database to others.
const DIRECTORY_CONNECTIONS: usize = 2;

impl PoolSettings {
    /// Returns how many connections there are for changes to locked rows.
    fn contended(&self) -> usize {
        self.changers.div_ceil(4)
    }

    /// Returns how many connections there are for the directory.
    pub(crate) fn directory(&self) -> usize {
        if self.writers == 0 { 0 } else { DIRECTORY_CONNECTIONS }
    }
}

/// A pool of connections, and the queries that run on them.
#[derive(Debug)]
pub(crate) struct Pool {
    connections: r2d2::Pool<Connector>,
    queries: Threads<Connection>,
    changes: Threads<Connection>,
    contended: Threads<Connection>,
    directory: Threads<Connection>,
    checks: Threads<Connection>,
    checkout_timeout: Duration,
    is_abandoned: watch::Sender<bool>,
    life: Weak<()>,
    statements: Statements,
    metrics: Arc<QueryMetrics>,
}

impl Pool {
    /// Starts a pool. Returns at once: the pool connects in the background, also when the database
    /// is not there yet, and reconnects once it is available again. All pools of a database know when
    /// one of them has seen that sessions are shared.
    pub(super) fn open(
        url: &DatabaseUrl,
        settings: &PoolSettings,
        sharing: &Sharing,
        metrics: Arc<QueryMetrics>,
    ) -> Self {
        let size = settings.writers
            + settings.readers
            + settings.changers
            + settings.contended()
            + settings.directory();
        let size = u32::try_from(size).unwrap_or(u32::MAX - 3);
        // A command needs one connection, and ends.
        let min_idle = if settings.writers == 0 { 0 } else { size };
        let session = Session { lock_timeout: settings.lock_timeout };
        let connector = Connector::new(url, sharing.clone());
        let life = connector.life();
        let connections = r2d2::Pool::builder()
            // One more for the probe that asks whether the server answers at all, one for checks, and one
            // for the probes of those who listen.
            .max_size(size + 3)
            .min_idle(Some(min_idle))
            // r2d2 pauses at most half of this between attempts to reconnect.
            .connection_timeout(settings.checkout_timeout)
            .test_on_check_out(true)
            .connection_customizer(Box::new(session))
            .error_handler(Box::new(LogErrors::default()))
            .build_unchecked(connector);
        Self {
            connections,
            // As many threads as connections: what waits for one costs no thread.
            queries: Threads::new(settings.readers),
            changes: Threads::new(settings.changers),
            contended: Threads::new(settings.contended()),
            directory: Threads::new(settings.directory()),
            checks: Threads::new(1),
            checkout_timeout: settings.checkout_timeout,
            is_abandoned: watch::Sender::new(false),
            life,
            statements: Statements::default(),
            metrics,
        }
    }

    /// Returns how many connections are open, and how many of them are idle.
    pub(super) fn connections_open(&self) -> (u32, u32) {
        let state = self.connections.state();
        (state.connections, state.idle_connections)
    }

    /// Returns what a lane has to do.
    pub(super) fn load(&self, lane: Lane) -> Load {
        self.threads(lane).load()
    }

    /// Returns a connection that has just answered. Blocks until there is one; without a limit if
    /// it leads to a server that hangs.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no connection is free within the checkout timeout, or if it is lost.
    pub(crate) fn connection(&self) -> Result<Connection, Error> {
        unrestricted(self.checked_out()?)
    }

    fn checked_out(&self) -> Result<Connection, Error> {
        let mut connection = self.connections.get().map_err(Error::unavailable)?;
        // A writer may have had it before.
        connection.set_instrumentation(None::<Observer>);
        Ok(connection)
    }

    /// Returns a connection as [`Self::connection`] does, to write for callers. Its statements count for
    /// [`Self::oldest_statement`].
    ///
    /// # Errors
    /// As [`Self::connection`].
    pub(crate) fn writer_connection(&self) -> Result<Connection, Error> {
        let mut connection = self.connection()?;
        connection.set_instrumentation(self.statements.observer());
        Ok(connection)
    }

    /// Begins to wait for a connection of a lane.
    pub(crate) fn waiting(&self, lane: Lane) -> Waiting {
        let span = traces::current().child(Kind::Internal, WAIT);
        Waiting { metrics: Arc::clone(&self.metrics), lane, since: Instant::now(), span }
    }

    /// Runs a query on a thread of the lane that it waits for, in a span with its name, and in a session with this
    /// access.
    ///
    /// # Errors
    /// The query's own; [`Error::Unavailable`] if no connection is free in time;
    /// [`Error::ConnectionLost`] if the pool is abandoned while the query runs. A query whose future
    /// was dropped before there was a connection is not begun.
    pub(crate) async fn run<T: Send + 'static>(
        self: Arc<Self>,
        waiting: Waiting,
        name: &'static str,
        access: Access,
        query: impl FnOnce(&mut PgConnection, &Presence) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let lane = waiting.lane;
        let mut is_abandoned = self.is_abandoned.subscribe();
        let mut is_abandoned = pin!(is_abandoned.wait_for(|is_abandoned| *is_abandoned));
        let mut limit = pin!(sleep(self.checkout_timeout));
        // Dropped with this future, that is when nobody waits for the result any more.
        let present = Arc::new(());
        let caller = match lane {
            Lane::Changes | Lane::Contended | Lane::Directory | Lane::Audit => {
                Presence::until_deadline(&present)
            }
            Lane::Queries | Lane::Lists | Lane::Checks => Presence::of(&present),
        };
        let (run, mut result) = prepare((waiting, name), access, query, caller);
        let threads = self.threads(lane);
        let (place, is_thread_missing) = threads.push(lane.length(), run);
        if is_thread_missing {
            let pool = Arc::clone(&self);
            spawn_blocking(move || pool.threads(lane).work(|| pool.connection_for(lane)));
        }
        // In the other lanes, a turn may take as long as others wait for locks, or for a standby, and as
        // long as lists take.
        let mut is_limited =
            matches!(lane, Lane::Queries | Lane::Directory | Lane::Audit | Lane::Checks);
        loop {
            tokio::select! {
                result = &mut result => {
                    return result.unwrap_or_else(|lost| Err(Error::internal(lost)));
                }
                _ = &mut is_abandoned => {
                    let cause = "the server stopped answering and its connections were abandoned";
                    return Err(match place.withdraw() {
                        true => Error::unavailable(cause),
                        false => Error::connection_lost(cause),
                    });
                }
                () = &mut limit, if is_limited => {
                    is_limited = false;
                    if place.withdraw() {
                        return Err(Error::unavailable("no connection was free in time"));
                    }
                }
            }
        }
    }

    fn connection_for(&self, lane: Lane) -> Result<Connection, Error> {
        let mut connection = self.checked_out()?;
        match lane {
            Lane::Changes | Lane::Contended => {
                connection.set_instrumentation(self.statements.observer());
            }
            // A large upsert may take its time, and does not mean that the server can't serve.
            Lane::Queries | Lane::Lists | Lane::Directory | Lane::Audit | Lane::Checks => {}
        }
        Ok(connection)
    }

    fn threads(&self, lane: Lane) -> &Threads<Connection> {
        match lane {
            Lane::Queries | Lane::Lists => &self.queries,
            Lane::Changes => &self.changes,
            Lane::Contended => &self.contended,
            Lane::Directory | Lane::Audit => &self.directory,
            Lane::Checks => &self.checks,
        }
    }

    /// Ends the wait of all queries that are still running.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.send_replace(true);
    }

    /// Returns how long the oldest statement of a writer has been running; `None` if none is running.
    pub(crate) fn oldest_statement(&self) -> Option<Duration> {
        self.statements.oldest()
    }

    /// Returns the statements of the connections that write for callers.
    pub(crate) fn statements(&self) -> Statements {
        self.statements.clone()
    }

    /// Returns a reference that can be upgraded for as long as the pool, one of its connections, or
    /// a user of one exists.
    pub(crate) fn life(&self) -> Weak<()> {
        self.life.clone()
    }
}

/// A query that waits until it has a connection, or until it is dropped, as nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Waiting {
    metrics: Arc<QueryMetrics>,
    lane: Lane,
    since: Instant,
    /// The span of the wait in the caller's trace, if that is recorded.
    span: Span,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.span.end();
        self.metrics.waited(self.lane.name(), self.since.elapsed());
    }
}

/// Returns a connection in a session that may do everything that its role may: a query of a tenant may have had it
/// before.
///
/// # Errors
/// [`Error::Unavailable`], whatever fails: nothing was done for a caller yet.
fn unrestricted(mut connection: Connection) -> Result<Connection, Error> {
    connection.enter(&Access::All).map_err(Error::unavailable)?;
    Ok(connection)
}

/// Returns what a thread runs, and the receiver of the query's result.
fn prepare<T: Send + 'static>(
    (waiting, name): (Waiting, &'static str),
    access: Access,
    query: impl FnOnce(&mut PgConnection, &Presence) -> Result<T, Error> + Send + 'static,
    caller: Presence,
) -> (Run<Connection>, oneshot::Receiver<Result<T, Error>>) {
    let (sender, receiver) = oneshot::channel();
    let span = tracing::Span::current();
    let trace = traces::current();
    let metrics = Arc::clone(&waiting.metrics);
    let run = move |connection: Result<Connection, Error>| {
        drop(waiting);
        let begun = Instant::now();
        // The span of the query is for debugging: without it, log lines are in the caller's.
        let _caller = span.entered();
        let _query = tracing::debug_span!("query", query = name).entered();
        let mut connection = match connection {
            Ok(connection) if caller.is_gone() => {
                let _ = sender.send(Err(Error::DeadlineExceeded));
                return Some(connection);
            }
            Ok(connection) => connection,
            Err(error) => {
                let _ = sender.send(Err(error));
                return None;
            }
        };
        let recorded = query_span(&trace, name);
        let entered = connection.enter(&access);
        let result = entered.and_then(|()| query(&mut connection, &caller));
        // What fails when the caller's time is over may have failed because of that.
        let result = result.map_err(|error| match caller.is_over() {
            true => Error::DeadlineExceeded,
            false => error,
        });
        metrics.ran(name, begun.elapsed());
        if result.is_err() {
            recorded.fail();
        }
        recorded.end();
        // After a failure, the pool checks the connection before it is used again.
        let connection = result.is_ok().then_some(connection);
        let _ = sender.send(result);
        connection
    };
    (Box::new(run), receiver)
}

#[cfg(test)]
mod tests;
