//! The problem documents of calls about existing tasks: a snapshot for each reason.

use reqwest::Method;
use serde_json::json;

use super::{Client, of};
use crate::{
    problem_documents::assert_matches_snapshot,
    support::{App, Reply},
};

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_to_reject_a_call_about_tasks_has_its_document() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, etag) = client.create("a", &["user1@example.com"]).await;
    let path = client.path(&of(&task));
    let batch = client.path("/batch");
    let no_task = 4_000_000_000_i64;
    let put = |path: &str, body: serde_json::Value| client.request(Method::PUT, path).json(&body);
    for (name, request) in [
        ("task_not_found", client.request(Method::GET, &client.path("/4000000000"))),
        ("invalid_task_id", client.request(Method::GET, &client.path("/0"))),
        (
            "tasks_not_found",
            put(
                &batch,
                json!({"tasks": [{"id": task["id"]}, {"id": no_task}, {"id": no_task + 1}]}),
            ),
        ),
        (
            "tasks_to_delete_not_found",
            client
                .request(Method::DELETE, &batch)
                .json(&json!({"task_ids": [task["id"], no_task]})),
        ),
        (
            "etag_mismatch",
            put(&path, json!({"completed": true})).header("if-match", r#""1", W/"2""#),
        ),
        (
            "etag_mismatch_in_batch",
            put(&batch, json!({"tasks": [{"id": task["id"], "completed": true, "etag": "\"1\""}]})),
        ),
        ("if_match_not_supported", put(&batch, json!({"tasks": []})).header("if-match", &etag)),
        (
            "invalid_changes",
            put(
                &batch,
                json!({"tasks": [
                    {"id": 0, "description": " "},
                    {"id": task["id"], "description": "a\0b", "assignee_emails": ["x", "a@b"]},
                    {"id": task["id"]},
                ]}),
            ),
        ),
        (
            "invalid_change_of_one",
            put(&path, json!({"description": "", "assignee_emails": ["user1@example.com", "x"]})),
        ),
        (
            "unknown_users_of_one",
            put(&path, json!({"assignee_emails": ["user1@example.com", "nobody@example.com"]})),
        ),
        ("no_task_ids", client.request(Method::DELETE, &batch).json(&json!({"task_ids": []}))),
        (
            "invalid_parameters",
            client.request(
                Method::GET,
                &client.path("?page=0&per_page=51&completed=1&updated_after=now&sort=id"),
            ),
        ),
        ("assignee_required", client.request(Method::GET, "/api/v2/tasks")),
        (
            "unknown_assignee",
            client.request(Method::GET, "/api/v2/tasks?assignee_email=nobody@example.com"),
        ),
        (
            "idempotency_key_unknown",
            client.request(Method::GET, "/api/v2/idempotency-keys/no-such-key"),
        ),
        (
            "idempotency_key_in_path_invalid",
            client.request(Method::GET, "/api/v2/idempotency-keys/a%20b"),
        ),
    ] {
        assert_matches_snapshot(name, &Reply::of(request).await);
    }
    assert_eq!(client.get(&path).await.header("etag"), etag);
}
