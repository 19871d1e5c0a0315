//! A database for each test, on one Postgres for all of them.

use std::{
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use localdb::Cluster;
use store::{Database, DatabaseUrl, PoolSettings};

use std::time::Duration;

const TEMPLATE: &str = "template_caseload";

/// A migrated database of a test's own.
#[derive(Clone)]
pub(crate) struct TestDatabase {
    url: DatabaseUrl,
}

impl TestDatabase {
    /// Makes a database as a copy of one that was migrated once.
    pub(crate) fn create() -> Self {
        Self::copy(Some(TEMPLATE))
    }

    /// Makes a database that has nothing in it.
    pub(crate) fn create_empty() -> Self {
        Self::copy(None)
    }

    /// Makes a migrated database on a Postgres of the test's own.
    pub(crate) async fn create_on(cluster: &Cluster) -> Self {
        Self::create_behind(cluster, &cluster.url("caseload")).await
    }

    /// The same, called `caseload`, for a URL of its own that leads there.
    pub(crate) async fn create_behind(cluster: &Cluster, url: &str) -> Self {
        cluster.create_database("caseload", None).unwrap();
        let database = Self { url: url.parse().unwrap() };
        database.open().migrate().await.unwrap();
        database
    }

    fn copy(template: Option<&str>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster().create_database(&name, template).unwrap();
        Self { url: cluster().url(&name).parse().unwrap() }
    }

    pub(crate) fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// A way to the database beside the service's own.
    pub(crate) fn open(&self) -> Database {
        open(&self.url)
    }

    /// What `psql` prints for a query: unaligned, without a head.
    pub(crate) fn query(&self, sql: &str) -> String {
        psql(&self.url, sql)
    }
}

/// What `psql` prints for a query on any database: unaligned, without a head.
pub(crate) fn psql(url: &DatabaseUrl, sql: &str) -> String {
    let output = program("psql")
        .args([url.expose(), "-XAtqv", "ON_ERROR_STOP=1", "-c", sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// One of Postgres' own programs, such as `psql` or `pg_dump`.
pub(crate) fn program(name: &str) -> Command {
    Command::new(cluster().bin_dir().join(name))
}

/// A small pool of a test's own.
pub(crate) fn open(url: &DatabaseUrl) -> Database {
    let settings =
        PoolSettings { writers: 0, readers: 1, checkout_timeout: Duration::from_secs(10) };
    Database::open(url, &settings)
}

/// The Postgres of this test run. It ends with the process, however that ends.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::temporary().setting("max_connections", "1000").start().unwrap();
        cluster.create_database(TEMPLATE, None).unwrap();
        let url = cluster.url(TEMPLATE).parse().unwrap();
        // A runtime of its own, for the caller may be on one already; and gone when this ends,
        // for a template must have no connections.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async { open(&url).migrate().await.unwrap() })
        })
        .join()
        .unwrap();
        cluster
    })
}
