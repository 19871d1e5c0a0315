//! Overload: rate limits, the limit of calls in flight, the queue, the memory for bodies.

mod body_memory;
mod locked_rows;
mod long_lists;
mod message_memory;
#[cfg(target_os = "linux")]
mod peak_memory;
pub(crate) mod raw_calls;
mod refusals;
mod requests;
mod silent_callers;
mod unknown_keys;

use domain::Scope;
use proto::tasks::v1::BatchCreateTasksRequest;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{App, ONE_TASK, Reply, Session, code_and_reasons, polling::eventually};

/// Makes a gRPC call with one task, which must fail, and returns its status.
async fn failed_call(app: &App) -> Status {
    app.grpc_client().await.batch_create_tasks(app.one_task_request()).await.unwrap_err()
}

/// Returns how many milliseconds a gRPC client must wait before it retries.
fn pushback(status: &Status) -> u64 {
    status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn each_key_has_its_own_rate_limit_and_gets_the_remaining_quota() {
    let app = App::builder().server_args(&["--key-rate", "1:3"]).start().await;
    let first = app.create(ONE_TASK).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.header("ratelimit-policy"), r#""key";q=3;w=3"#);
    assert_eq!(first.header("ratelimit"), r#""key";r=2"#);
    // An invalid request counts as well.
    let invalid = app.create(r#"{"tasks":[]}"#).await;
    assert_eq!(invalid.status, 400);
    assert!(invalid.header("ratelimit").starts_with(r#""key";r="#), "{invalid:?}");

    let rejected = eventually("the rate limit", async || {
        Some(app.create(ONE_TASK).await).filter(|reply| reply.status != 201)
    });
    let rejected = rejected.await;
    assert_eq!(rejected.status, 429);
    assert_eq!(rejected.problem()["code"], "RESOURCE_EXHAUSTED");
    assert_eq!(rejected.violations(), ["RATE_LIMITED -"]);
    assert_eq!(rejected.header("retry-after"), "1");
    assert_eq!(rejected.header("ratelimit"), r#""key";r=0;t=1"#);

    let mut other = App::start().await;
    (other.grpc_addr, other.http_addr) = (app.grpc_addr, app.http_addr);
    other.case_id = app.case_id;
    other.key = app.key_with(&[Scope::TasksWrite]).await;
    assert_eq!(other.create(ONE_TASK).await.status, 201);
}

#[tokio::test]
async fn the_keys_of_a_tenant_share_its_rate_limit() {
    let mut app = App::builder().server_args(&["--tenant-rate", "1:1"]).start().await;
    assert_eq!(app.create(ONE_TASK).await.header("ratelimit"), r#""tenant";r=0"#);
    app.key = app.key_with(&[Scope::TasksWrite]).await;
    let rejected = eventually("the rate limit", async || {
        app.grpc_client().await.batch_create_tasks(app.one_task_request()).await.err()
    });
    let rejected = rejected.await;
    assert_eq!(code_and_reasons(&rejected), "RESOURCE_EXHAUSTED RATE_LIMITED");
    assert!((1..=1000).contains(&pushback(&rejected)), "{rejected:?}");

    let (_, case_id, key) = app.other_tenant().await;
    (app.case_id, app.key) = (case_id, key);
    assert_eq!(app.create(ONE_TASK).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_beyond_the_limit_of_calls_in_flight_is_rejected_at_once() {
    let app = App::builder().server_args(&["--max-in-flight", "1"]).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(1);

    let status = failed_call(&app).await;
    assert_eq!(code_and_reasons(&status), "UNAVAILABLE OVERLOADED");
    assert!((501..=1000).contains(&pushback(&status)), "{status:?}");
    let reply = app.create(ONE_TASK).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "1"));
    assert_eq!(reply.violations(), ["OVERLOADED -"]);
    // Health checks are not limited.
    let mut health = HealthClient::new(app.channel().await);
    let response = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(response.get_ref().status(), ServingStatus::Serving);

    session.unlock();
    assert_eq!(in_flight.await.unwrap().status, 201);
    assert_eq!(app.create(ONE_TASK).await.status, 201);
    assert_eq!(app.row_counts().0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_may_have_as_many_calls_in_flight_as_it_leaves_for_others() {
    let mut app = App::builder().server_args(&["--max-in-flight", "4"]).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let mut calls: JoinSet<Reply> = (0..3).map(|_| Reply::of(app.post().body(ONE_TASK))).collect();
    let rejected = calls.join_next().await.unwrap().unwrap();
    assert_eq!((rejected.status.as_u16(), rejected.header("retry-after")), (429, "1"));
    assert_eq!(rejected.violations(), ["TENANT_OVER_SHARE -"]);

    (_, app.case_id, app.key) = app.other_tenant().await;
    let others = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(2);
    session.unlock();
    assert_eq!(others.await.unwrap().status, 201);
    for reply in calls.join_all().await {
        assert_eq!(reply.status, 201);
    }
}

/// The queue would reject the call in the end, after all the work on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_rejects_a_call_before_its_key_is_checked() {
    let args = ["--writers", "1", "--queue-length", "1", "--tenant-queue-length", "1"];
    let app = App::builder().server_args(&args).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let running = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(1);
    let waiting = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));

    let without_a_key = async || {
        let request = BatchCreateTasksRequest::default();
        code_and_reasons(&app.grpc_client().await.batch_create_tasks(request).await.unwrap_err())
    };
    eventually("a full queue", async || {
        let result = without_a_key().await;
        assert!(["UNAUTHENTICATED KEY_REQUIRED", "UNAVAILABLE OVERLOADED"].contains(&&*result));
        result.starts_with("UNAVAILABLE").then_some(())
    })
    .await;

    session.unlock();
    assert_eq!(running.await.unwrap().status, 201);
    assert_eq!(waiting.await.unwrap().status, 201);
    assert_eq!(without_a_key().await, "UNAUTHENTICATED KEY_REQUIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_deadline_gets_the_longest_timeout() {
    let app = App::builder().server_args(&["--call-timeout", "300ms"]).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let status = failed_call(&app).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(code_and_reasons(&status), "DEADLINE_EXCEEDED DEADLINE_EXCEEDED");
    // A call with a longer timeout gets no more than that.
    let reply = app.create(ONE_TASK).await;
    assert_eq!(reply.violations(), ["DEADLINE_EXCEEDED -"]);
}
