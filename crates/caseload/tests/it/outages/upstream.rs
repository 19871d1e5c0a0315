//! The server is unavailable, crashes or hangs behind its gateways.

use runtime::CancellationToken;

use super::probes::{
    OUTCOME_UNKNOWN, UPSTREAM_UNAVAILABLE, await_not_ready, await_ready, error, is_created,
};
use crate::support::{
    App, ONE_ASSIGNED_TASK, Program, Reply, ReservedPort, Session, start_gateway,
    start_gateway_with, start_server, start_server_process,
};

/// Starts the server as a process, which can be killed.
fn serve(app: &App, addr: &str) -> Program {
    start_server_process(app.database.url().expose(), &["--grpc-addr", addr])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_starts_without_its_server_and_becomes_ready_once_that_is_available() {
    let mut app = App::start().await;
    let port = ReservedPort::reserve();
    app.http_addr = start_gateway(port.addr(), &app.shutdown).await;

    await_not_ready(&app).await;
    let reply = app.create(ONE_ASSIGNED_TASK).await;
    assert_eq!(error(&reply), UPSTREAM_UNAVAILABLE);

    let addr = port.addr().to_string();
    start_server(app.database.url(), &["--grpc-addr", &addr], &app.shutdown).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_use_one_server_and_the_end_of_one_does_not_affect_the_other() {
    let mut app = App::start().await;
    let first = app.http_addr;
    let shutdown_of_second = CancellationToken::new();
    let second = start_gateway(app.grpc_addr, &shutdown_of_second).await;

    for http_addr in [first, second, first] {
        app.http_addr = http_addr;
        await_ready(&app).await;
        assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
    }
    shutdown_of_second.cancel();
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
    assert_eq!(app.row_counts(), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_unavailable_until_its_restart() {
    let mut app = App::start().await;
    let port = ReservedPort::reserve();
    let addr = port.addr().to_string();
    let server = serve(&app, &addr);
    server.wait_for_log("serving");
    app.http_addr = start_gateway(port.addr(), &app.shutdown).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));

    server.kill();
    await_not_ready(&app).await;
    let reply = app.create(ONE_ASSIGNED_TASK).await;
    assert_eq!(error(&reply), UPSTREAM_UNAVAILABLE);
    assert!(!reply.body.to_string().contains("127.0.0.1"), "the server's address is not revealed");

    let _server = serve(&app, &addr);
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_when_the_server_is_killed_has_an_unknown_outcome() {
    let mut app = App::start().await;
    let server = serve(&app, "127.0.0.1:0");
    app.http_addr = start_gateway(server.wait_for_address("serving gRPC"), &app.shutdown).await;
    await_ready(&app).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_ASSIGNED_TASK)));
    session.await_blocked(1);
    server.kill();

    assert_eq!(error(&in_flight.await.unwrap()), OUTCOME_UNKNOWN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_server_costs_readiness_and_calls_end_at_their_deadline() {
    let mut app = App::start().await;
    let server = serve(&app, "127.0.0.1:0");
    let addr = server.wait_for_address("serving gRPC");
    app.http_addr = start_gateway_with(addr, &["--upstream-timeout", "300ms"], &app.shutdown).await;
    await_ready(&app).await;

    server.freeze();
    let reply = app.create(ONE_ASSIGNED_TASK).await;
    assert_eq!(error(&reply), (504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"));
    await_not_ready(&app).await;

    server.resume();
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
}
