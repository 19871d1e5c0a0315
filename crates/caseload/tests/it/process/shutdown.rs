//! Graceful shutdown: SIGTERM while calls are in flight.

use std::{fs, net::TcpStream, time::Instant};

use localdb::Cluster;
use store::DatabaseUrl;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::server::{PASSWORD, serve};
use crate::support::{
    App, CASELOAD, Program, Session, polling::wait_until, psql, start_server_process,
};

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_are_completed_while_new_connections_are_rejected() {
    let mut app = App::start().await;
    let program = serve(&app.database, &[]);
    app.grpc_addr = program.wait_for_address("serving gRPC");
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let mut client = app.grpc_client().await;
    let request = app.one_task_request();
    let running = tokio::spawn(async move { client.batch_create_tasks(request).await });
    session.await_blocked(1);
    program.terminate();
    wait_until("the closed listener", || TcpStream::connect(app.grpc_addr).is_err());
    assert!(!running.is_finished());
    session.unlock();

    let response = running.await.unwrap().unwrap();
    assert_eq!(response.get_ref().tasks.len(), 1);
    assert_eq!(app.row_counts().0, 1);
    let exited = program.wait_for_exit();
    assert_eq!(exited.code(), Some(0), "{exited:?}");
    exited.assert_never_wrote(&[PASSWORD, app.key.expose()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_outlast_the_drain_timeout_are_cut_off_and_the_exit_code_is_0() {
    let mut app = App::start().await;
    let program = serve(&app.database, &["--drain-timeout", "300ms"]);
    app.grpc_addr = program.wait_for_address("serving gRPC");
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let mut client = app.grpc_client().await;
    let request = app.one_task_request();
    let running = tokio::spawn(async move { client.batch_create_tasks(request).await });
    session.await_blocked(1);
    let start = Instant::now();
    program.terminate();

    // The lock is still held: only the drain timeout can end the process, long before the
    // statement's own timeout.
    let exited = program.wait_for_exit();
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    assert_eq!(exited.code(), Some(0), "{exited:?}");
    assert!(
        exited
            .log()
            .iter()
            .any(|event| event["message"] == "drain timeout reached, aborting requests")
    );
    // Not UNAVAILABLE, which proxies retry: the task may still be created.
    assert_eq!(running.await.unwrap().unwrap_err().code(), Code::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_delay_shutdown() {
    let mut app = App::start().await;
    let program = serve(&app.database, &["--drain-timeout", "1h"]);
    app.grpc_addr = program.wait_for_address("serving gRPC");
    let mut client = app.grpc_client().await;
    client.batch_create_tasks(app.one_task_request()).await.unwrap();

    program.terminate();
    assert_eq!(program.wait_for_exit().code(), Some(0));
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn during_the_drain_delay_calls_succeed_though_health_reports_not_serving() {
    let mut app = App::start().await;
    let program = serve(&app.database, &["--drain-delay", "20s"]);
    app.grpc_addr = program.wait_for_address("serving gRPC");

    program.terminate();
    program.wait_for_log("received SIGTERM, shutting down");
    wait_until("health that is not serving", || {
        let addr = app.grpc_addr.to_string();
        let health = Program::run(CASELOAD, &["health", "--grpc-addr", &addr]);
        health.code() == Some(1)
    });
    app.grpc_client().await.batch_create_tasks(app.one_task_request()).await.unwrap();
    // A second signal ends the process at once.
    program.terminate();
    let exited = program.wait_for_exit();
    assert_eq!(exited.code(), Some(130));
    let log = exited.log();
    assert!(log.iter().any(|line| line["message"] == "received a second signal, exiting at once"));
}

/// A health watch has no end of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_health_watch_gets_not_serving_and_does_not_delay_shutdown() {
    let mut app = App::start().await;
    let program = serve(&app.database, &["--drain-timeout", "1h"]);
    app.grpc_addr = program.wait_for_address("serving gRPC");
    let endpoint = Endpoint::try_from(format!("http://{}", app.grpc_addr)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    program.terminate();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(program.wait_for_exit().code(), Some(0));
}

/// libpq uses OpenSSL for passwords. OpenSSL frees what it has when a process exits, and a thread that
/// still uses it would crash the process.
#[test]
fn a_shutdown_while_connections_are_being_opened_ends_with_exit_code_0() {
    let cluster = Cluster::temporary().setting("shared_buffers", "4MB").start().unwrap();
    cluster.create_database("caseload", None).unwrap();
    let url: DatabaseUrl = cluster.url("caseload").parse().unwrap();
    psql(&url, &format!("CREATE ROLE asked LOGIN PASSWORD '{PASSWORD}'"));
    let rules = cluster.data_dir().join("pg_hba.conf");
    let trusting = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("local all asked scram-sha-256\n{trusting}")).unwrap();
    psql(&url, "SELECT pg_reload_conf()");

    let (_, rest) = url.expose().split_once('@').unwrap();
    let url = format!("postgresql://asked:{PASSWORD}@{rest}");
    let args = ["--grpc-addr", "127.0.0.1:0", "--writers", "20", "--changers", "16"];
    for _ in 0..20 {
        let program = start_server_process(&url, &args);
        program.wait_for_address("serving gRPC");
        program.terminate();
        let exited = program.wait_for_exit();
        assert_eq!(exited.code(), Some(0), "{exited:?}");
    }
}
