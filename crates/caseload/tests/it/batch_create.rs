//! `POST /api/v2/cases/{case_id}/tasks/batch` and `BatchCreateTasks`, where all goes well.

use serde_json::json;

use crate::support::{App, SAMPLE};

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_sample_is_answered_as_documented() {
    let app = App::start().await;

    let reply = app.create(SAMPLE).await;

    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("content-type"), "application/json");
    let created_at = reply.body["tasks"][0]["created_at"].clone();
    let task = |id: u64, description: &str, assignees: serde_json::Value| {
        json!({
            "id": id,
            "description": description,
            "completed": false,
            "assignees": assignees,
            "created_at": created_at,
            "updated_at": created_at,
        })
    };
    assert_eq!(
        reply.body,
        json!({"tasks": [
            task(1, "Review security logs for suspicious activity", json!([
                {"id": "1", "email": "user1@example.com", "first_name": "John", "last_name": "Doe"},
            ])),
            task(2, "Update incident runbook", json!([])),
            task(3, "Close related tickets", json!([
                {"id": "2", "email": "user2@example.com", "first_name": "Jane", "last_name": "Smith"},
                {"id": "3", "email": "user3@example.com", "first_name": "Bob", "last_name": "Wilson"},
            ])),
        ]})
    );
    assert_eq!(app.row_counts(), (3, 3));
}
