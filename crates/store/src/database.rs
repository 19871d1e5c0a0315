//! The database, as everything that isn't the write path sees it.

use std::{
    fmt, io, mem,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use diesel::PgConnection;

use crate::{
    DatabaseUrl, Error,
    connections::{Connection, Connections},
    watch,
};

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

/// The database, through a set of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database(Arc<Shared>);

/// What clones share.
pub(crate) struct Shared {
    url: DatabaseUrl,
    settings: PoolSettings,
    current: RwLock<Arc<Connections>>,
    renewals: Mutex<Vec<Renewal>>,
}

/// What is to be done when the connections were replaced.
type Renewal = Box<dyn Fn(&Database) + Send>;

impl Database {
    /// Starts a pool. It returns at once and connects in the background, also when the database
    /// is away or comes back.
    #[must_use]
    pub fn open(url: &DatabaseUrl, settings: &PoolSettings) -> Self {
        let connections = Connections::open(url, settings);
        Self(Arc::new(Shared {
            url: url.clone(),
            settings: *settings,
            current: RwLock::new(Arc::new(connections)),
            renewals: Mutex::default(),
        }))
    }

    /// From now on, replaces the connections where the server stops answering on those that are
    /// open, and answers on others: where one of several servers hangs, and another took over.
    /// Queries that wait for an answer on the old ones are let go; batches that do end with their
    /// callers' deadlines, unless an answer comes all the same. It takes one connection more, and
    /// ends with the last clone.
    ///
    /// # Errors
    /// Where the system has no more threads.
    pub fn watch(&self) -> io::Result<()> {
        watch::start(&self.0)
    }

    /// A connection that has just answered. Blocks until then.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where there's none within the checkout time-out.
    pub(crate) fn connection(&self) -> Result<Connection, Error> {
        self.0.current().connection()
    }

    /// Runs a query off the async threads.
    ///
    /// # Errors
    /// The query's own, [`Error::Unavailable`] where no connection is free in time, and
    /// [`Error::ConnectionLost`] where it is not answered.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.0.current().run(query).await
    }

    /// Has this done each time that the connections were replaced. It must not hold the database.
    pub(crate) fn on_renewal(&self, renewal: impl Fn(&Self) + Send + 'static) {
        let mut renewals = self.0.renewals.lock().unwrap_or_else(PoisonError::into_inner);
        renewals.push(Box::new(renewal));
    }
}

impl Shared {
    pub(crate) fn current(&self) -> Arc<Connections> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Connections like those at hand, which they may replace.
    pub(crate) fn open_others(&self) -> Arc<Connections> {
        Arc::new(Connections::open(&self.url, &self.settings))
    }

    /// How long an answer may take on a connection, with the wait for one.
    pub(crate) fn answer_timeout(&self) -> Duration {
        self.settings.checkout_timeout.saturating_add(watch::ANSWER_TIMEOUT)
    }

    /// Replaces the connections.
    pub(crate) fn renew(self: Arc<Self>, connections: Arc<Connections>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let old = mem::replace(&mut *current, connections);
        drop(current);
        old.give_up();
        let database = Database(self);
        for renewal in &*database.0.renewals.lock().unwrap_or_else(PoisonError::into_inner) {
            renewal(&database);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("url", &self.url)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
