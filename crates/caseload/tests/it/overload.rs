//! More than the service takes, or than a caller may ask for: an answer, not a pile.

mod body_memory;

use domain::Scope;
use proto::tasks::v1::BatchCreateTasksRequest;
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    support::create_call::{new_task, told_by},
    support::{App, Reply, Session, polling::eventually},
};

const ONE_TASK: &str = r#"{"tasks":[{"description":"x"}]}"#;

/// What a gRPC call with one task is refused with.
async fn refusal(app: &App) -> Status {
    let tasks = vec![new_task("x", &[])];
    let request = BatchCreateTasksRequest { case_id: app.case_id, tasks, ..Default::default() };
    app.grpc().await.batch_create_tasks(app.signed(request)).await.unwrap_err()
}

fn pushback(status: &Status) -> u64 {
    status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_key_has_a_rate_of_its_own_and_is_told_what_is_left() {
    let app = App::builder().server_args(&["--key-rate", "1:3"]).start().await;
    let first = app.create(ONE_TASK).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.header("ratelimit-policy"), r#""key";q=3;w=3"#);
    assert_eq!(first.header("ratelimit"), r#""key";r=2"#);
    // A request that is at fault counts as well.
    let at_fault = app.create(r#"{"tasks":[]}"#).await;
    assert_eq!(at_fault.status, 400);
    assert!(at_fault.header("ratelimit").starts_with(r#""key";r="#), "{at_fault:?}");

    let refused = eventually("the end of the rate", async || {
        Some(app.create(ONE_TASK).await).filter(|reply| reply.status != 201)
    });
    let refused = refused.await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.problem()["code"], "RESOURCE_EXHAUSTED");
    assert_eq!(refused.faults(), ["RATE_LIMITED -"]);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), r#""key";r=0;t=1"#);

    let mut other = App::start().await;
    (other.grpc_addr, other.http_addr) = (app.grpc_addr, app.http_addr);
    other.case_id = app.case_id;
    other.key = app.key_with(&[Scope::TasksWrite]).await;
    assert_eq!(other.create(ONE_TASK).await.status, 201);
}

#[tokio::test]
async fn the_keys_of_a_tenant_share_its_rate() {
    let mut app = App::builder().server_args(&["--tenant-rate", "1:1"]).start().await;
    assert_eq!(app.create(ONE_TASK).await.header("ratelimit"), r#""tenant";r=0"#);
    app.key = app.key_with(&[Scope::TasksWrite]).await;
    let refused = eventually("the end of the rate", async || {
        let tasks = vec![new_task("x", &[])];
        let request = BatchCreateTasksRequest { case_id: app.case_id, tasks, ..Default::default() };
        app.grpc().await.batch_create_tasks(app.signed(request)).await.err()
    });
    let refused = refused.await;
    assert_eq!(told_by(&refused), "RESOURCE_EXHAUSTED RATE_LIMITED");
    assert!((1..=1000).contains(&pushback(&refused)), "{refused:?}");

    let (_, case_id, key) = app.other_tenant().await;
    (app.case_id, app.key) = (case_id, key);
    assert_eq!(app.create(ONE_TASK).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_more_than_may_be_in_flight_is_refused_at_once() {
    let app = App::builder().server_args(&["--max-in-flight", "1"]).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(1);

    let status = refusal(&app).await;
    assert_eq!(told_by(&status), "UNAVAILABLE OVERLOADED");
    assert!((501..=1000).contains(&pushback(&status)), "{status:?}");
    let reply = app.create(ONE_TASK).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "1"));
    assert_eq!(reply.faults(), ["OVERLOADED -"]);
    // Who asks whether it serves is told.
    let channel = Endpoint::try_from(format!("http://{}", app.grpc_addr)).unwrap();
    let mut health = HealthClient::new(channel.connect().await.unwrap());
    let answer = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.get_ref().status(), ServingStatus::Serving);

    session.unlock();
    assert_eq!(in_flight.await.unwrap().status, 201);
    assert_eq!(app.create(ONE_TASK).await.status, 201);
    assert_eq!(app.row_counts().0, 2);
}

/// It would be refused in the end, after all the work on it.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_queue_is_full_nothing_of_a_call_is_looked_at() {
    let args = ["--writers", "1", "--queue-length", "1", "--tenant-queue-length", "1"];
    let app = App::builder().server_args(&args).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let running = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));
    session.await_blocked(1);
    let waiting = tokio::spawn(Reply::of(app.post().body(ONE_TASK)));

    let without_a_key = async || {
        let request = BatchCreateTasksRequest::default();
        told_by(&app.grpc().await.batch_create_tasks(request).await.unwrap_err())
    };
    eventually("a full queue", async || {
        let told = without_a_key().await;
        assert!(["UNAUTHENTICATED KEY_REQUIRED", "UNAVAILABLE OVERLOADED"].contains(&&*told));
        told.starts_with("UNAVAILABLE").then_some(())
    })
    .await;

    session.unlock();
    assert_eq!(running.await.unwrap().status, 201);
    assert_eq!(waiting.await.unwrap().status, 201);
    assert_eq!(without_a_key().await, "UNAUTHENTICATED KEY_REQUIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_deadline_has_the_longest() {
    let app = App::builder().server_args(&["--call-timeout", "300ms"]).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let status = refusal(&app).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(told_by(&status), "DEADLINE_EXCEEDED DEADLINE_EXCEEDED");
    // One that grants more has no more.
    let reply = app.create(ONE_TASK).await;
    assert_eq!(reply.faults(), ["DEADLINE_EXCEEDED -"]);
}
