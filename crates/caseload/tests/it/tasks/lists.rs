//! Lists of tasks, by pages and by tokens.

use std::collections::BTreeSet;

use proto::tasks::v1::ListTasksRequest;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, of};
use crate::support::{App, code_and_reasons};

/// The descriptions of the tasks of a page.
fn descriptions(body: &Value) -> Vec<&str> {
    let tasks = body["tasks"].as_array().unwrap();
    tasks.iter().map(|task| task["description"].as_str().unwrap()).collect()
}

/// Creates tasks by SQL: `count` of them, every third completed, every fourth of user 2.
fn fill(app: &App, count: u32) {
    app.database.query(&format!(
        "WITH task AS (
            INSERT INTO tasks (tenant_id, case_id, description, completed)
            SELECT {tenant}, {case}, 'task ' || n, n % 3 = 0 FROM generate_series(1, {count}) AS n
            RETURNING id, description
        )
        INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
        SELECT {tenant}, task.id, u.id, 0
        FROM task, users AS u
        WHERE u.tenant_id = {tenant} AND u.email = 'user2@example.com'
            AND substr(task.description, 6)::integer % 4 = 0",
        tenant = app.tenant,
        case = app.case_id,
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_pages_with_links_to_their_neighbours() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let empty = client.get(&client.path("")).await;
    let meta = json!({
        "current_page": 1, "previous_page": null, "next_page": null, "next_page_number": null,
        "per_page": 20, "pages": 0, "count": 0,
    });
    assert_eq!(empty.body, json!({"tasks": [], "meta": meta}));

    fill(&app, 45);
    let base = format!("http://{}{}", app.http_addr, client.path(""));
    let link = |page: u32| json!(format!("{base}?page={page}&per_page=20"));
    let path = |page: u32| client.path(&format!("?page={page}"));
    let all: Vec<String> = (1..=45).map(|n| format!("task {n}")).collect();
    for (page, tasks, previous, next) in [
        (1, &all[..20], Value::Null, link(2)),
        (2, &all[20..40], link(1), link(3)),
        (3, &all[40..], link(2), Value::Null),
        (9, &all[..0], link(3), Value::Null),
    ] {
        let body = client.get(&path(page)).await.body;
        assert_eq!(descriptions(&body), tasks, "page {page}");
        let meta = &body["meta"];
        assert_eq!((&meta["previous_page"], &meta["next_page"]), (&previous, &next), "page {page}");
        assert_eq!((&meta["current_page"], &meta["pages"]), (&json!(page), &json!(3)));
        assert_eq!((&meta["per_page"], &meta["count"]), (&json!(20), &json!(45)));
    }
    // A body means nothing, and a head has no body.
    let with_body = client.send(Method::GET, &path(1), &json!({"page": 3})).await;
    assert_eq!(descriptions(&with_body.body), all[..20]);
    let head = client.request(Method::HEAD, &path(1)).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_a_list_are_checked_all_at_once() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let query = "?page=0&per_page=51&completed=1&assignee_email=&updated_after=now&sort=id";
    let reply = client.get(&client.path(query)).await;
    assert_eq!(reply.status, 400);
    let problem = reply.problem();
    let errors: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            format!("{} {}", item["parameter"].as_str().unwrap(), item["details"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        errors,
        [
            "page OUT_OF_RANGE",
            "per_page OUT_OF_RANGE",
            "completed WRONG_TYPE",
            "assignee_email INVALID_EMAIL",
            "updated_after INVALID_TIME",
            "sort UNKNOWN_PARAMETER",
        ]
    );
    for (query, parameter, reason) in [
        ("?assignee_email=nobody@example.com", "assignee_email", "UNKNOWN_USER"),
        ("?assignee_email=x", "assignee_email", "INVALID_EMAIL"),
        ("?page=1&page=2", "page", "DUPLICATE_PARAMETER"),
    ] {
        let reply = client.get(&client.path(query)).await;
        let item = &reply.problem()["errors"][0];
        assert_eq!(
            (reply.status.as_u16(), &item["parameter"], &item["details"]),
            (400, &json!(parameter), &json!(reason)),
            "{query}"
        );
    }
    let all_cases = client.get("/api/v2/tasks?completed=false").await;
    assert_eq!(
        (all_cases.status.as_u16(), &all_cases.body["errors"][0]["details"]),
        (400, &json!("REQUIRED"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_the_tasks_that_pass_all_its_filters() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    fill(&app, 24);
    let list = async |query: &str| {
        let body = client.get(&client.path(query)).await.body;
        let numbers: Vec<u32> =
            descriptions(&body).iter().map(|text| text[5..].parse().unwrap()).collect();
        assert_eq!(body["meta"]["count"], numbers.len());
        numbers
    };
    assert_eq!(list("?completed=true").await, [3, 6, 9, 12, 15, 18, 21, 24]);
    assert_eq!(list("?assignee_email=User2@example.com").await, [4, 8, 12, 16, 20, 24]);
    assert_eq!(list("?assignee_email=user2@example.com&completed=false").await, [4, 8, 16, 20]);
    assert_eq!(list("?assignee_email=user1@example.com").await, [0; 0]);

    // What was changed after another time, which the list itself tells.
    let body = client.get(&client.path("?per_page=1")).await.body;
    let (since, task) = (body["tasks"][0]["updated_at"].as_str().unwrap(), &body["tasks"][0]);
    app.database.query("UPDATE tasks SET created_at = created_at - interval '1 day', updated_at = updated_at - interval '1 hour'");
    assert_eq!(list(&format!("?updated_after={since}")).await, [0; 0]);
    client.send(Method::PUT, &client.path(&of(task)), &json!({"completed": true})).await;
    assert_eq!(list(&format!("?updated_after={since}")).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_tasks_are_listed_over_all_cases_of_the_tenant() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    fill(&app, 4);
    let other = app.admin.create_case(app.tenant, "Another".to_owned()).await.unwrap().id;
    let path = format!("/api/v2/cases/{other}/tasks");
    let body = json!({"description": "elsewhere", "assignee_emails": ["user2@example.com"]});
    client.send(Method::POST, &path, &body).await;
    app.other_tenant().await;

    let body =
        client.get("/api/v2/tasks?assignee_email=user2@example.com&completed=false").await.body;
    assert_eq!(descriptions(&body), ["task 4", "elsewhere"]);
    let cases: Vec<_> = body["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["case_id"].as_i64().unwrap())
        .collect();
    assert_eq!(cases, [app.case_id, other.get()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_page_is_the_same_from_either_end() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    fill(&app, 101);
    for per_page in [1, 7, 50] {
        let mut walked = Vec::new();
        for page in 1..=101_u32.div_ceil(per_page) {
            let body =
                client.get(&client.path(&format!("?page={page}&per_page={per_page}"))).await.body;
            walked.extend(descriptions(&body).into_iter().map(str::to_owned));
        }
        let all: Vec<String> = (1..=101).map(|n| format!("task {n}")).collect();
        assert_eq!(walked, all, "{per_page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_by_tokens_sees_what_stays_exactly_once_while_tasks_come_and_go() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    fill(&app, 60);
    let staying: BTreeSet<i64> = app
        .database
        .query("SELECT string_agg(id::text, ' ') FROM tasks WHERE id % 2 = 0")
        .split(' ')
        .map(|id| id.parse().unwrap())
        .collect();
    let mut grpc = app.grpc_client().await;
    let mut seen = Vec::new();
    let mut request = ListTasksRequest { case_id: app.case_id, page_size: 7, ..Default::default() };
    loop {
        let response =
            grpc.list_tasks(client.with_key(request.clone())).await.unwrap().into_inner();
        seen.extend(response.tasks.iter().map(|task| task.id));
        if response.next_page_token.is_empty() {
            break;
        }
        request.page_token = response.next_page_token;
        // One that is not seen yet and one that is are deleted, and one is created.
        app.database.query(
            "WITH gone AS (
                (SELECT id FROM tasks WHERE id % 2 = 1 ORDER BY id LIMIT 1)
                UNION ALL (SELECT id FROM tasks WHERE id % 2 = 1 ORDER BY id DESC LIMIT 1)
            ), unassigned AS (
                DELETE FROM task_assignees WHERE task_id IN (SELECT id FROM gone)
            )
            DELETE FROM tasks WHERE id IN (SELECT id FROM gone)",
        );
        fill(&app, 1);
    }
    let distinct: BTreeSet<i64> = seen.iter().copied().collect();
    assert_eq!(distinct.len(), seen.len(), "no task is seen twice");
    assert!(distinct.is_superset(&staying));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_belongs_to_its_list() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    fill(&app, 5);
    let mut grpc = app.grpc_client().await;
    let list = ListTasksRequest {
        case_id: app.case_id,
        page_size: 2,
        count_total: true,
        ..Default::default()
    };
    let first = grpc.list_tasks(client.with_key(list.clone())).await.unwrap().into_inner();
    assert_eq!((first.tasks.len(), first.total_size), (2, 5));
    let page_token = first.next_page_token;
    let next = ListTasksRequest { page_token: page_token.clone(), page_size: 3, ..list.clone() };
    let second = grpc.list_tasks(client.with_key(next.clone())).await.unwrap().into_inner();
    assert_eq!(
        (second.tasks.len(), second.next_page_token.as_str(), second.total_size),
        (3, "", 5)
    );
    let skipped = ListTasksRequest { skip: 2, ..next.clone() };
    let third = grpc.list_tasks(client.with_key(skipped)).await.unwrap().into_inner();
    assert_eq!(third.tasks, second.tasks[2..]);
    for other in [
        ListTasksRequest { completed: Some(false), ..next.clone() },
        ListTasksRequest { page_token: page_token[1..].to_owned(), ..next.clone() },
        ListTasksRequest { assignee_email: "user1@example.com".to_owned(), ..next },
    ] {
        let status = grpc.list_tasks(client.with_key(other)).await.unwrap_err();
        assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT INVALID_PAGE_TOKEN");
    }
}
