//! Clients that open streams and send nothing on them.

use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::raw_calls::RawCalls;
use crate::support::{App, ONE_TASK, Session, new_key, raw_grpc::framed};

/// The number of calls that one connection begins: more than the server works on at once.
const CALLS: u32 = 2_100;

async fn assert_creates(app: &App) {
    for _ in 0..10 {
        assert_eq!(app.create(ONE_TASK).await.status, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_a_key_are_responded_to_at_once_and_lock_nobody_out() {
    let app = App::start().await;
    let mut silent = RawCalls::open(app.grpc_addr).await;
    silent.begin(CALLS, None, &[]).await;
    assert_creates(&app).await;
    silent.await_responses(CALLS as usize).await;
    assert_creates(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_without_a_message_take_no_permit_and_are_limited_for_each_connection() {
    let args = ["--max-in-flight", "4", "--max-unfinished-calls", "100"];
    let app = App::builder().server_args(&args).start().await;
    let (_, _, key) = app.other_tenant().await;
    // With the same key, too: the limit is that of the connection.
    let mut connections = Vec::new();
    for _ in 0..2 {
        let mut silent = RawCalls::open(app.grpc_addr).await;
        silent.begin(CALLS, Some(&key), &[]).await;
        silent.await_responses(CALLS as usize - 100).await;
        connections.push(silent);
        assert_creates(&app).await;
    }
    // A call that ends makes room for another one.
    let mut silent = connections.remove(0);
    assert_eq!(silent.running(), 100);
    silent.end_one().await;
    silent.await_responses(1).await;
    silent.begin(1, Some(&key), &[]).await;
    assert_creates(&app).await;
    assert_eq!(silent.running(), 100);
}

/// They share one look-up, so no limit of look-ups limits them.
#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_key_is_looked_up_are_limited_for_each_connection_and_in_all() {
    let args = ["--max-unfinished-calls", "100", "--message-memory", "16"];
    let app = App::builder().server_args(&args).start().await;
    assert_creates(&app).await;
    let mut session = Session::open(app.database.url());
    session.query("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE");

    let key = new_key();
    let mut first = RawCalls::open(app.grpc_addr).await;
    first.begin(CALLS, Some(&key), &[]).await;
    first.await_responses(CALLS as usize - 100).await;
    // An eighth of the memory for messages is for all of them together: 2 MiB for calls of 16 KiB and
    // their headers.
    let mut second = RawCalls::open(app.grpc_addr).await;
    second.begin(CALLS, Some(&key), &[]).await;
    second.await_responses(CALLS as usize - 27).await;
    assert!((20..=27).contains(&second.running()), "{}", second.running());
    assert_eq!(first.running(), 100);
    assert_creates(&app).await;

    session.unlock();
    first.await_responses(100).await;
    assert_creates(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_does_not_arrive_in_time_ends_its_call() {
    let app = App::builder().server_args(&["--message-timeout", "300ms"]).start().await;
    let mut silent = RawCalls::open(app.grpc_addr).await;
    silent.begin(10, Some(&app.key), b"\0\0\0").await;
    silent.await_responses(10).await;
    assert_creates(&app).await;
}

/// They need no key, so they are limited for each connection.
#[tokio::test(flavor = "multi_thread")]
async fn calls_to_health_are_limited_for_each_connection_in_number_and_size() {
    let app = App::start().await;
    let mut silent = RawCalls::open(app.grpc_addr).await;
    silent.begin_at("/grpc.health.v1.Health/Check", 100, None, &[]).await;
    silent.await_responses(68).await;
    let mut large = RawCalls::open(app.grpc_addr).await;
    large
        .begin_at("/grpc.health.v1.Health/Check", 20, None, &framed(0, 20_000, &[0; 17_000]))
        .await;
    large.await_responses(20).await;
    assert_eq!(silent.running(), 32);
    let mut health = HealthClient::new(app.channel().await);
    let response = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(response.get_ref().status(), ServingStatus::Serving);
}
