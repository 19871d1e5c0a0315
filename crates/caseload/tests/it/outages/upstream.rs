//! The server is away, dies or hangs behind its gateways.

use std::process::Command;

use runtime::CancellationToken;

use super::{
    ONE_TASK, OUTCOME_UNKNOWN, UPSTREAM_AWAY, await_not_ready, await_ready, is_created, told,
};
use crate::support::{
    App, Program, Reply, ReservedPort, Session, start_gateway, start_gateway_with, start_server,
};

/// The server as a process of its own, which can be killed.
fn serve(app: &App, addr: &str) -> Program {
    let args = ["serve", "--grpc-addr", addr];
    let url = [("CASELOAD_DATABASE_URL", app.database.url().expose())];
    Program::start_with(env!("CARGO_BIN_EXE_caseload"), &args, &url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_starts_without_its_server_and_becomes_ready_when_it_comes() {
    let mut app = App::start().await;
    let port = ReservedPort::reserve();
    app.http_addr = start_gateway(port.addr(), &app.ending).await;

    await_not_ready(&app).await;
    let reply = app.create(ONE_TASK).await;
    assert_eq!(told(&reply), UPSTREAM_AWAY);

    let addr = port.addr().to_string();
    start_server(app.database.url(), &["--grpc-addr", &addr], &app.ending).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_share_a_server_and_the_end_of_one_is_not_the_others() {
    let mut app = App::start().await;
    let first = app.http_addr;
    let ending_of_second = CancellationToken::new();
    let second = start_gateway(app.grpc_addr, &ending_of_second).await;

    for http_addr in [first, second, first] {
        app.http_addr = http_addr;
        await_ready(&app).await;
        assert!(is_created(&app.create(ONE_TASK).await));
    }
    ending_of_second.cancel();
    assert!(is_created(&app.create(ONE_TASK).await));
    assert_eq!(app.row_counts(), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_unavailable_until_it_is_back() {
    let mut app = App::start().await;
    let port = ReservedPort::reserve();
    let addr = port.addr().to_string();
    let server = serve(&app, &addr);
    server.logged("serving");
    app.http_addr = start_gateway(port.addr(), &app.ending).await;
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));

    server.kill();
    await_not_ready(&app).await;
    let reply = app.create(ONE_TASK).await;
    assert_eq!(told(&reply), UPSTREAM_AWAY);
    assert!(!reply.body.to_string().contains("127.0.0.1"), "where the server is, is not told");

    let _server = serve(&app, &addr);
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_knows_what_became_of_a_call_in_flight_when_the_server_is_killed() {
    let mut app = App::start().await;
    let server = serve(&app, "127.0.0.1:0");
    app.http_addr = start_gateway(server.address("serving gRPC"), &app.ending).await;
    await_ready(&app).await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(1);
    server.kill();

    assert_eq!(told(&in_flight.await.unwrap()), OUTCOME_UNKNOWN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_costs_readiness_and_callers_their_deadline_only() {
    let mut app = App::start().await;
    let server = serve(&app, "127.0.0.1:0");
    let addr = server.address("serving gRPC");
    app.http_addr = start_gateway_with(addr, &["--upstream-timeout", "300ms"], &app.ending).await;
    await_ready(&app).await;
    let signal = |name: &str| {
        let pid = server.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    };

    signal("STOP");
    let reply = app.create(ONE_TASK).await;
    assert_eq!(told(&reply), (504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"));
    await_not_ready(&app).await;

    signal("CONT");
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_TASK).await));
}
