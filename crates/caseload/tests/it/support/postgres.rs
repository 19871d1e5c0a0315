//! The Postgres that all tests of a process share, and its programs.

use std::{env, path::Path, process::Command, sync::OnceLock, time::Duration};

use localdb::Cluster;
use store::{Database, DatabaseUrl, PoolSettings};

/// The migrated database that others are copied from.
pub(super) const TEMPLATE: &str = "template_caseload";

/// How long statements wait for locks in tests that hold locks for other reasons.
pub(crate) const LONG_LOCK_TIMEOUT: Duration = Duration::from_secs(9);

/// If set, servers that tests start in this process use row-level security, on databases that are copies of the
/// template.
const ROW_LEVEL_SECURITY: &str = "CASELOAD_TEST_ROW_LEVEL_SECURITY";

/// Returns the Postgres of this test run. It stops when the process ends, however that ends.
pub(super) fn cluster() -> &'static Cluster {
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

/// Runs SQL with `psql` on any database and returns what it prints: unaligned, without headings.
#[track_caller]
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

/// Returns the option for row-level security if tests are to use it and the database is set up for it.
pub(super) fn row_level_security(url: &DatabaseUrl) -> Option<&'static str> {
    env::var_os(ROW_LEVEL_SECURITY)?;
    let is_set_up = "SELECT to_regtype('caseload_tenants') IS NOT NULL";
    let output = program("psql").args([url.expose(), "-XAtqc", is_set_up]).output().unwrap();
    (output.stdout == b"t\n").then_some("--row-level-security")
}
