//! A database for each test, on one Postgres that all of them share.

use std::{
    env,
    path::Path,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use localdb::Cluster;
use store::{Database, DatabaseUrl, PoolSettings};

use std::time::Duration;

use super::polling::wait_until;

/// The migrated database that others are copied from.
const TEMPLATE: &str = "template_caseload";

/// How long statements wait for locks in tests that hold locks for other reasons.
pub(crate) const LONG_LOCK_TIMEOUT: Duration = Duration::from_secs(9);

/// A database that belongs to one test.
#[derive(Clone)]
pub(crate) struct TestDatabase {
    url: DatabaseUrl,
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
        let database = Self { url: url.parse().unwrap() };
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
        Self { url: url.parse().unwrap() }
    }

    fn copy(template: Option<&str>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster().create_database(&name, template).unwrap();
        Self { url: cluster().url(&name).parse().unwrap() }
    }

    /// Returns the database's URL.
    pub(crate) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Opens a connection pool for the database, apart from the server's.
    pub(crate) fn open(&self) -> Database {
        open(&self.url)
    }

    /// Waits until nobody is connected any more. What a session has done is counted at its end: Postgres' statistics
    /// are complete then.
    pub(crate) fn await_end_of_sessions(&self) {
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

    /// Runs SQL with `psql` and returns what it prints: unaligned, without headings.
    pub(crate) fn query(&self, sql: &str) -> String {
        psql(&self.url, sql)
    }
}

/// Runs SQL with `psql` on any database and returns what it prints: unaligned, without headings.
pub(crate) fn psql(url: &DatabaseUrl, sql: &str) -> String {
    let output = program("psql")
        .args([url.expose(), "-XAtqv", "ON_ERROR_STOP=1", "-c", sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Returns a command for one of Postgres' own programs, such as `psql` or `pg_dump`.
pub(crate) fn program(name: &str) -> Command {
    Command::new(cluster().bin_dir().join(name))
}

/// Opens a connection pool with one reader and no writer.
pub(crate) fn open(url: &DatabaseUrl) -> Database {
    let checkout_timeout = Duration::from_secs(10);
    let settings = PoolSettings {
        writers: 0,
        readers: 1,
        changers: 0,
        checkout_timeout,
        lock_timeout: LONG_LOCK_TIMEOUT,
        tenant_queue_length: 1,
    };
    Database::open(url, &settings)
}

/// Returns the Postgres of this test run. It stops when the process ends, however that ends.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::temporary().setting("max_connections", "1000").start().unwrap();
        cluster.create_database(TEMPLATE, None).unwrap();
        let template = cluster.url(TEMPLATE);
        let url = template.parse().unwrap();
        // A separate runtime, since the caller may be on one already. It has ended before the
        // template is copied: a template must have no connections.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async { open(&url).migrate().await.unwrap() })
        })
        .join()
        .unwrap();
        if env::var_os(ROW_LEVEL_SECURITY).is_some() {
            secure(&cluster, &template);
        }
        cluster
    })
}

/// Sets a migrated database up for row-level security.
pub(crate) fn secure(cluster: &Cluster, url: &str) {
    for file in ["roles.sql", "row_level_security.sql"] {
        let mut psql = Command::new(cluster.bin_dir().join("psql"));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(file);
        let status = psql.arg("--no-psqlrc").arg("--quiet").arg("--file").arg(file);
        assert!(status.arg(url).status().unwrap().success());
    }
}

/// If set, servers that tests start in this process use row-level security, on databases that are copies of the
/// template.
const ROW_LEVEL_SECURITY: &str = "CASELOAD_TEST_ROW_LEVEL_SECURITY";

/// Returns the option for row-level security if tests are to use it and the database is set up for it.
pub(super) fn row_level_security(url: &DatabaseUrl) -> Option<&'static str> {
    env::var_os(ROW_LEVEL_SECURITY)?;
    let is_set_up = "SELECT to_regtype('caseload_tenants') IS NOT NULL";
    let output = program("psql").args([url.expose(), "-XAtqc", is_set_up]).output().unwrap();
    (output.stdout == b"t\n").then_some("--row-level-security")
}
