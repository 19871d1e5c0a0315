//! Floods of calls with keys that don't exist.

use std::time::Duration;

use domain::Scope;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use proto::tasks::v1::{BatchCreateTasksRequest, task_service_client::TaskServiceClient};

use crate::support::{
    App, CreateCall, ONE_TASK, Session, code_and_reasons, new_key, polling::eventually,
};

/// Makes a call with a key that does not exist, and returns its result.
async fn call_with_random_key(channel: Channel) -> String {
    let mut request = tonic::Request::new(BatchCreateTasksRequest::default());
    let value = format!("Bearer {}", new_key().expose()).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request.set_timeout(Duration::from_secs(4));
    let call = TaskServiceClient::new(channel).batch_create_tasks(request).await;
    let status = call.unwrap_err();
    match status.code() {
        // The client's own time-out may come first.
        Code::DeadlineExceeded | Code::Cancelled => "TIMEOUT".to_owned(),
        _ => code_and_reasons(&status),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_that_hang_affect_neither_known_keys_nor_health() {
    let app = App::start().await;
    app.database.await_listeners(1);
    assert_eq!(app.create(ONE_TASK).await.status, 201);
    let mut health = HealthClient::new(app.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    while watch.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}

    let mut session = Session::open(app.database.url());
    session.query("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE");
    let channel = app.channel().await;
    let flood: Vec<_> =
        (0..300).map(|_| tokio::spawn(call_with_random_key(channel.clone()))).collect();
    session.await_blocked(1);
    let mut results = Vec::new();
    for call in flood {
        results.push(call.await.unwrap());
        if results.len() % 30 == 0 {
            assert_eq!(app.create(ONE_TASK).await.status, 201);
        }
    }
    let rejected = results.iter().filter(|result| *result == "UNAVAILABLE OVERLOADED").count();
    assert_eq!(rejected, 299, "{results:?}");
    // The calls took longer than health allows the database.
    let update = tokio::time::timeout(Duration::ZERO, watch.message()).await;
    assert!(update.is_err(), "{update:?}");

    session.unlock();
    assert_eq!(
        CreateCall::new(&app).key(&new_key()).result(&app).await,
        "UNAUTHENTICATED KEY_INVALID"
    );
    app.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_gets_through_a_flood() {
    let mut app = App::start().await;
    let channel = app.channel().await;
    let flood: Vec<_> = (0..200)
        .map(|_| {
            let channel = channel.clone();
            tokio::spawn(async move {
                loop {
                    call_with_random_key(channel.clone()).await;
                }
            })
        })
        .collect();
    for _ in 0..3 {
        app.key = app.key_with(&[Scope::TasksWrite]).await;
        eventually("a call with a new key", async || {
            let reply = app.create(ONE_TASK).await;
            assert!([201, 503].contains(&reply.status.as_u16()), "{reply:?}");
            (reply.status == 201).then_some(())
        })
        .await;
        // It is known from now on.
        assert_eq!(app.create(ONE_TASK).await.status, 201);
    }
    for call in flood {
        call.abort();
    }
}
