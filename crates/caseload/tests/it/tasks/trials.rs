//! Requests that are only checked: `validate_only`.

use proto::tasks::v1::{BatchCreateTasksRequest, TaskUpdate, UpdateTaskRequest};
use reqwest::Method;
use serde_json::json;

use super::{Client, emails, of};
use crate::support::{App, Reply, code_and_reasons, new_task};

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_reports_what_would_be_and_changes_nothing() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, etag) = client.create("a", &["user1@example.com"]).await;
    let new = json!({"description": " b ", "assignee_emails": ["USER2@example.com"]});
    let user2 = json!({"description": "b", "completed": false, "assignees": [
        {"id": app.database.query("SELECT id FROM users WHERE email = 'user2@example.com'"),
         "email": "user2@example.com", "first_name": "Jane", "last_name": "Smith"},
    ]});
    let one = client.send(Method::POST, &client.path("?validate_only=true"), &new).await;
    assert_eq!((one.status.as_u16(), &one.body), (200, &json!({"task": user2})));
    assert_eq!(one.header("etag"), "");
    let batch = client
        .send(
            Method::POST,
            &client.path("/batch?validate_only=true"),
            &json!({"tasks": [new, new]}),
        )
        .await;
    assert_eq!((batch.status.as_u16(), &batch.body), (200, &json!({"tasks": [user2, user2]})));

    let path = client.path(&format!("{}?validate_only=true", of(&task)));
    let changed = client
        .send(
            Method::PUT,
            &path,
            &json!({"completed": true, "assignee_emails": ["user2@example.com"]}),
        )
        .await;
    assert_eq!((changed.status.as_u16(), &changed.body["task"]["completed"]), (200, &json!(true)));
    assert_eq!(emails(&changed.body["task"]), ["user2@example.com"]);
    assert_eq!(changed.header("etag"), etag);
    let updates = json!({"tasks": [{"id": task["id"], "description": "c"}]});
    let batch = client.send(Method::PUT, &client.path("/batch?validate_only=true"), &updates).await;
    assert_eq!((batch.status.as_u16(), &batch.body["tasks"][0]["description"]), (200, &json!("c")));

    assert_eq!(client.get(&client.path(&of(&task))).await.body["task"], task);
    assert_eq!(app.row_counts(), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_has_the_faults_of_the_request_itself() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    for (path, status, violations) in [
        (
            client.path("/batch?validate_only=true"),
            400,
            vec!["UNKNOWN_USER /tasks/1/assignee_emails/0"],
        ),
        (
            "/api/v2/cases/4000000000/tasks/batch?validate_only=true".to_owned(),
            404,
            vec!["CASE_NOT_FOUND -"],
        ),
        (client.path("/batch?validate_only=yes"), 400, vec!["WRONG_TYPE -"]),
        (client.path("/batch?validateOnly=true"), 400, vec!["UNKNOWN_PARAMETER -"]),
    ] {
        let body = json!({"tasks": [{"description": "a"}, {"description": "b", "assignee_emails": ["no@example.com"]}]});
        let reply = client.send(Method::POST, &path, &body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.violations()),
            (status, violations.into_iter().map(str::to_owned).collect()),
            "{path}"
        );
    }
    let mut grpc = app.grpc_client().await;
    let tasks = vec![new_task("a", &["no@example.com"])];
    let request = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks,
        validate_only: true,
        ..Default::default()
    };
    let status = grpc.batch_create_tasks(client.with_key(request)).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT UNKNOWN_USER");
    let task = Some(TaskUpdate { id: 4_000_000_000, ..Default::default() });
    let request = UpdateTaskRequest { case_id: app.case_id, task, validate_only: true };
    let status = grpc.update_task(client.with_key(request)).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "NOT_FOUND TASK_NOT_FOUND");
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_finds_a_key_that_was_used_for_another_request() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let post = async |query: &str, description: &str| {
        let path = client.path(&format!("/batch{query}"));
        let body = json!({"tasks": [{"description": description}]});
        let request = client.request(Method::POST, &path).header("idempotency-key", "k");
        Reply::of(request.json(&body)).await
    };
    // A trial does not use the key.
    assert_eq!(post("?validate_only=true", "a").await.status, 200);
    assert_eq!(post("", "b").await.status, 201);
    let other = post("?validate_only=true", "a").await;
    assert_eq!(
        (other.status.as_u16(), other.violations()),
        (422, vec!["REQUEST_ID_REUSED -".to_owned()])
    );
    assert_eq!(post("?validate_only=true", "b").await.status, 200);
    assert_eq!(app.row_counts(), (1, 0));
}
