//! PgBouncer before the database. Its session mode works. In transaction mode, connections share sessions,
//! which the server notices and refuses.
//!
//! Checks nothing where PgBouncer is not installed. `.ci/postgres` unpacks it, and sets the variable.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use localdb::Cluster;
use tempfile::TempDir;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::probes::{await_not_serving, await_ready, grpc_code, grpc_health, is_created};
use crate::support::{
    App, CreateCall, ONE_ASSIGNED_TASK, TestDatabase,
    polling::{eventually, wait_until},
    secure, start_server_process,
};

const VARIABLE: &str = "CASELOAD_TEST_PGBOUNCER";
const PORT: u16 = 6432;

/// PgBouncer's default lifetime of connections to the database, in seconds.
const HOUR: u32 = 3600;

/// Begins the reason that the server logs.
const REASON: &str = "the pooler before the database gives one session to several connections";

/// A running PgBouncer. It is killed on drop.
struct PgBouncer {
    process: Child,
    /// Has its configuration and its socket.
    directory: TempDir,
    database: String,
}

impl PgBouncer {
    /// Starts PgBouncer before a database; `None` where it is not installed. It closes its connections to the
    /// database after a lifetime in seconds, and opens others.
    fn start(database: &TestDatabase, mode: &str, lifetime: u32) -> Option<Self> {
        let program = env::var_os(VARIABLE).unwrap_or_else(|| OsString::from("pgbouncer"));
        if Command::new(&program).arg("--version").output().is_err() {
            eprintln!("not checked: PgBouncer is not installed ({VARIABLE} names it)");
            return None;
        }
        let (before, host) = database.url().expose().split_once("?host=").unwrap();
        let (authority, name) = before.rsplit_once('/').unwrap();
        let (user, _) = authority.strip_prefix("postgresql://").unwrap().split_once('@').unwrap();
        let socket = host.replace("%2F", "/");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let configuration = format!(
            "[databases]\n{name} = host={socket} user={user}\n\
             [pgbouncer]\nunix_socket_dir = {path}\nlisten_port = {PORT}\nauth_type = any\n\
             pool_mode = {mode}\ndefault_pool_size = 100\nserver_lifetime = {lifetime}\n"
        );
        let file = directory.path().join("pgbouncer.ini");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new(program);
        // Root may not run it. Postgres' own user can reach the socket.
        let owner = fs::metadata(&socket).unwrap();
        if fs::metadata(path).unwrap().uid() != owner.uid() {
            for path in [Path::new(path), &file] {
                chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
            }
            command.uid(owner.uid()).gid(owner.gid());
        }
        let process =
            command.arg(&file).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let pooler =
            Self { process, directory, database: format!("{user}@localhost:{PORT}/{name}") };
        wait_until("PgBouncer's socket", || pooler.socket().exists());
        Some(pooler)
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join(format!(".s.PGSQL.{PORT}"))
    }

    /// Returns the URL of the database behind it.
    fn url(&self) -> String {
        let host = self.directory.path().to_str().unwrap().replace('/', "%2F");
        format!("postgresql://{}?host={host}", self.database)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_session_mode_works() {
    let Some(pooler) = PgBouncer::start(&TestDatabase::create(), "session", HOUR) else { return };
    let app = App::builder().start_on(TestDatabase::at(&pooler.url())).await;
    await_ready(&app).await;
    for _ in 0..5 {
        assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
    }
    assert_eq!(app.row_counts().0, 5);
}

/// Notifications come through it: the key is in the cache for an hour.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_in_session_mode_a_revoked_key_is_refused_at_once() {
    let Some(pooler) = PgBouncer::start(&TestDatabase::create(), "session", HOUR) else { return };
    let args = ["--key-ttl", "1h"];
    let app = App::builder().server_args(&args).start_on(TestDatabase::at(&pooler.url())).await;
    await_ready(&app).await;
    let call = CreateCall::new(&app).key(&app.key);
    assert_eq!(call.result(&app).await, "OK");
    app.database.query("UPDATE api_keys SET revoked_at = now()");
    eventually("the revocation", async || {
        (call.result_over_grpc(&app).await == "UNAUTHENTICATED KEY_INVALID").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_transaction_mode_is_refused_with_the_reason() {
    let cluster = Cluster::temporary().setting("shared_buffers", "4MB").start().unwrap();
    let database = TestDatabase::create_on(&cluster).await;
    // So that nothing but the pooler keeps a server with the option from being ready.
    secure(&cluster, database.url().expose());
    let args = ["--grpc-addr", "127.0.0.1:0", "--row-level-security"];
    let direct = start_server_process(database.url().expose(), &args);
    direct.wait_for_log("serving");
    drop(direct);
    let Some(pooler) = PgBouncer::start(&database, "transaction", HOUR) else { return };
    for args in [&[][..], &["--row-level-security"]] {
        let args = [&["--grpc-addr", "127.0.0.1:0"], args].concat();
        let server = start_server_process(&pooler.url(), &args);
        let addr = server.wait_for_address("serving gRPC");
        wait_until("the reason in the log", || server.stderr().contains(REASON));
        eventually("the loss of health", async || {
            grpc_health(addr).await.filter(|statuses| *statuses == [ServingStatus::NotServing; 2])
        })
        .await;
    }
}

/// Sessions that PgBouncer has just opened have no mark, so each of them looks like a connection's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_transaction_mode_is_refused_for_as_long_as_it_opens_other_sessions() {
    let database = TestDatabase::create();
    let Some(pooler) = PgBouncer::start(&database, "transaction", 1) else { return };
    let app = App::builder().start_as(database, &pooler.url().parse().unwrap()).await;
    await_not_serving(&app).await;
    let begin = Instant::now();
    // PgBouncer replaces all of its connections several times in this time.
    while begin.elapsed() < Duration::from_secs(6) {
        assert_eq!(grpc_code(&app).await, Code::Unavailable);
        assert_eq!(grpc_health(app.grpc_addr).await, Some([ServingStatus::NotServing; 2]));
    }
    assert_eq!(app.row_counts().0, 0);
}
