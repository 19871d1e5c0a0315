//! The database is unavailable, crashes or hangs.

use domain::Error;
use localdb::Cluster;
use runtime::CancellationToken;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::probes::{
    DATABASE_UNAVAILABLE, OUTCOME_UNKNOWN, await_not_ready, await_not_serving, await_ready, error,
    grpc_code, grpc_health, is_created,
};
use crate::support::{
    App, CASELOAD, ONE_ASSIGNED_TASK, Program, Reply, Session, TestDatabase, polling::eventually,
    populate, psql, start_gateway, start_server, start_server_process,
};

/// Starts a Postgres that a test may stop or kill. Committed data survives a crash.
fn cluster() -> Cluster {
    let cluster = Cluster::temporary().setting("synchronous_commit", "on");
    // Several of them run at the same time, and store little.
    cluster.setting("shared_buffers", "4MB").setting("max_connections", "30").start().unwrap()
}

/// Starts Caseload on it, with one writer, so that statements have a known order.
async fn app_on(cluster: &Cluster) -> App {
    let database = TestDatabase::create_on(cluster).await;
    let args = ["--writers", "1", "--checkout-timeout", "1s"];
    let app = App::builder().server_args(&args).start_on(database).await;
    // Keys that are cached from now on are kept while the database is away.
    app.database.await_listeners(1);
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_without_its_database_and_becomes_ready_once_that_is_available() {
    let mut cluster = cluster();
    let mut app = app_on(&cluster).await;
    cluster.stop().unwrap();

    let shutdown = CancellationToken::new();
    app.grpc_addr =
        start_server(app.database.url(), &["--checkout-timeout", "500ms"], &shutdown).await;
    app.http_addr = start_gateway(app.grpc_addr, &shutdown).await;

    assert_eq!(grpc_health(app.grpc_addr).await.unwrap(), [ServingStatus::NotServing; 2]);
    await_not_ready(&app).await;
    let reply = app.create(ONE_ASSIGNED_TASK).await;
    assert_eq!(error(&reply), DATABASE_UNAVAILABLE);
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(grpc_code(&app).await, Code::Unavailable);

    cluster.start().unwrap();
    await_ready(&app).await;
    assert_eq!(grpc_health(app.grpc_addr).await.unwrap(), [ServingStatus::Serving; 2]);
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
    assert_eq!(app.row_counts(), (1, 1));
    shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_crash_is_reported_and_the_service_recovers_after_its_restart() {
    let mut cluster = cluster();
    let app = app_on(&cluster).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));

    cluster.kill().unwrap();
    // The writer's connection still looked good, so the first call may be lost with it.
    let first = app.create(ONE_ASSIGNED_TASK).await;
    assert!([DATABASE_UNAVAILABLE, OUTCOME_UNKNOWN].contains(&error(&first)), "{first:?}");
    assert_eq!(error(&app.create(ONE_ASSIGNED_TASK).await), DATABASE_UNAVAILABLE);
    assert_eq!(grpc_code(&app).await, Code::Unavailable);
    await_not_serving(&app).await;
    await_not_ready(&app).await;

    cluster.start().unwrap();
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
    assert_eq!(app.row_counts(), (2, 2), "the tasks that were reported, and no others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_statement_runs_when_the_database_crashes_has_an_unknown_outcome() {
    let mut cluster = cluster();
    let app = app_on(&cluster).await;
    await_ready(&app).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_ASSIGNED_TASK)));
    session.await_blocked(1);
    let waiting = tokio::spawn(Reply::of(app.post().body(ONE_ASSIGNED_TASK)));
    cluster.kill().unwrap();

    let in_flight = in_flight.await.unwrap();
    assert_eq!(error(&in_flight), OUTCOME_UNKNOWN);
    assert_eq!(in_flight.header("retry-after"), "", "a retry may create it twice");
    // The one writer was busy, so this call was never sent to the database.
    assert_eq!(error(&waiting.await.unwrap()), DATABASE_UNAVAILABLE);

    cluster.start().unwrap();
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_before_a_commit_leaves_nothing_in_doubt() {
    let mut cluster = cluster();
    let database = TestDatabase::create_on(&cluster).await;
    let (tenant, _) = populate(&database.open(), "Acme").await;
    let mut session = Session::open(database.url());
    session.query("BEGIN; LOCK TABLE cases IN ACCESS EXCLUSIVE MODE");

    let [reader, writer] = [database.open(), database.open()];
    let read = tokio::spawn(async move { reader.list_cases(tenant).await });
    let write = tokio::spawn(async move { writer.create_case(tenant, "x".to_owned()).await });
    session.await_blocked(2);
    cluster.kill().unwrap();

    let read = Error::from(read.await.unwrap().unwrap_err());
    assert!(matches!(read, Error::Unavailable(_)), "{read:?}");
    let write = Error::from(write.await.unwrap().unwrap_err());
    assert!(matches!(write, Error::Unavailable(_)), "{write:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_lookup_is_reported_as_an_unavailable_database() {
    let mut cluster = cluster();
    let app = app_on(&cluster).await;
    await_ready(&app).await;
    let mut session = Session::open(app.database.url());
    session.query("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE");

    let call = tokio::spawn(Reply::of(app.post().body(ONE_ASSIGNED_TASK)));
    session.await_blocked(1);
    cluster.kill().unwrap();
    assert_eq!(error(&call.await.unwrap()), DATABASE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_shutdown_of_the_database_is_not_taken_for_a_crash() {
    let mut cluster = cluster();
    let app = app_on(&cluster).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));

    // Postgres announces the shutdown on the idle connection: nothing was sent on it.
    cluster.stop().unwrap();
    assert_eq!(error(&app.create(ONE_ASSIGNED_TASK).await), DATABASE_UNAVAILABLE);
    assert_eq!(row_counts_after_restart(&mut cluster, &app).await, (1, 1));

    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_ASSIGNED_TASK)));
    session.await_blocked(1);
    cluster.stop().unwrap();
    // Some versions of libpq don't report the announcement where a statement was in flight.
    let in_flight = in_flight.await.unwrap();
    assert!([DATABASE_UNAVAILABLE, OUTCOME_UNKNOWN].contains(&error(&in_flight)), "{in_flight:?}");
    let rows = row_counts_after_restart(&mut cluster, &app).await;
    assert!(rows == (1, 1) || error(&in_flight) == OUTCOME_UNKNOWN, "{rows:?}");
}

/// Starts the database, waits until the service is ready, and returns the row counts.
async fn row_counts_after_restart(cluster: &mut Cluster, app: &App) -> (u64, u64) {
    cluster.start().unwrap();
    await_ready(app).await;
    app.row_counts()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_database_costs_readiness_and_calls_end_at_their_deadline() {
    let mut cluster = cluster();
    let mut app = app_on(&cluster).await;
    app.http_addr = app.start_gateway(&["--upstream-timeout", "300ms"]).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));

    cluster.pause().unwrap();
    let reply = app.create(ONE_ASSIGNED_TASK).await;
    assert_eq!(error(&reply), (504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"));
    await_not_serving(&app).await;
    await_not_ready(&app).await;

    cluster.resume().unwrap();
    await_ready(&app).await;
    let reply = eventually("a task", async || {
        Some(app.create(ONE_ASSIGNED_TASK).await).filter(|reply| reply.status != 504)
    });
    assert!(is_created(&reply.await));
}

/// The batch waits until its writer has a connection that responds; its caller has gone before.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_caller_is_gone_before_there_is_a_connection_is_not_created() {
    let mut cluster = cluster();
    let app = app_on(&cluster).await;
    await_ready(&app).await;
    // Now the key is cached, and nothing has been written yet.
    assert_eq!(app.create(r#"{"tasks":[]}"#).await.status, 400);

    cluster.pause().unwrap();
    let gone = app.post().header("request-timeout", "0.3").body(ONE_ASSIGNED_TASK);
    assert_eq!(error(&Reply::of(gone).await), (504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"));
    cluster.resume().unwrap();

    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
    assert_eq!(app.row_counts(), (1, 1));
}

/// Queries without a response must not delay the end of a process that got SIGTERM.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_hanging_database_still_ends_at_sigterm() {
    let mut cluster = cluster();
    let mut app = app_on(&cluster).await;
    let args = ["--grpc-addr", "127.0.0.1:0", "--drain-timeout", "200ms"];
    let program = start_server_process(app.database.url().expose(), &args);
    app.grpc_addr = program.wait_for_address("serving gRPC");
    program.wait_for_log("serving");
    assert_eq!(grpc_code(&app).await, Code::Ok);

    cluster.pause().unwrap();
    await_not_serving(&app).await;
    program.terminate();
    assert_eq!(program.wait_for_exit().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_an_empty_database_serves_once_that_is_migrated() {
    let database = TestDatabase::create_empty();
    let shutdown = CancellationToken::new();
    let addr = start_server(database.url(), &[], &shutdown).await;

    // Wait until the server has checked the schema and found none.
    const HAS_CHECKED: &str = "SELECT count(*) > 0 FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'caseload' \
             AND state = 'idle' AND query LIKE '%to_regclass%'";
    eventually("the server's check of the schema", async || {
        (psql(database.url(), HAS_CHECKED) == "t").then_some(())
    })
    .await;
    assert_eq!(grpc_health(addr).await.unwrap(), [ServingStatus::NotServing; 2]);
    assert_eq!(database.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");

    database.open().migrate().await.unwrap();
    eventually("readiness", async || {
        (grpc_health(addr).await.unwrap() == [ServingStatus::Serving; 2]).then_some(())
    })
    .await;
    shutdown.cancel();
}

/// What the statements rely on is set in each session, whatever a database has as its defaults.
#[tokio::test(flavor = "multi_thread")]
async fn defaults_of_the_database_do_not_change_what_the_service_does() {
    const DESCRIPTION: &str = "caf\u{e9} \u{1f680}";
    let database = TestDatabase::create();
    let mut session = Session::open(database.url());
    let name = session.query("SELECT current_database()");
    for setting in [
        "default_transaction_isolation = serializable",
        "client_encoding = LATIN1",
        "DateStyle = 'German, DMY'",
        "search_path = elsewhere",
        "synchronous_commit = off",
        "idle_session_timeout = '1h'",
        "idle_in_transaction_session_timeout = '1h'",
        // With it no constraint is checked, and no trigger runs.
        "session_replication_role = replica",
        "TimeZone = 'Asia/Kathmandu'",
        "IntervalStyle = sql_standard",
        "bytea_output = escape",
        "row_security = off",
    ] {
        session.query(&format!("ALTER ROLE CURRENT_USER IN DATABASE \"{name}\" SET {setting}"));
    }
    session.query(
        "CREATE TABLE checked (settings text); \
         CREATE FUNCTION check_settings() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO checked SELECT concat_ws(' ', current_setting('transaction_isolation'), \
                 current_setting('DateStyle'), current_setting('search_path'), \
                 current_setting('synchronous_commit'), current_setting('idle_session_timeout'), \
                 current_setting('idle_in_transaction_session_timeout'), \
                 coalesce(current_setting('transaction_timeout', true), '0')); \
             RETURN NEW; \
         END $$; \
         CREATE TRIGGER check_settings BEFORE INSERT ON tasks FOR EACH ROW \
             EXECUTE FUNCTION check_settings()",
    );
    let app = App::builder().start_on(database).await;

    let body = serde_json::json!({"tasks": [{"description": DESCRIPTION}]}).to_string();
    for _ in 0..2 {
        let request = app.post().header("idempotency-key", "k").body(body.clone());
        let reply = Reply::of(request).await;
        assert_eq!(reply.status, 201, "{:?}", reply.body);
        assert_eq!(reply.body["tasks"][0]["description"], DESCRIPTION);
    }
    let checked = session.query("SELECT settings FROM checked");
    assert_eq!(checked, "read committed ISO, MDY public on 0 10s 0");
}

/// What the URL says is no default.
#[tokio::test(flavor = "multi_thread")]
async fn the_tables_may_be_in_another_schema_that_the_url_names() {
    let database = TestDatabase::create();
    let mut session = Session::open(database.url());
    session.query("ALTER SCHEMA public RENAME TO elsewhere");
    let url = format!("{}&options=-csearch_path%3Delsewhere", database.url().expose());
    let program = start_server_process(&url, &["--grpc-addr", "127.0.0.1:0"]);
    program.wait_for_log("serving");
    let url = [("CASELOAD_DATABASE_URL", url.as_str())];
    let verified = Program::start_with_env(CASELOAD, &["admin", "verify"], &url).wait_for_exit();
    assert_eq!(verified.code(), Some(0), "{verified:?}");
}

/// Readiness does not see that, and the table would grow without anybody noticing.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_fails_is_logged_as_an_error() {
    let database = TestDatabase::create();
    let mut session = Session::open(database.url());
    session.query("ALTER TABLE idempotency_keys RENAME TO renamed");
    session.query("ALTER TABLE task_events RENAME TO also_renamed");
    session.query("ALTER TABLE creation_events RENAME TO renamed_too");
    let args = ["--grpc-addr", "127.0.0.1:0"];
    let server = start_server_process(database.url().expose(), &args);
    for (rows, query) in [
        ("idempotency keys", "sweep_idempotency_keys"),
        ("task events", "sweep_task_events"),
        ("creation events", "sweep_creation_events"),
    ] {
        let event = server.wait_for_log(&format!("failed to delete expired {rows}"));
        assert_eq!(event["level"], "ERROR");
        assert!(event["causes"].as_str().unwrap().contains(query), "{event}");
    }
}
