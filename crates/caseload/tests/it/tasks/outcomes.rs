//! What became of requests with idempotency keys.

use domain::Scope;
use proto::tasks::v1::GetIdempotencyRecordRequest;
use reqwest::Method;
use serde_json::json;

use super::Client;
use crate::support::{App, Reply, Session, code_and_reasons};

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_key_has_the_tasks_that_were_created() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let unknown = client.get("/api/v2/idempotency-keys/k%2F1").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.violations()),
        (404, vec!["IDEMPOTENCY_KEY_UNKNOWN -".to_owned()])
    );
    let body = json!({"tasks": [{"description": "a"}, {"description": "b"}]});
    let create =
        client.request(Method::POST, &client.path("/batch")).header("idempotency-key", "k/1");
    let created = Reply::of(create.json(&body)).await;
    let ids: Vec<_> = created.tasks().map(|task| task["id"].clone()).collect();
    let record = client.get("/api/v2/idempotency-keys/k%2F1").await;
    let created_at = &created.body["tasks"][0]["created_at"];
    let expected =
        json!({"key": "k/1", "outcome": "created", "task_ids": ids, "created_at": created_at});
    assert_eq!((record.status.as_u16(), &record.body["idempotency_key"]), (200, &expected));

    // A key is the tenant's, and has a form.
    let (_, _, key) = app.other_tenant().await;
    let theirs =
        app.request(Method::GET, "/api/v2/idempotency-keys/k%2F1").bearer_auth(key.expose());
    assert_eq!(Reply::of(theirs).await.status, 404);
    let malformed = client.get("/api/v2/idempotency-keys/a%20b").await;
    assert_eq!(
        (malformed.status.as_u16(), malformed.violations()),
        (400, vec!["INVALID_CHARACTER -".to_owned()])
    );
    let reader = app.key_with(&[Scope::TasksRead]).await;
    let request =
        app.request(Method::GET, "/api/v2/idempotency-keys/k").bearer_auth(reader.expose());
    assert_eq!(Reply::of(request).await.status, 403);

    let request = GetIdempotencyRecordRequest { request_id: "k/1".to_owned() };
    let record =
        app.grpc_client().await.get_idempotency_record(client.with_key(request)).await.unwrap();
    assert_eq!(record.into_inner().record.unwrap().task_ids.len(), 2);
    let request = GetIdempotencyRecordRequest::default();
    let status =
        app.grpc_client().await.get_idempotency_record(client.with_key(request)).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT REQUIRED");
    // To ask for a key does not use it.
    assert_eq!(app.database.query("SELECT count(*) FROM idempotency_keys"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_being_written_is_waited_for() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let mut session = Session::open(app.database.url());
    session.query("BEGIN");
    session.query(&format!(
        "INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint, task_ids)
         VALUES ({}, 'k', 'batch_create_tasks', sha256(''), '{{7}}')",
        app.tenant
    ));
    let call = tokio::spawn(Reply::of(client.request(Method::GET, "/api/v2/idempotency-keys/k")));
    session.await_blocked(1);
    session.query("COMMIT");
    assert_eq!(call.await.unwrap().body["idempotency_key"]["task_ids"], json!([7]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_task_is_created_once_for_a_key() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let post = async |path: &str, body: serde_json::Value| {
        let request = client.request(Method::POST, path).header("idempotency-key", "k");
        Reply::of(request.json(&body)).await
    };
    let task = json!({"description": "a", "assignee_emails": ["user1@example.com"]});
    let first = post(&client.path(""), task.clone()).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (201, ""));
    let repeat = post(&client.path(""), task.clone()).await;
    assert_eq!(
        (repeat.body, repeat.headers["etag"].clone()),
        (first.body, first.headers["etag"].clone())
    );
    assert_eq!(repeat.headers["idempotency-replayed"], "true");
    // Another operation with the same content is another request.
    let batch = post(&client.path("/batch"), json!({"tasks": [task]})).await;
    assert_eq!(
        (batch.status.as_u16(), batch.violations()),
        (422, vec!["REQUEST_ID_REUSED -".to_owned()])
    );
    assert_eq!(app.row_counts(), (1, 1));
}
