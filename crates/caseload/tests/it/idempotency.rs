//! Idempotency keys and request timeouts, over gRPC and over REST.

use std::time::{Duration, Instant};

use proto::tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse};
use reqwest::{Method, header::HeaderMap};
use tonic::{Code, Response, Status};

use crate::support::{
    App, ONE_ASSIGNED_TASK, Reply, Session, code_and_reasons, new_task, polling::wait_for,
};

/// A body that differs from [`ONE_ASSIGNED_TASK`].
const OTHER_TASK: &str =
    r#"{"tasks":[{"description":"y","assignee_emails":["user1@example.com"]}]}"#;

/// Sends a body with an idempotency key. Returns status, headers and body of the response.
async fn send(app: &App, key: &str, body: &'static str) -> (u16, HeaderMap, String) {
    let response = app.post().header("idempotency-key", key).body(body).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.text().await.unwrap())
}

/// Creates a task over gRPC with an idempotency key, which is `request_id` there (AIP-155).
async fn call(
    app: &App,
    key: &str,
    text: &str,
) -> Result<Response<BatchCreateTasksResponse>, Status> {
    let request = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task(text, &["user1@example.com"])],
        request_id: key.to_owned(),
        ..Default::default()
    };
    app.grpc_client().await.batch_create_tasks(app.with_key(request)).await
}

#[tokio::test]
async fn a_repeat_over_rest_gets_the_first_response_byte_for_byte() {
    let app = App::start().await;
    let (status, headers, first) =
        send(&app, "8e03978e-40d5-43e8-bc93-6894a57f9324", ONE_ASSIGNED_TASK).await;
    assert_eq!((status, headers.get("idempotency-replayed")), (201, None));

    app.database.query("UPDATE tasks SET completed = true, updated_at = now() + interval '1 h'");
    let (status, headers, again) =
        send(&app, "8e03978e-40d5-43e8-bc93-6894a57f9324", ONE_ASSIGNED_TASK).await;
    assert_eq!((status, headers["idempotency-replayed"].as_bytes()), (201, &b"true"[..]));
    assert_eq!(again, first);
    assert_eq!(app.row_counts(), (1, 1));

    let (status, headers, _) = send(&app, "another", ONE_ASSIGNED_TASK).await;
    assert_eq!((status, headers.get("idempotency-replayed")), (201, None));
    assert_eq!(app.row_counts(), (2, 2));
}

#[tokio::test]
async fn a_repeat_over_grpc_gets_the_first_response_marked_as_replayed() {
    let app = App::start().await;
    let first = call(&app, "k", "x").await.unwrap();
    assert!(first.metadata().get("idempotency-replayed").is_none());
    let again = call(&app, "k", "x").await.unwrap();
    assert_eq!(again.metadata().get("idempotency-replayed").unwrap(), "true");
    assert_eq!(again.into_inner(), first.into_inner());
    assert_eq!(app.row_counts(), (1, 1));

    let without = [call(&app, "", "x").await.unwrap(), call(&app, "", "x").await.unwrap()];
    assert!(
        without.iter().all(|response| response.metadata().get("idempotency-replayed").is_none())
    );
    assert_eq!(app.row_counts(), (3, 3));
}

/// A key identifies the same request over gRPC and over REST.
#[tokio::test]
async fn a_repeat_over_the_other_protocol_gets_the_first_response() {
    let app = App::start().await;
    let first = call(&app, "k", "x").await.unwrap().into_inner();
    let (status, headers, body) = send(&app, "k", ONE_ASSIGNED_TASK).await;
    assert_eq!((status, headers["idempotency-replayed"].as_bytes()), (201, &b"true"[..]));
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["tasks"][0]["id"], first.tasks[0].id);
}

#[tokio::test]
async fn a_key_that_was_used_for_a_different_request_is_rejected() {
    let app = App::start().await;
    send(&app, "k", ONE_ASSIGNED_TASK).await;

    let reply = Reply::of(app.post().header("idempotency-key", "k").body(OTHER_TASK)).await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.problem()["code"], "INVALID_ARGUMENT");
    assert_eq!(reply.violations(), ["REQUEST_ID_REUSED -"]);
    let status = call(&app, "k", "y").await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT REQUEST_ID_REUSED");
    assert_eq!(app.row_counts(), (1, 1));
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_tenant_and_needs_an_api_key_that_may_write() {
    let app = App::start().await;
    send(&app, "k", ONE_ASSIGNED_TASK).await;
    let (_, case_id, key) = app.other_tenant().await;
    let path = format!("/api/v2/cases/{case_id}/tasks/batch");
    let repeat = |path: &str| {
        app.request(Method::POST, path)
            .header("content-type", "application/json")
            .header("idempotency-key", "k")
            .body(ONE_ASSIGNED_TASK)
    };

    // The response to another tenant reveals nothing of the key, also for the first tenant's case.
    let reply = Reply::of(repeat(&app.batch_path()).bearer_auth(key.expose())).await;
    assert_eq!(reply.violations(), ["CASE_NOT_FOUND -"]);
    let reply = Reply::of(repeat(&path).bearer_auth(key.expose())).await;
    assert_eq!((reply.status.as_u16(), reply.header("idempotency-replayed")), (201, ""));

    let reply = Reply::of(repeat(&app.batch_path())).await;
    assert_eq!(reply.violations(), ["KEY_REQUIRED -"]);
    let reader = app.key_with(&[domain::Scope::TasksRead]).await;
    let reply = Reply::of(repeat(&app.batch_path()).bearer_auth(reader.expose())).await;
    assert_eq!(reply.violations(), ["SCOPE_REQUIRED -"]);
}

#[tokio::test]
async fn a_malformed_key_is_rejected_and_nothing_is_created() {
    let app = App::start().await;
    let longest = "k".repeat(255);
    for key in ["", "a b", &format!("{longest}k")] {
        let reply =
            Reply::of(app.post().header("idempotency-key", key).body(ONE_ASSIGNED_TASK)).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.violations(), ["IDEMPOTENCY_KEY_INVALID -"], "{key:?}");
    }
    let twice = app.post().header("idempotency-key", "a").header("idempotency-key", "a");
    assert_eq!(
        Reply::of(twice.body(ONE_ASSIGNED_TASK)).await.violations(),
        ["IDEMPOTENCY_KEY_INVALID -"]
    );
    for (key, reason) in [
        ("a b", "INVALID_CHARACTER"),
        ("é", "INVALID_CHARACTER"),
        (&format!("{longest}k"), "TOO_LONG"),
    ] {
        let status = call(&app, key, "x").await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(code_and_reasons(&status), format!("INVALID_ARGUMENT {reason}"));
    }
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(send(&app, &longest, ONE_ASSIGNED_TASK).await.0, 201);
}

/// A client may send each request several times at once.
#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_repeats_wait_for_the_first_and_get_its_response() {
    let app = App::start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let send = || {
        let request = app.post().header("idempotency-key", "k").body(ONE_ASSIGNED_TASK);
        tokio::spawn(async move {
            let response = request.send().await.unwrap();
            let is_replay = response.headers().contains_key("idempotency-replayed");
            (response.status().as_u16(), is_replay, response.text().await.unwrap())
        })
    };
    // The first request waits for the table's lock. The other writer takes the next one, which
    // waits for the first request's transaction.
    let first = send();
    session.await_blocked(1);
    let responses = [first, send(), send()];
    session.await_blocked(2);
    session.unlock();

    let mut results = Vec::new();
    for response in responses {
        results.push(response.await.unwrap());
    }
    assert!(
        results.iter().all(|(status, _, body)| *status == 201 && *body == results[0].2),
        "{results:?}"
    );
    assert_eq!(results.iter().filter(|(_, is_replay, _)| !is_replay).count(), 1, "{results:?}");
    assert_eq!(app.row_counts(), (1, 1));
}

/// The caller's deadline ends while its batch is being written; then it repeats the request.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_deadline_gets_the_tasks_of_the_first_request() {
    let app = App::start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let request = app.post().header("idempotency-key", "k").header("request-timeout", "0.2");
    let began = Instant::now();
    let reply = Reply::of(request.body(ONE_ASSIGNED_TASK)).await;
    assert_eq!(reply.status, 504);
    assert_eq!(reply.violations(), ["DEADLINE_EXCEEDED -"]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    session.unlock();

    // The statement was already running and could not be withdrawn.
    wait_for("the first request's task", || (app.row_counts().0 == 1).then_some(()));
    let (status, headers, _) = send(&app, "k", ONE_ASSIGNED_TASK).await;
    assert_eq!((status, headers["idempotency-replayed"].as_bytes()), (201, &b"true"[..]));
    assert_eq!(app.row_counts(), (1, 1));
}

#[tokio::test]
async fn a_malformed_request_timeout_is_rejected() {
    let app = App::start().await;
    for text in ["", "0", "-1", "1s", "1.2345"] {
        let reply =
            Reply::of(app.post().header("request-timeout", text).body(ONE_ASSIGNED_TASK)).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.violations(), ["REQUEST_TIMEOUT_INVALID -"], "{text:?}");
    }
    let reply = Reply::of(app.post().header("request-timeout", "5").body(ONE_ASSIGNED_TASK)).await;
    assert_eq!(reply.status, 201);
}
