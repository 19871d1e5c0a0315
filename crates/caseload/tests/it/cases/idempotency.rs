//! Cases that are created once, however often they are requested.

use localdb::Cluster;
use proto::tasks::v1::GetIdempotencyRecordRequest;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{CASES, Client};
use crate::support::{App, Reply, Session, TestDatabase};

fn body() -> Value {
    json!({"name": "a", "tasks": [
        {"description": "one", "assignee_emails": ["user1@example.com"]},
        {"description": "two"},
    ]})
}

async fn post(client: &Client<'_>, path: &str, body: &Value) -> Reply {
    let request = client.request(Method::POST, path).header("idempotency-key", "k");
    Reply::of(request.json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_has_the_first_response_whatever_has_become_of_the_case() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    // A request that is refused leaves the key unused, and so does a trial.
    let unknown = json!({"name": "a", "tasks": [
        {"description": "x", "assignee_emails": ["nobody@example.com"]},
    ]});
    assert_eq!(post(&client, CASES, &unknown).await.status, 400);
    let tried = post(&client, &format!("{CASES}?validate_only=true"), &body()).await;
    assert_eq!(tried.status, 200);

    let first = post(&client, CASES, &body()).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (201, ""));
    let path = format!("{CASES}/{}", first.body["case_id"]);
    for change in 0..3 {
        let repeat = post(&client, CASES, &body()).await;
        assert_eq!((repeat.status.as_u16(), &repeat.body), (201, &first.body));
        for (name, value) in [
            ("idempotency-replayed", "true"),
            ("etag", first.header("etag")),
            ("location", first.header("location")),
        ] {
            assert_eq!(repeat.header(name), value);
        }
        match change {
            0 => {
                client.send(Method::PUT, &path, &json!({"name": "b"})).await;
                app.database.query("UPDATE users SET first_name = 'Another'");
            }
            _ => {
                client.delete(&path).await;
            }
        }
    }
    // White space and the case of emails make no difference; all else does.
    let same = json!({"name": " a ", "priority": "LOW", "tasks": [
        {"description": "one ", "assignee_emails": ["USER1@example.com"]},
        {"description": "two"},
    ]});
    assert_eq!(post(&client, CASES, &same).await.status, 201);
    let mut other = body();
    other["priority"] = "HIGH".into();
    let one_task = json!({"tasks": [{"description": "one"}]});
    let batch = format!("{CASES}/{}/tasks/batch", app.case_id);
    for (path, body) in
        [(CASES, &other), (&format!("{CASES}?validate_only=true"), &other), (&batch, &one_task)]
    {
        let reused = post(&client, path, body).await;
        assert_eq!((reused.status.as_u16(), reused.violations()), {
            (422, vec!["REQUEST_ID_REUSED -".to_owned()])
        });
    }
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(app.database.query("SELECT count(*) FROM cases"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_key_has_the_case() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let created = post(&client, CASES, &body()).await;
    let ids: Vec<_> = created.tasks().map(|task| task["id"].clone()).collect();
    let record = client.get("/api/v2/idempotency-keys/k").await;
    let expected = json!({
        "key": "k", "outcome": "created", "case_id": created.body["case_id"], "task_ids": ids,
        "created_at": created.body["created_at"],
    });
    assert_eq!(record.body["idempotency_key"], expected);
    let request = client.with_key(GetIdempotencyRecordRequest { request_id: "k".to_owned() });
    let record = app.grpc_client().await.get_idempotency_record(request).await.unwrap();
    let case_id = record.into_inner().record.unwrap().case_id;
    assert_eq!(Some(case_id), created.body["case_id"].as_i64());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_with_one_key_at_once_one_creates_the_case() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let mut calls = JoinSet::new();
    for _ in 0..12 {
        let request = client.request(Method::POST, CASES).header("idempotency-key", "k");
        calls.spawn(Reply::of(request.json(&body())));
    }
    let mut bodies = Vec::new();
    while let Some(reply) = calls.join_next().await {
        let reply = reply.unwrap();
        assert_eq!(reply.status, 201, "{reply:?}");
        bodies.push((reply.header("idempotency-replayed").to_owned(), reply.body));
    }
    assert!(bodies.iter().all(|(_, body)| *body == bodies[0].1));
    assert_eq!(bodies.iter().filter(|(replayed, _)| replayed.is_empty()).count(), 1);
    assert_eq!(app.row_counts(), (2, 1));
}

/// The server finds out by itself what became of a statement whose connection was lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_in_doubt_is_created_once() {
    let mut cluster = Cluster::temporary()
        .setting("synchronous_commit", "on")
        .setting("shared_buffers", "4MB")
        .start()
        .unwrap();
    let database = TestDatabase::create_on(&cluster).await;
    let app = App::builder().server_args(&["--checkout-timeout", "1s"]).start_on(database).await;
    let client = Client::new(&app).await;
    let request = |key: &'static str| {
        let request = client.request(Method::POST, CASES).header("idempotency-key", key);
        Reply::of(request.json(&body()))
    };
    assert_eq!(request("first").await.status, 201);
    let mut session = Session::open(app.database.url());
    session.query("BEGIN; LOCK TABLE cases IN ACCESS EXCLUSIVE MODE");
    let call = tokio::spawn(request("k"));
    session.await_blocked(1);
    cluster.kill().unwrap();
    cluster.start().unwrap();
    let reply = call.await.unwrap();
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(request("k").await.body, reply.body);
    assert_eq!(app.row_counts(), (4, 2));
    drop(session);
    cluster.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_one_with_the_same_key_beside_all_others() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let mut session = Session::open(app.database.url());
    session.query("BEGIN");
    session.query(&format!(
        "INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint)
         VALUES ({}, 'k', 'create_case', sha256(''))",
        app.tenant
    ));
    let mut waiting = JoinSet::new();
    for _ in 0..8 {
        let request = client.request(Method::POST, CASES).header("idempotency-key", "k");
        waiting.spawn(Reply::of(request.json(&body())));
    }
    session.await_blocked(1);
    let (path, _) = client.create("free", &["one"]).await;
    assert_eq!(client.send(Method::PUT, &path, &json!({"name": "b"})).await.status, 200);
    session.query("COMMIT");
    while let Some(reply) = waiting.join_next().await {
        assert_eq!(reply.unwrap().violations(), ["REQUEST_ID_REUSED -"]);
    }
    assert_eq!(app.row_counts(), (1, 0));
}
