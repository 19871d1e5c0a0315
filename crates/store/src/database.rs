//! The database, as every query outside the write path uses it.

use std::{io, sync::Arc, time::Duration};

use diesel::PgConnection;
use domain::TenantId;
use prometheus_client::registry::Registry;

use crate::{
    connections::{
        current::CurrentPool,
        failover,
        lane::Lane,
        listener::{self, Notification},
        pool::{Connection, PoolSettings},
        presence::Presence,
        readings::PoolReadings,
        statements::Statements,
        url::DatabaseUrl,
    },
    error::Error,
    row_level_security::checked_policies::CheckedPolicies,
    scope::{Access, Scope, TenantConnection},
};

/// The database, through a pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database(Arc<CurrentPool>);

impl Database {
    /// Starts a pool. Returns at once: the pool connects in the background, also when the database
    /// is not there yet, and reconnects once it is available again.
    #[must_use]
    pub fn open(url: &DatabaseUrl, settings: &PoolSettings) -> Self {
        Self(Arc::new(CurrentPool::open(url, settings, false)))
    }

    /// Starts a pool as [`Self::open`] does. Postgres restricts queries of tenants to their rows, which
    /// `deploy/row_level_security.sql` must have been run for: [`Self::has_current_schema`] checks that.
    #[must_use]
    pub fn open_with_row_level_security(url: &DatabaseUrl, settings: &PoolSettings) -> Self {
        Self(Arc::new(CurrentPool::open(url, settings, true)))
    }

    /// Starts to monitor the connections, until the last clone is dropped. If the server stops
    /// answering on the open connections, and a server answers on new ones (one of several servers
    /// hangs, and another took over), the new ones replace the old ones.
    ///
    /// Queries that wait for a result on the old connections then fail. Batches that do end with
    /// their callers' deadlines, unless a result comes after all. The monitor takes one connection
    /// more than the pool's settings say.
    ///
    /// # Errors
    /// If the system can't start another thread.
    pub fn watch(&self) -> io::Result<()> {
        failover::start(&self.0)
    }

    /// Returns a connection that has just answered, to write batches. Blocks until there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no connection is free within the checkout timeout.
    pub(crate) fn writer_connection(&self) -> Result<Connection, Error> {
        self.0.get().writer_connection()
    }

    /// Returns how long the oldest statement that writes for callers has been running, the time that its
    /// commit takes included; `None` if none is running. Statements on connections that were replaced
    /// by a failover don't count. Nor do others, as look-ups of keys and the sweep of idempotency
    /// keys: one that is slow does not keep callers from being served.
    ///
    /// `statement_timeout` does not limit a commit: it waits for a synchronous standby for as long as
    /// that is away, while queries that only read are answered.
    #[must_use]
    pub fn oldest_statement(&self) -> Option<Duration> {
        self.0.get().oldest_statement()
    }

    /// Runs a query that changes nothing, off the async threads. Whatever the query logs is in a
    /// span `query` with its name.
    ///
    /// # Errors
    /// The query's own, with one exception: a lost connection is [`Error::Unavailable`], since a
    /// query without effect can be repeated. [`Error::Unavailable`] too if no connection is free in
    /// time, and if the connections are replaced while the query runs.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let pool = self.0.get();
        let waiting = pool.waiting(Lane::Queries);
        let result = pool.run(waiting, name, Access::All, ignoring(query)).await;
        self.conclude(name, result.map_err(Error::without_effect))
    }

    /// Runs a query as [`Self::read`] does, on a connection that no other query uses: for checks
    /// whether the database works, which must not wait behind what callers do.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn check<T: Send + 'static>(
        &self,
        name: &'static str,
        query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let pool = self.0.get();
        let waiting = pool.waiting(Lane::Checks);
        let result = pool.run(waiting, name, Access::All, ignoring(query)).await;
        self.conclude(name, result.map_err(Error::without_effect))
    }

    /// Runs a query that may change something, off the async threads. Whatever the query logs is in
    /// a span `query` with its name.
    ///
    /// # Errors
    /// The query's own. A connection that is lost while the query runs, or replaced, is
    /// [`Error::ConnectionLost`]: the change may or may not have been made. [`Error::Unavailable`]
    /// if no connection is free in time: nothing was changed.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let pool = self.0.get();
        let waiting = pool.waiting(Lane::Queries);
        self.conclude(name, pool.run(waiting, name, Access::All, ignoring(query)).await)
    }

    /// Runs a query that changes nothing as [`Self::read`] does, for a caller of this tenant, which
    /// has no more than its share of the connections.
    ///
    /// # Errors
    /// As [`Self::read`]; and [`domain::Error::TenantOverloaded`] if too many of the tenant's queries
    /// wait already.
    pub(crate) async fn read_for<T: Send + 'static>(
        &self,
        tenant: TenantId,
        name: &'static str,
        query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, domain::Error> {
        self.read_in(Lane::Queries, tenant, name, query).await
    }

    /// Runs a query as [`Self::read_for`] does that may take long, as it reads many rows. Not all
    /// connections are for these, so that others need not wait for them.
    ///
    /// # Errors
    /// As [`Self::read_for`].
    pub(crate) async fn list_for<T: Send + 'static>(
        &self,
        tenant: TenantId,
        name: &'static str,
        query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, domain::Error> {
        self.read_in(Lane::Lists, tenant, name, query).await
    }

    /// Runs statements as [`Self::list_for`] does, which set the scope themselves.
    ///
    /// # Errors
    /// As [`Self::read_for`].
    pub(crate) async fn list_scoped<T: Send + 'static>(
        &self,
        tenant: TenantId,
        name: &'static str,
        query: impl FnOnce(&mut TenantConnection<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, domain::Error> {
        let waiting = self.0.get().waiting(Lane::Lists);
        let (access, query) = scoped(self.scope([tenant]), query);
        let query = self.shared(tenant, Lane::Lists, ignoring(query)).await?;
        let result = self.0.get().run(waiting, name, access, query).await;
        Ok(self.conclude(name, result.map_err(Error::without_effect))?)
    }

    /// Runs statements for callers of several tenants as [`Self::read`] does, which set the scope themselves.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn read_scoped<T: Send + 'static>(
        &self,
        scope: Option<Scope>,
        name: &'static str,
        query: impl FnOnce(&mut TenantConnection<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let pool = self.0.get();
        let waiting = pool.waiting(Lane::Queries);
        let (access, query) = scoped(scope, query);
        let result = pool.run(waiting, name, access, ignoring(query)).await;
        self.conclude(name, result.map_err(Error::without_effect))
    }

    /// Returns the scope of these tenants; `None` without row-level security.
    pub(crate) fn scope(&self, tenants: impl IntoIterator<Item = TenantId>) -> Option<Scope> {
        self.is_row_level_security_on().then(|| Scope::of(tenants))
    }

    /// Returns what a query of a tenant may see or change.
    fn access(&self, tenant: TenantId) -> Access {
        self.scope([tenant]).map_or(Access::All, Access::Tenants)
    }

    /// Returns whether Postgres restricts queries of tenants to their rows.
    pub(crate) fn is_row_level_security_on(&self) -> bool {
        self.0.checked_policies().is_some()
    }

    /// Returns which policies were checked; `None` without row-level security.
    pub(crate) fn checked_policies(&self) -> Option<Arc<CheckedPolicies>> {
        self.0.checked_policies().cloned()
    }

    /// Runs a query as [`Self::read_for`] does, on the connections of a lane.
    ///
    /// # Errors
    /// As [`Self::read_for`].
    pub(crate) async fn read_in<T: Send + 'static>(
        &self,
        lane: Lane,
        tenant: TenantId,
        name: &'static str,
        query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, domain::Error> {
        // The tenant's turn is waited for, too.
        let waiting = self.0.get().waiting(lane);
        let query = self.shared(tenant, lane, ignoring(query)).await?;
        let result = self.0.get().run(waiting, name, self.access(tenant), query).await;
        Ok(self.conclude(name, result.map_err(Error::without_effect))?)
    }

    /// Runs a query that may change something as [`Self::write`] does, for a caller of this tenant,
    /// which has no more than its share of the connections of the lane. The query learns whether the
    /// caller is still there.
    ///
    /// # Errors
    /// As [`Self::write`]; and [`domain::Error::TenantOverloaded`] if too many of the tenant's
    /// queries wait already.
    pub(crate) async fn write_for<T: Send + 'static>(
        &self,
        tenant: TenantId,
        lane: Lane,
        name: &'static str,
        query: impl FnOnce(&mut PgConnection, &Presence) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, domain::Error> {
        let waiting = self.0.get().waiting(lane);
        let query = self.shared(tenant, lane, query).await?;
        let access = self.access(tenant);
        Ok(self.conclude(name, self.0.get().run(waiting, name, access, query).await)?)
    }

    /// Waits for the tenant's turn. Returns the query, which holds the tenant's place until it ends,
    /// also if its caller is gone by then.
    async fn shared<T>(
        &self,
        tenant: TenantId,
        lane: Lane,
        query: impl FnOnce(&mut PgConnection, &Presence) -> Result<T, Error> + Send + 'static,
    ) -> Result<
        impl FnOnce(&mut PgConnection, &Presence) -> Result<T, Error> + Send + 'static,
        domain::Error,
    > {
        let share = match self.0.shares(lane) {
            Some(shares) => Some(shares.take(tenant).await?),
            None => None,
        };
        Ok(move |connection: &mut PgConnection, caller: &Presence| {
            let _share = share;
            query(connection, caller)
        })
    }

    /// Logs and counts that a query failed, and makes it the cause of the failure. The level is `debug`: while
    /// the database is away every query fails, and the caller knows whether that matters.
    fn conclude<T>(&self, query: &'static str, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.0.metrics().failed(query);
            tracing::debug!(query, %error, "query failed");
        }
        result.map_err(|error| error.in_query(query))
    }

    /// Returns the statements that write for callers.
    pub(crate) fn statements(&self) -> Statements {
        self.0.get().statements()
    }

    /// Returns the settings of the connections.
    pub(crate) fn settings(&self) -> &PoolSettings {
        self.0.settings()
    }

    /// Returns how long a statement waits for a lock.
    pub(crate) fn lock_timeout(&self) -> Duration {
        self.0.settings().lock_timeout
    }

    /// Starts to listen for notifications of a channel, on a connection that nobody else uses. Ends when the
    /// last clone is dropped, or `receive` returns false.
    ///
    /// # Errors
    /// If the system can't start another thread.
    pub(crate) fn listen(
        &self,
        channel: &'static str,
        receive: impl Fn(Notification) -> bool + Clone + Send + 'static,
    ) -> io::Result<()> {
        listener::start(&self.0, channel, receive)
    }

    /// Registers a callback that runs after each failover. The callback must not keep a
    /// [`Database`] alive: the pool would never be dropped.
    pub(crate) fn on_failover(&self, callback: impl Fn(&Self) + Send + 'static) {
        self.0.on_failover(move |current| callback(&Self(Arc::clone(current))));
    }

    /// Registers what is counted and measured of connections and queries.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.0.metrics().register(registry);
        registry.register_collector(Box::new(PoolReadings(Arc::downgrade(&self.0))));
    }
}

/// Returns what the session of statements that set the scope themselves may see, and a query that runs them.
fn scoped<T>(
    scope: Option<Scope>,
    query: impl FnOnce(&mut TenantConnection<'_>) -> Result<T, Error> + Send + 'static,
) -> (Access, impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static) {
    let access = if scope.is_some() { Access::OfStatements } else { Access::All };
    (access, move |connection: &mut PgConnection| {
        query(&mut TenantConnection::new(connection, scope))
    })
}

/// Returns a query that does not ask whether its caller is still there.
fn ignoring<T>(
    query: impl FnOnce(&mut PgConnection) -> Result<T, Error> + Send + 'static,
) -> impl FnOnce(&mut PgConnection, &Presence) -> Result<T, Error> + Send + 'static {
    |connection, _| query(connection)
}

#[cfg(test)]
mod tests {
    use tracing::{Instrument as _, info_span};

    use super::*;
    use crate::log_capture::LogCapture;

    /// Nothing listens there.
    const NOWHERE: &str = "postgresql://127.0.0.1:1/nowhere";

    const SETTINGS: PoolSettings = PoolSettings {
        writers: 0,
        readers: 1,
        changers: 0,
        tenant_queue_length: 1,
        checkout_timeout: Duration::from_millis(50),
        lock_timeout: Duration::from_secs(1),
    };

    #[tokio::test]
    async fn a_failed_query_is_logged_with_its_name_in_the_callers_span() {
        let database = Database::open(&NOWHERE.parse().unwrap(), &SETTINGS);
        let log = LogCapture::start();

        let read = database.read("find_nothing", |_| Ok(()));
        let error = read.instrument(info_span!("call", request_id = "r-1")).await.unwrap_err();

        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        let line = log.line("query failed");
        assert!(line.contains(r#""query":"find_nothing""#), "{line}");
        assert!(line.contains(r#""request_id":"r-1""#), "{line}");
    }

    #[tokio::test]
    async fn a_query_without_a_connection_and_a_failover_are_counted() {
        let database = Database::open(&NOWHERE.parse().unwrap(), &SETTINGS);
        let mut registry = Registry::default();
        database.register_metrics(&mut registry);
        // If nobody captured the line that is logged here, the test beside this one might miss its own:
        // `tracing` remembers of a place that nobody wants its lines.
        let _log = LogCapture::start();

        database.read("find_nothing", |_| Ok(())).await.unwrap_err();
        database.0.replace(database.0.open_another());

        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"database_query_failures_total{query="find_nothing"} 1"#,
            "database_failovers_total 1",
            r#"database_queries_limit{lane="queries"} 1"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
    }
}
