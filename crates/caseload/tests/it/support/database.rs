//! A database for each test.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use localdb::Cluster;
use store::{Database, DatabaseUrl};

use super::{
    polling::wait_until,
    postgres::{TEMPLATE, cluster, open, psql},
    session::Session,
};

/// A database that belongs to one test.
#[derive(Clone)]
pub(crate) struct TestDatabase {
    url: DatabaseUrl,
    /// A session for queries, which the first one opens and which stays open: to start `psql` and a session for each took
    /// a fifth of the processor time of all tests. There is none on a Postgres that a test may stop.
    session: Option<Arc<Mutex<Option<Session>>>>,
}

impl TestDatabase {
    /// Creates a migrated database, as a copy of a template.
    pub(crate) fn create() -> Self {
        Self::copy(Some(TEMPLATE))
    }

    /// Creates a database without a schema.
    pub(crate) fn create_empty() -> Self {
        Self::copy(None)
    }

    /// Creates a migrated database called `caseload` on a Postgres that the test started itself.
    pub(crate) async fn create_on(cluster: &Cluster) -> Self {
        Self::create_behind(cluster, &cluster.url("caseload")).await
    }

    /// Creates the same, and uses `url` to reach it.
    pub(crate) async fn create_behind(cluster: &Cluster, url: &str) -> Self {
        cluster.create_database("caseload", None).unwrap();
        let database = Self::at(url);
        database.open().migrate().await.unwrap();
        database
    }

    /// Creates a database without a schema in an encoding other than UTF8.
    pub(crate) fn create_encoded(encoding: &str) -> Self {
        let database = Self::create_empty();
        let (_, name) = database.url.expose().rsplit_once('/').unwrap();
        let (name, _) = name.split_once('?').unwrap();
        let server = cluster().url("postgres").parse().unwrap();
        psql(&server, &format!("DROP DATABASE {name}"));
        psql(
            &server,
            &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"),
        );
        database
    }

    /// Waits until this many servers listen for changes of API keys. They look the keys up again that they have
    /// cached before, and keep those that they cache from then on.
    pub(crate) fn await_listeners(&self, count: u32) {
        let listeners = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND query = 'LISTEN caseload_api_keys' AND state = 'idle'";
        wait_until("servers that listen", || self.query(listeners) == count.to_string());
    }

    /// Returns the database at a URL, as it is.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.parse().unwrap(), session: None }
    }

    fn copy(template: Option<&str>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster().create_database(&name, template).unwrap();
        Self { url: cluster().url(&name).parse().unwrap(), session: Some(Arc::default()) }
    }

    /// Returns the database's URL.
    pub(crate) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Opens a connection pool for the database, apart from the server's.
    pub(crate) fn open(&self) -> Database {
        open(&self.url)
    }

    /// Ends the session for queries, and waits until nobody is connected any more. What a session has done is counted at
    /// its end at the latest: Postgres' statistics are complete then.
    pub(crate) fn await_end_of_sessions(&self) {
        if let Some(session) = &self.session {
            *session.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend'
                AND pid <> pg_backend_pid()";
        wait_until("the end of sessions", || self.query(OTHERS) == "0");
        // Up to Postgres 14, another process counts, and tells readers what it knew half a second ago. The time is that of
        // all databases; what is told of this one may be older by as much. Later ones have no such time.
        let later = self.query("SELECT clock_timestamp() + interval '0.5 s'");
        let is_complete =
            format!("SELECT coalesce(pg_stat_get_snapshot_timestamp() > '{later}', true)");
        wait_until("complete statistics", || self.query(&is_complete) == "t");
    }

    /// Lets Postgres' statistics begin anew, with all that was done before left out.
    pub(crate) fn reset_statistics(&self) {
        self.await_end_of_sessions();
        self.query("SELECT pg_stat_reset()");
    }

    /// Runs SQL statements one by one with `psql` and returns what it prints: unaligned, without headings. What they set
    /// for their session is reset.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> String {
        let open = || Session::open(&self.url);
        // Another thread's query may be waiting for something that this one does.
        match self.session.as_ref().map(|session| session.try_lock()) {
            Some(Ok(mut session)) => session.get_or_insert_with(open).query_and_reset(sql),
            Some(Err(_)) | None => open().query(sql),
        }
    }

    /// Runs SQL statements in one transaction.
    #[track_caller]
    pub(crate) fn run_in_transaction(&self, sql: &str) {
        self.query(&format!("BEGIN;\n{sql}\n;\nCOMMIT"));
    }
}
