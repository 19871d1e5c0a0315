//! Requests that are safe to repeat, through both doors.

use std::time::{Duration, Instant};

use proto::tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse};
use reqwest::{Method, header::HeaderMap};
use tonic::{Code, Response, Status};

use crate::{
    support::create_call::{new_task, told_by},
    support::{App, Reply, Session, polling::wait_for},
};

const ONE_TASK: &str = r#"{"tasks":[{"description":"x","assignee_emails":["user1@example.com"]}]}"#;
const ANOTHER: &str = r#"{"tasks":[{"description":"y","assignee_emails":["user1@example.com"]}]}"#;

/// Sends a body under an id, and returns the answer as it came.
async fn send(app: &App, id: &str, body: &'static str) -> (u16, HeaderMap, String) {
    let answer = app.post().header("idempotency-key", id).body(body).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.text().await.unwrap())
}

/// Creates a task under an id over gRPC.
async fn call(
    app: &App,
    id: &str,
    text: &str,
) -> Result<Response<BatchCreateTasksResponse>, Status> {
    let request = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task(text, &["user1@example.com"])],
        request_id: id.to_owned(),
    };
    app.grpc().await.batch_create_tasks(app.signed(request)).await
}

#[tokio::test]
async fn a_repeat_over_rest_gets_the_first_answer_byte_for_byte() {
    let app = App::start().await;
    let (status, headers, first) =
        send(&app, "8e03978e-40d5-43e8-bc93-6894a57f9324", ONE_TASK).await;
    assert_eq!((status, headers.get("idempotency-replayed")), (201, None));

    app.database.query("UPDATE tasks SET completed = true, updated_at = now() + interval '1 h'");
    let (status, headers, again) =
        send(&app, "8e03978e-40d5-43e8-bc93-6894a57f9324", ONE_TASK).await;
    assert_eq!((status, headers["idempotency-replayed"].as_bytes()), (201, &b"true"[..]));
    assert_eq!(again, first);
    assert_eq!(app.row_counts(), (1, 1));

    let (status, headers, _) = send(&app, "another", ONE_TASK).await;
    assert_eq!((status, headers.get("idempotency-replayed")), (201, None));
    assert_eq!(app.row_counts(), (2, 2));
}

#[tokio::test]
async fn a_repeat_over_grpc_gets_the_first_answer_and_is_told_so() {
    let app = App::start().await;
    let first = call(&app, "k", "x").await.unwrap();
    assert!(first.metadata().get("idempotency-replayed").is_none());
    let again = call(&app, "k", "x").await.unwrap();
    assert_eq!(again.metadata().get("idempotency-replayed").unwrap(), "true");
    assert_eq!(again.into_inner(), first.into_inner());
    assert_eq!(app.row_counts(), (1, 1));

    let without = [call(&app, "", "x").await.unwrap(), call(&app, "", "x").await.unwrap()];
    assert!(without.iter().all(|answer| answer.metadata().get("idempotency-replayed").is_none()));
    assert_eq!(app.row_counts(), (3, 3));
}

/// The id means the same at both doors.
#[tokio::test]
async fn a_repeat_through_the_other_door_is_one() {
    let app = App::start().await;
    let first = call(&app, "k", "x").await.unwrap().into_inner();
    let (status, headers, body) = send(&app, "k", ONE_TASK).await;
    assert_eq!((status, headers["idempotency-replayed"].as_bytes()), (201, &b"true"[..]));
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["tasks"][0]["id"], first.tasks[0].id);
}

#[tokio::test]
async fn an_id_that_another_request_bore_is_refused() {
    let app = App::start().await;
    send(&app, "k", ONE_TASK).await;

    let reply = Reply::of(app.post().header("idempotency-key", "k").body(ANOTHER)).await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.problem()["code"], "INVALID_ARGUMENT");
    assert_eq!(reply.faults(), ["REQUEST_ID_REUSED -"]);
    let status = call(&app, "k", "y").await.unwrap_err();
    assert_eq!(told_by(&status), "INVALID_ARGUMENT REQUEST_ID_REUSED");
    assert_eq!(app.row_counts(), (1, 1));
}

#[tokio::test]
async fn an_id_is_its_tenants_own_and_needs_a_key_that_may_write() {
    let app = App::start().await;
    send(&app, "k", ONE_TASK).await;
    let (_, case_id, key) = app.other_tenant().await;
    let path = format!("/api/v2/cases/{case_id}/tasks/batch");
    let of_another = |path: &str| {
        app.request(Method::POST, path)
            .header("content-type", "application/json")
            .header("idempotency-key", "k")
            .body(ONE_TASK)
    };

    // Another tenant learns nothing of the id, also where it names the first one's case.
    let reply = Reply::of(of_another(&app.batch_path()).bearer_auth(key.expose())).await;
    assert_eq!(reply.faults(), ["CASE_NOT_FOUND -"]);
    let reply = Reply::of(of_another(&path).bearer_auth(key.expose())).await;
    assert_eq!((reply.status.as_u16(), reply.header("idempotency-replayed")), (201, ""));

    let reply = Reply::of(of_another(&app.batch_path())).await;
    assert_eq!(reply.faults(), ["KEY_REQUIRED -"]);
    let reader = app.key_with(&[domain::Scope::TasksRead]).await;
    let reply = Reply::of(of_another(&app.batch_path()).bearer_auth(reader.expose())).await;
    assert_eq!(reply.faults(), ["SCOPE_REQUIRED -"]);
}

#[tokio::test]
async fn an_id_that_is_none_is_refused_before_anything_is_done() {
    let app = App::start().await;
    let longest = "k".repeat(255);
    for id in ["", "a b", &format!("{longest}k")] {
        let reply = Reply::of(app.post().header("idempotency-key", id).body(ONE_TASK)).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.faults(), ["IDEMPOTENCY_KEY_INVALID -"], "{id:?}");
    }
    let twice = app.post().header("idempotency-key", "a").header("idempotency-key", "a");
    assert_eq!(Reply::of(twice.body(ONE_TASK)).await.faults(), ["IDEMPOTENCY_KEY_INVALID -"]);
    for (id, reason) in [
        ("a b", "INVALID_CHARACTER"),
        ("é", "INVALID_CHARACTER"),
        (&format!("{longest}k"), "TOO_LONG"),
    ] {
        let status = call(&app, id, "x").await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(told_by(&status), format!("INVALID_ARGUMENT {reason}"));
    }
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(send(&app, &longest, ONE_TASK).await.0, 201);
}

/// As a client does that sends each request three times at once, to be sure.
#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_repeats_wait_for_the_first_and_get_its_answer() {
    let app = App::start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let send = || {
        let request = app.post().header("idempotency-key", "k").body(ONE_TASK);
        tokio::spawn(async move {
            let answer = request.send().await.unwrap();
            let is_replay = answer.headers().contains_key("idempotency-replayed");
            (answer.status().as_u16(), is_replay, answer.text().await.unwrap())
        })
    };
    // One waits for the table; the other writer takes the next, which waits for that one.
    let first = send();
    session.await_blocked(1);
    let answers = [first, send(), send()];
    session.await_blocked(2);
    session.unlock();

    let mut told = Vec::new();
    for answer in answers {
        told.push(answer.await.unwrap());
    }
    assert!(told.iter().all(|(status, _, body)| *status == 201 && *body == told[0].2), "{told:?}");
    assert_eq!(told.iter().filter(|(_, is_replay, _)| !is_replay).count(), 1, "{told:?}");
    assert_eq!(app.row_counts(), (1, 1));
}

/// A caller gives up, and asks again while the first request is still being written.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_deadline_finds_what_the_first_request_did() {
    let app = App::start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let request = app.post().header("idempotency-key", "k").header("request-timeout", "0.2");
    let began = Instant::now();
    let reply = Reply::of(request.body(ONE_TASK)).await;
    assert_eq!(reply.status, 504);
    assert_eq!(reply.faults(), ["DEADLINE_EXCEEDED -"]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    session.unlock();

    // The statement could not be taken back.
    wait_for("the first request's task", || (app.row_counts().0 == 1).then_some(()));
    let (status, headers, _) = send(&app, "k", ONE_TASK).await;
    assert_eq!((status, headers["idempotency-replayed"].as_bytes()), (201, &b"true"[..]));
    assert_eq!(app.row_counts(), (1, 1));
}

#[tokio::test]
async fn a_timeout_that_is_none_is_refused() {
    let app = App::start().await;
    for text in ["", "0", "-1", "1s", "1.2345"] {
        let reply = Reply::of(app.post().header("request-timeout", text).body(ONE_TASK)).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.faults(), ["REQUEST_TIMEOUT_INVALID -"], "{text:?}");
    }
    let reply = Reply::of(app.post().header("request-timeout", "5").body(ONE_TASK)).await;
    assert_eq!(reply.status, 201);
}
