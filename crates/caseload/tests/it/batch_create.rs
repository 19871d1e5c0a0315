//! `POST /api/v2/cases/{case_id}/tasks/batch` and `BatchCreateTasks`, where they succeed.

use std::collections::{BTreeMap, BTreeSet};

use domain::Email;
use proto::tasks::v1::{BatchCreateTasksRequest, NewTask};
use reqwest::{Method, StatusCode};
use serde_json::json;
use store::NewUser;
use tokio::task::JoinSet;

use crate::support::{App, Reply, SAMPLE, create_over_grpc, new_task};

/// Returns the emails of each created task.
fn emails(reply: &Reply) -> Vec<Vec<&str>> {
    reply
        .tasks()
        .map(|task| {
            let assignees = task["assignees"].as_array().unwrap();
            assignees.iter().map(|user| user["email"].as_str().unwrap()).collect()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_of_the_api_document_gets_the_documented_response() {
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

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_of_the_api_document_works_over_grpc_too() {
    let app = App::start().await;

    let tasks = create_over_grpc(
        &app,
        vec![
            new_task("Review security logs for suspicious activity", &["user1@example.com"]),
            new_task("Update incident runbook", &[]),
            new_task("Close related tickets", &["user2@example.com", "user3@example.com"]),
        ],
    )
    .await;

    let created: Vec<_> = tasks
        .iter()
        .map(|task| {
            let assignees = task
                .assignees
                .iter()
                .map(|a| format!("{} {} {} {}", a.id, a.email, a.first_name, a.last_name));
            let assignees = assignees.collect::<Vec<_>>().join(", ");
            (task.id, task.description.as_str(), task.completed, assignees)
        })
        .collect();
    let expected = [
        (1, "Review security logs for suspicious activity", "1 user1@example.com John Doe"),
        (2, "Update incident runbook", ""),
        (
            3,
            "Close related tickets",
            "2 user2@example.com Jane Smith, 3 user3@example.com Bob Wilson",
        ),
    ];
    assert_eq!(
        created,
        expected.map(|(id, description, assignees)| (id, description, false, assignees.to_owned()))
    );
    assert_eq!(app.row_counts(), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_those_of_the_row_in_full_over_grpc_and_truncated_to_seconds_over_rest() {
    let app = App::start().await;

    let tasks = create_over_grpc(&app, vec![new_task("a", &[]), new_task("b", &[])]).await;
    let stored = app.database.query(
        "SELECT DISTINCT (extract(epoch FROM created_at) * 1000000)::bigint,
                         (extract(epoch FROM updated_at) * 1000000)::bigint FROM tasks",
    );
    for task in &tasks {
        let (created_at, updated_at) = (task.created_at.unwrap(), task.updated_at.unwrap());
        let micros =
            |time: proto::Timestamp| time.seconds * 1_000_000 + i64::from(time.nanos) / 1000;
        assert_eq!(format!("{}|{}", micros(created_at), micros(updated_at)), stored);
        assert_eq!(created_at, updated_at);
        assert_eq!(created_at, tasks[0].created_at.unwrap());
    }

    app.database.query("TRUNCATE tasks CASCADE");
    let reply = app.create(r#"{"tasks":[{"description":"a"},{"description":"b"}]}"#).await;
    let stored = app.database.query(
        r#"SELECT DISTINCT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM tasks"#,
    );
    for task in reply.body["tasks"].as_array().unwrap() {
        assert_eq!((&task["created_at"], &task["updated_at"]), (&json!(stored), &json!(stored)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_and_assignees_are_returned_in_the_order_of_the_request() {
    let app = App::start().await;
    let body = json!({"tasks": [
        {"description": "z", "assignee_emails": ["user3@example.com", "user1@example.com"]},
        {"description": "a", "assignee_emails": ["user2@example.com", "user3@example.com", "user1@example.com"]},
        {"description": "m", "assignee_emails": ["user1@example.com"]},
        {"description": "a", "assignee_emails": ["user2@example.com", "user1@example.com"]},
    ]});

    let reply = app.create(body.to_string()).await;

    assert_eq!(reply.descriptions(), ["z", "a", "m", "a"]);
    let expected: &[&[&str]] = &[
        &["user3@example.com", "user1@example.com"],
        &["user2@example.com", "user3@example.com", "user1@example.com"],
        &["user1@example.com"],
        &["user2@example.com", "user1@example.com"],
    ];
    assert_eq!(emails(&reply), expected);
    let ids: Vec<_> = (0..4).map(|i| reply.body["tasks"][i]["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let stored = app.database.query(
        "SELECT string_agg(user_id::text, ' ' ORDER BY task_id, position) FROM task_assignees",
    );
    assert_eq!(stored, "3 1 2 3 1 1 2 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_email_counts_once_at_its_first_position() {
    let app = App::start().await;
    let body = json!({"tasks": [
        {"description": "twice", "assignee_emails": [
            "User2@Example.com", "user1@example.com", "user2@example.com", "USER2@EXAMPLE.COM",
        ]},
        {"description": "once more", "assignee_emails": ["user1@example.com", "user2@example.com"]},
    ]});

    let reply = app.create(body.to_string()).await;

    let expected: &[&[&str]] =
        &[&["user2@example.com", "user1@example.com"], &["user1@example.com", "user2@example.com"]];
    assert_eq!(emails(&reply), expected);
    assert_eq!(app.row_counts(), (2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn emails_are_compared_case_insensitively_beyond_ascii_too() {
    let app = App::start().await;
    create_user(&app, "jürgen@bücher.example").await;
    let body = json!({"tasks": [
        {"description": "a", "assignee_emails": ["JÜRGEN@BÜCHER.Example", "uSER3@eXAMPLE.COM"]},
    ]});

    let reply = app.create(body.to_string()).await;

    assert_eq!(emails(&reply), [["jürgen@bücher.example", "user3@example.com"]]);
}

/// Creates a user of the app's tenant.
async fn create_user(app: &App, email: &str) {
    let user = NewUser {
        email: Email::parse(email.to_owned()).unwrap(),
        first_name: "Ada".to_owned(),
        last_name: String::new(),
    };
    app.admin.create_user(app.tenant, user).await.unwrap();
}

/// All limits at once, over gRPC: as JSON the body would be larger than 1 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_reaches_every_limit_is_created() {
    let app = App::start().await;
    let emails: Vec<String> =
        (0..50).map(|n| format!("{}{n:02}@example.com", "a".repeat(254 - 14))).collect();
    for email in &emails {
        assert_eq!(email.len(), 254);
        create_user(&app, email).await;
    }
    let longest = "🚀".repeat(10_000);
    let task = NewTask { description: longest.clone(), assignee_emails: emails.clone() };

    let tasks = create_over_grpc(&app, vec![task; 25]).await;

    assert_eq!(tasks.len(), 25);
    for task in &tasks {
        assert!(task.description == longest);
        assert!(task.assignees.iter().map(|user| &user.email).eq(&emails));
    }
    assert!(tasks.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(app.row_counts(), (25, 1250));
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_accepts_25_tasks_of_50_assignees_each() {
    let app = App::start().await;
    let emails: Vec<String> = (0..50).map(|n| format!("user-{n}@example.com")).collect();
    for email in &emails {
        create_user(&app, email).await;
    }
    let task = |n| json!({"description": format!("task {n}"), "assignee_emails": emails});
    let body = json!({"tasks": (0..25).map(task).collect::<Vec<_>>()});

    let reply = app.create(body.to_string()).await;

    assert_eq!(reply.status, 201);
    assert!(self::emails(&reply).iter().all(|of_task| of_task.iter().eq(&emails)));
    assert!(reply.descriptions().into_iter().eq((0..25).map(|n| format!("task {n}"))));
    assert_eq!(app.row_counts(), (25, 1250));
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_null_and_empty_emails_all_mean_no_assignees() {
    let app = App::start().await;
    let body = r#"{"tasks":[
        {"description":"absent"},
        {"description":"null","assignee_emails":null},
        {"description":"empty","assignee_emails":[]}
    ]}"#;

    let reply = app.create(body).await;

    assert_eq!(reply.status, 201);
    for task in reply.body["tasks"].as_array().unwrap() {
        assert_eq!(task["assignees"], json!([]));
    }
    assert_eq!(app.row_counts(), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_64_bit_json_numbers() {
    let app = App::start().await;
    // The first integer that a double can't represent, and the largest possible id.
    app.database.query(
        "ALTER SEQUENCE tasks_id_seq RESTART WITH 9007199254740993;
         INSERT INTO cases (tenant_id, id, name) VALUES (1, 9223372036854775807, 'last')",
    );
    let path = "/api/v2/cases/9223372036854775807/tasks/batch";

    let request = app
        .request(Method::POST, path)
        .bearer_auth(app.key.expose())
        .header("content-type", "application/json")
        .body(r#"{"tasks":[{"description":"a"}]}"#);
    let response = request.send().await.unwrap();

    assert_eq!(response.status(), 201);
    let text = response.text().await.unwrap();
    assert!(text.starts_with(r#"{"tasks":[{"id":9007199254740993,"#), "{text}");
    assert_eq!(app.database.query("SELECT case_id FROM tasks"), "9223372036854775807");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_be_in_x_user_token() {
    let app = App::start().await;

    let request = app
        .request(Method::POST, &app.batch_path())
        .header("x-user-token", app.key.expose())
        .header("content-type", "Application/JSON; charset=utf-8")
        .body(SAMPLE);

    assert_eq!(Reply::of(request).await.status, 201);
    assert_eq!(app.row_counts(), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_batches_get_their_own_tasks_in_order() {
    const BATCHES: usize = 40;
    const TASKS: usize = 5;
    let app = App::start().await;
    let mut calls = JoinSet::new();
    for batch in 0..BATCHES {
        let texts: Vec<_> = (0..TASKS).map(|task| format!("{batch}/{task}")).collect();
        if batch % 2 == 0 {
            let tasks: Vec<_> = texts.iter().map(|text| json!({"description": text})).collect();
            let request = app.post().body(json!({"tasks": tasks}).to_string());
            calls.spawn(async move { (texts, over_rest(request).await) });
        } else {
            let mut client = app.grpc_client().await;
            let tasks = texts.iter().map(|text| new_task(text, &[])).collect();
            let request = app.with_key(BatchCreateTasksRequest {
                case_id: app.case_id,
                tasks,
                ..Default::default()
            });
            calls.spawn(async move {
                let created = client.batch_create_tasks(request).await.unwrap().into_inner();
                (texts, created.tasks.into_iter().map(|task| (task.id, task.description)).collect())
            });
        }
    }

    let mut returned = BTreeMap::new();
    while let Some(call) = calls.join_next().await {
        let (texts, tasks): (_, Vec<(i64, String)>) = call.unwrap();
        assert!(tasks.iter().map(|(_, text)| text).eq(&texts));
        assert!(tasks.is_sorted_by(|(a, _), (b, _)| a < b), "{tasks:?}");
        returned.extend(tasks);
    }
    assert_eq!(returned.len(), BATCHES * TASKS);
    let stored = app.database.query("SELECT id, description FROM tasks ORDER BY id");
    let lines: Vec<_> = returned.iter().map(|(id, text)| format!("{id}|{text}")).collect();
    assert_eq!(stored.lines().collect::<Vec<_>>(), lines);
    assert_eq!(returned.values().collect::<BTreeSet<_>>().len(), BATCHES * TASKS);
}

/// Makes a call over REST and returns the id and description of each created task.
async fn over_rest(request: reqwest::RequestBuilder) -> Vec<(i64, String)> {
    let reply = Reply::of(request).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    let tasks = reply.body["tasks"].as_array().unwrap();
    tasks
        .iter()
        .map(|task| {
            (task["id"].as_i64().unwrap(), task["description"].as_str().unwrap().to_owned())
        })
        .collect()
}
