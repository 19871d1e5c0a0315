//! SIGTERM while requests run.

use std::{net::TcpStream, time::Instant};

use proto::tasks::v1::{BatchCreateTasksRequest, NewTask};
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{CASELOAD, PASSWORD, serve};
use crate::support::{App, Program, Session, polling::wait_until};

fn one_task(app: &App) -> tonic::Request<BatchCreateTasksRequest> {
    let task = NewTask { description: "x".to_owned(), assignee_emails: Vec::new() };
    app.signed(BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![task],
        ..Default::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_finished_and_answered_while_nobody_new_is_let_in() {
    let mut app = App::start().await;
    let program = serve(&app.database, &[]);
    app.grpc_addr = program.address("serving gRPC");
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let mut client = app.grpc().await;
    let request = one_task(&app);
    let running = tokio::spawn(async move { client.batch_create_tasks(request).await });
    session.await_blocked(1);
    program.terminate();
    wait_until("the closed door", || TcpStream::connect(app.grpc_addr).is_err());
    assert!(!running.is_finished());
    session.unlock();

    let answer = running.await.unwrap().unwrap();
    assert_eq!(answer.get_ref().tasks.len(), 1);
    assert_eq!(app.row_counts().0, 1);
    let ended = program.ended();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    ended.assert_keeps(&[PASSWORD, app.key.expose()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_is_cut_off_at_the_cap_and_that_is_no_failure() {
    let mut app = App::start().await;
    let program = serve(&app.database, &["--drain-timeout", "300ms"]);
    app.grpc_addr = program.address("serving gRPC");
    let mut session = Session::open(app.database.url());
    session.lock("tasks");

    let mut client = app.grpc().await;
    let request = one_task(&app);
    let running = tokio::spawn(async move { client.batch_create_tasks(request).await });
    session.await_blocked(1);
    let told = Instant::now();
    program.terminate();

    // The lock is held on: only the cap can end it, and long before a statement's own limit.
    let ended = program.ended();
    assert!(told.elapsed().as_secs() < 5, "{:?}", told.elapsed());
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.log().iter().any(|event| event["message"] == "requests were cut off"));
    // Not UNAVAILABLE, which proxies send again: the task may yet be created.
    assert_eq!(running.await.unwrap().unwrap_err().code(), Code::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_holds_nothing_up() {
    let mut app = App::start().await;
    let program = serve(&app.database, &["--drain-timeout", "1h"]);
    app.grpc_addr = program.address("serving gRPC");
    let mut client = app.grpc().await;
    client.batch_create_tasks(one_task(&app)).await.unwrap();

    program.terminate();
    assert_eq!(program.ended().code(), Some(0));
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn for_the_delay_callers_are_still_let_in_though_the_health_says_no() {
    let mut app = App::start().await;
    let program = serve(&app.database, &["--drain-delay", "20s"]);
    app.grpc_addr = program.address("serving gRPC");

    program.terminate();
    program.logged("SIGTERM: ending");
    wait_until("the health's no", || {
        let addr = app.grpc_addr.to_string();
        let health = Program::run(CASELOAD, &["health", "--grpc-addr", &addr]);
        health.code() == Some(1)
    });
    app.grpc().await.batch_create_tasks(one_task(&app)).await.unwrap();
    // A second signal is for the impatient.
    program.terminate();
    assert_eq!(program.ended().code(), Some(130));
}

/// Clients that watch the health do so for as long as they live.
#[tokio::test(flavor = "multi_thread")]
async fn who_watches_the_health_is_told_and_holds_nothing_up() {
    let mut app = App::start().await;
    let program = serve(&app.database, &["--drain-timeout", "1h"]);
    app.grpc_addr = program.address("serving gRPC");
    let endpoint = Endpoint::try_from(format!("http://{}", app.grpc_addr)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    program.terminate();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(program.ended().code(), Some(0));
}
