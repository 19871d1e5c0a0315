//! Several tasks of a case at once: all of them or none.

use proto::tasks::v1::{
    BatchDeleteTasksRequest, BatchGetTasksRequest, BatchUpdateTasksRequest, TaskUpdate,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, emails, of};
use crate::support::{App, code_and_reasons};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_changes_is_made_as_a_whole_or_not_at_all() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let path = client.path("/batch");
    let (a, _) = client.create("a", &["user1@example.com"]).await;
    let (b, tag) = client.create("b", &[]).await;
    let (ids, no_task) = ([&a["id"], &b["id"]], 4_000_000_000_i64);
    let put = async |tasks: Value| client.send(Method::PUT, &path, &json!({"tasks": tasks})).await;

    for (tasks, status, violations) in [
        (json!([]), 400, &["REQUIRED /tasks"][..]),
        (
            json!([{"id": ids[0], "completed": true}, {"id": no_task}]),
            404,
            &["TASK_NOT_FOUND /tasks/1/id"],
        ),
        (
            json!([{"id": ids[0], "completed": true}, {"id": ids[0]}]),
            400,
            &["DUPLICATE /tasks/1/id"],
        ),
        (json!([{"completed": true}]), 400, &["NOT_POSITIVE /tasks/0/id"]),
        (
            json!([{"id": ids[0], "description": ""}, {"id": ids[1], "assignee_emails": ["x"]}]),
            400,
            &["REQUIRED /tasks/0/description", "INVALID_EMAIL /tasks/1/assignee_emails/0"],
        ),
        (
            json!([{"id": ids[0], "completed": true}, {"id": ids[1], "assignee_emails": ["no@example.com"]}]),
            400,
            &["UNKNOWN_USER /tasks/1/assignee_emails/0"],
        ),
        (
            json!([{"id": ids[0], "completed": true}, {"id": ids[1], "etag": "\"1\""}]),
            412,
            &["ETAG_MISMATCH /tasks/1/etag"],
        ),
    ] {
        let reply = put(tasks.clone()).await;
        let expected: Vec<_> = violations.iter().map(ToString::to_string).collect();
        assert_eq!((reply.status.as_u16(), reply.violations()), (status, expected), "{tasks}");
        reply.problem();
    }
    assert_eq!(client.get(&client.path(&of(&a))).await.body["task"], a);

    let reply = put(json!([
        {"id": ids[1], "completed": true, "etag": tag},
        {"id": ids[0], "assignee_emails": ["user2@example.com", "user1@example.com"]},
    ]))
    .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let tasks = &reply.body["tasks"];
    assert_eq!((&tasks[0]["id"], &tasks[0]["completed"]), (ids[1], &json!(true)));
    assert_eq!(
        (&tasks[1]["id"], emails(&tasks[1])),
        (ids[0], vec!["user2@example.com", "user1@example.com"])
    );
    for task in tasks.as_array().unwrap() {
        assert_eq!(&client.get(&client.path(&of(task))).await.body["task"], task);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_deleted_as_a_whole_or_not_at_all() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let path = client.path("/batch");
    let (a, _) = client.create("a", &["user1@example.com"]).await;
    let (b, _) = client.create("b", &["user2@example.com"]).await;
    let delete =
        async |ids: Value| client.send(Method::DELETE, &path, &json!({"task_ids": ids})).await;
    for (ids, status, violations) in [
        (json!([]), 400, &["REQUIRED /task_ids"][..]),
        (json!([a["id"], 4_000_000_000_i64]), 404, &["TASK_NOT_FOUND /task_ids/1"]),
        (json!([a["id"], 0, a["id"]]), 400, &["NOT_POSITIVE /task_ids/1", "DUPLICATE /task_ids/2"]),
        (json!([a["id"], "1"]), 400, &["WRONG_TYPE /task_ids/1"]),
        (json!((1..=26).collect::<Vec<_>>()), 400, &["TOO_MANY /task_ids"]),
    ] {
        let reply = delete(ids.clone()).await;
        let expected: Vec<_> = violations.iter().map(ToString::to_string).collect();
        assert_eq!((reply.status.as_u16(), reply.violations()), (status, expected), "{ids}");
    }
    assert_eq!(app.row_counts(), (2, 2));
    let reply = delete(json!([b["id"], a["id"]])).await;
    let destroyed = json!({"destroyed_ids": [b["id"].to_string(), a["id"].to_string()]});
    assert_eq!((reply.status.as_u16(), &reply.body), (200, &destroyed));
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_read_changed_and_deleted_over_grpc() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let mut grpc = app.grpc_client().await;
    let case_id = app.case_id;
    let mut task_ids = Vec::new();
    for description in ["a", "b", "c"] {
        task_ids.push(
            client.create(description, &["user1@example.com"]).await.0["id"].as_i64().unwrap(),
        );
    }
    task_ids.reverse();
    let get = BatchGetTasksRequest { case_id, task_ids: task_ids.clone() };
    let read = grpc.batch_get_tasks(client.with_key(get)).await.unwrap().into_inner().tasks;
    let read: Vec<_> = read.into_iter().map(|task| (task.id, task.description)).collect();
    let expected = task_ids.iter().copied().zip(["c", "b", "a"].map(str::to_owned));
    assert_eq!(read, expected.collect::<Vec<_>>());

    let missing = BatchGetTasksRequest { case_id, task_ids: vec![task_ids[0], 4_000_000_000] };
    let status = grpc.batch_get_tasks(client.with_key(missing)).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "NOT_FOUND TASK_NOT_FOUND");

    let tasks = task_ids.iter().map(|id| TaskUpdate {
        id: *id,
        completed: Some(true),
        ..Default::default()
    });
    let update = BatchUpdateTasksRequest { case_id, tasks: tasks.collect(), validate_only: false };
    let updated =
        grpc.batch_update_tasks(client.with_key(update)).await.unwrap().into_inner().tasks;
    assert!(updated.iter().all(|task| task.completed && task.updated_at != task.created_at));
    let delete = BatchDeleteTasksRequest { case_id, task_ids };
    grpc.batch_delete_tasks(client.with_key(delete)).await.unwrap();
    assert_eq!(app.row_counts(), (0, 0));
}
