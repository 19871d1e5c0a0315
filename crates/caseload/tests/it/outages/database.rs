//! The database is away, dies or hangs.

use localdb::Cluster;
use runtime::CancellationToken;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use super::{
    DATABASE_AWAY, ONE_TASK, OUTCOME_UNKNOWN, await_not_ready, await_not_serving, await_ready,
    grpc_code, grpc_health, is_created, told,
};
use crate::support::{
    App, Program, Reply, Session, TestDatabase, polling::eventually, psql, start_gateway,
    start_gateway_with, start_server,
};

/// A Postgres that a test may take away. What it has committed survives its death.
fn cluster() -> Cluster {
    let cluster = Cluster::temporary().setting("synchronous_commit", "on");
    // Several run beside each other, and hold next to nothing.
    cluster.setting("shared_buffers", "4MB").setting("max_connections", "30").start().unwrap()
}

/// Caseload on it, with one writer, so that it is known who writes.
async fn app_on(cluster: &Cluster) -> App {
    let database = TestDatabase::create_on(cluster).await;
    App::builder()
        .server_args(&["--writers", "1", "--checkout-timeout", "1s"])
        .start_on(database)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_starts_without_its_database_and_becomes_ready_when_it_comes() {
    let mut cluster = cluster();
    let mut app = app_on(&cluster).await;
    cluster.stop().unwrap();

    let ending = CancellationToken::new();
    app.grpc_addr =
        start_server(app.database.url(), &["--checkout-timeout", "500ms"], &ending).await;
    app.http_addr = start_gateway(app.grpc_addr, &ending).await;

    assert_eq!(grpc_health(app.grpc_addr).await.unwrap(), [ServingStatus::NotServing; 2]);
    await_not_ready(&app).await;
    let reply = app.create(ONE_TASK).await;
    assert_eq!(told(&reply), DATABASE_AWAY);
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(grpc_code(&app).await, Code::Unavailable);

    cluster.start().unwrap();
    await_ready(&app).await;
    assert_eq!(grpc_health(app.grpc_addr).await.unwrap(), [ServingStatus::Serving; 2]);
    assert!(is_created(&app.create(ONE_TASK).await));
    assert_eq!(app.row_counts(), (1, 1));
    ending.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_dies_is_told_of_and_all_is_well_once_it_is_back() {
    let mut cluster = cluster();
    let app = app_on(&cluster).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));

    cluster.kill().unwrap();
    // The writer's connection was good a moment ago, so the first one may be lost with it.
    let first = app.create(ONE_TASK).await;
    assert!([DATABASE_AWAY, OUTCOME_UNKNOWN].contains(&told(&first)), "{first:?}");
    assert_eq!(told(&app.create(ONE_TASK).await), DATABASE_AWAY);
    assert_eq!(grpc_code(&app).await, Code::Unavailable);
    await_not_serving(&app).await;
    await_not_ready(&app).await;

    cluster.start().unwrap();
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));
    assert_eq!(app.row_counts(), (2, 2), "those that were told so, and no others");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_knows_what_became_of_the_statement_in_flight_when_the_database_dies() {
    let mut cluster = cluster();
    let app = app_on(&cluster).await;
    await_ready(&app).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(1);
    let waiting = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    cluster.kill().unwrap();

    let in_flight = in_flight.await.unwrap();
    assert_eq!(told(&in_flight), OUTCOME_UNKNOWN);
    assert_eq!(in_flight.header("retry-after"), "", "to send it again may create it twice");
    // It came while the one writer was busy, or later: it was never sent.
    assert_eq!(told(&waiting.await.unwrap()), DATABASE_AWAY);

    cluster.start().unwrap();
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_of_the_database_in_good_order_is_not_taken_for_its_death() {
    let mut cluster = cluster();
    let app = app_on(&cluster).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));

    // Postgres says goodbye on the idle connection: nothing was done with it.
    cluster.stop().unwrap();
    assert_eq!(told(&app.create(ONE_TASK).await), DATABASE_AWAY);
    assert_eq!(app_rows_after_start(&mut cluster, &app).await, (1, 1));

    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(1);
    cluster.stop().unwrap();
    // Some versions of libpq keep the goodbye to themselves where a statement was in flight.
    let in_flight = in_flight.await.unwrap();
    assert!([DATABASE_AWAY, OUTCOME_UNKNOWN].contains(&told(&in_flight)), "{in_flight:?}");
    let rows = app_rows_after_start(&mut cluster, &app).await;
    assert!(rows == (1, 1) || told(&in_flight) == OUTCOME_UNKNOWN, "{rows:?}");
}

async fn app_rows_after_start(cluster: &mut Cluster, app: &App) -> (u64, u64) {
    cluster.start().unwrap();
    await_ready(app).await;
    app.row_counts()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_costs_readiness_and_callers_their_deadline_only() {
    let mut cluster = cluster();
    let mut app = app_on(&cluster).await;
    let args = ["--upstream-timeout", "300ms"];
    app.http_addr = start_gateway_with(app.grpc_addr, &args, &app.ending).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));

    cluster.pause().unwrap();
    let reply = app.create(ONE_TASK).await;
    assert_eq!(told(&reply), (504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"));
    await_not_serving(&app).await;
    await_not_ready(&app).await;

    cluster.resume().unwrap();
    await_ready(&app).await;
    let reply = eventually("a task", async || {
        Some(app.create(ONE_TASK).await).filter(|reply| reply.status != 504)
    });
    assert!(is_created(&reply.await));
}

/// It waits for its writer to have a connection that answers, and its caller doesn't.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_caller_has_gone_before_there_was_a_connection_is_not_created() {
    let mut cluster = cluster();
    let app = app_on(&cluster).await;
    await_ready(&app).await;
    // The key is known from now on, and nothing was written yet.
    assert_eq!(app.create(r#"{"tasks":[]}"#).await.status, 400);

    cluster.pause().unwrap();
    let gone = app.post().header("request-timeout", "0.3").body(ONE_TASK);
    assert_eq!(told(&Reply::of(gone).await), (504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"));
    cluster.resume().unwrap();

    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));
    assert_eq!(app.row_counts(), (1, 1));
}

/// Queries that are never answered must not hold a process up that was told to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_database_hangs_still_ends_when_told_to() {
    let mut cluster = cluster();
    let mut app = app_on(&cluster).await;
    let url = app.database.url().expose().to_owned();
    let args = ["serve", "--grpc-addr", "127.0.0.1:0", "--drain-timeout", "200ms"];
    let program = Program::start_with(
        env!("CARGO_BIN_EXE_caseload"),
        &args,
        &[("CASELOAD_DATABASE_URL", url.as_str())],
    );
    app.grpc_addr = program.address("serving gRPC");
    program.logged("serving");
    assert_eq!(grpc_code(&app).await, Code::Ok);

    cluster.pause().unwrap();
    await_not_serving(&app).await;
    program.terminate();
    assert_eq!(program.ended().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_before_an_empty_database_serves_once_that_is_migrated() {
    let database = TestDatabase::create_empty();
    let ending = CancellationToken::new();
    let addr = start_server(database.url(), &[], &ending).await;

    // It has looked, and seen that nothing is there.
    const LOOKED: &str = "SELECT count(*) > 0 FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'caseload' \
             AND state = 'idle' AND query LIKE '%to_regclass%'";
    eventually("the server's look", async || (psql(database.url(), LOOKED) == "t").then_some(()))
        .await;
    assert_eq!(grpc_health(addr).await.unwrap(), [ServingStatus::NotServing; 2]);
    assert_eq!(database.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");

    database.open().migrate().await.unwrap();
    eventually("readiness", async || {
        (grpc_health(addr).await.unwrap() == [ServingStatus::Serving; 2]).then_some(())
    })
    .await;
    ending.cancel();
}
