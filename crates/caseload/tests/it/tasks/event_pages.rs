//! Histories of tasks in pages.

use proto::tasks::v1::ListTaskEventsRequest;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Client,
    events::{move_creations, three_tasks, with_id},
    of,
};
use crate::support::{App, code_and_reasons};

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_has_pages_and_tokens() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, _) = client.create("a", &[]).await;
    let path = client.path(&of(&task));
    for n in 1..=6 {
        client.send(Method::PUT, &path, &json!({"description": n.to_string()})).await;
    }
    let base = format!("http://{}{path}/events", app.http_addr);
    let link = |page: u32| json!(format!("{base}?page={page}&per_page=3"));
    let all = ["created", "1", "2", "3", "4", "5", "6"];
    let label = |event: &Value| {
        let description = event["description"].as_str();
        description.unwrap_or_else(|| event["kind"].as_str().unwrap()).to_owned()
    };
    for (page, expected, previous, next) in [
        (1, &all[..3], Value::Null, link(2)),
        (2, &all[3..6], link(1), link(3)),
        (3, &all[6..], link(2), Value::Null),
        (9, &all[..0], link(3), Value::Null),
    ] {
        let body = client.get(&format!("{path}/events?page={page}&per_page=3")).await.body;
        let labels: Vec<_> = body["task_events"].as_array().unwrap().iter().map(label).collect();
        assert_eq!(labels, expected, "page {page}");
        let meta = &body["meta"];
        assert_eq!((&meta["previous_page"], &meta["next_page"]), (&previous, &next));
        assert_eq!((&meta["count"], &meta["pages"]), (&7.into(), &3.into()));
    }
    let wrong = client.get(&format!("{path}/events?page=0&per_page=51&completed=true")).await;
    let expected = ["OUT_OF_RANGE -", "OUT_OF_RANGE -", "UNKNOWN_PARAMETER -"];
    assert_eq!(
        (wrong.status.as_u16(), wrong.violations()),
        (400, expected.map(str::to_owned).to_vec())
    );

    let mut grpc = app.grpc_client().await;
    let (case_id, task_id) = (app.case_id, task["id"].as_i64().unwrap());
    let message = ListTaskEventsRequest { case_id, task_id, page_size: 2, ..Default::default() };
    let mut descriptions = Vec::new();
    let mut next = message.clone();
    loop {
        let page = grpc.list_task_events(client.with_key(next)).await.unwrap().into_inner();
        assert!(page.task_events.len() <= 2 && page.total_size == 0, "{page:?}");
        descriptions.extend(page.task_events.into_iter().map(|event| event.description));
        if page.next_page_token.is_empty() {
            break;
        }
        let token = page.next_page_token;
        next = ListTaskEventsRequest { page_token: token, ..message.clone() };
        // What is done meanwhile does not move the pages.
        if descriptions.len() == 2 {
            client.send(Method::PUT, &path, &json!({"description": "7"})).await;
        }
    }
    assert_eq!(descriptions, ["", "1", "2", "3", "4", "5", "6", "7"]);
    let skipped = ListTaskEventsRequest { skip: 7, ..message.clone() };
    let skipped = grpc.list_task_events(client.with_key(skipped)).await.unwrap().into_inner();
    assert_eq!(skipped.task_events[0].description, "7");

    let wrong = ListTaskEventsRequest {
        case_id: 0,
        task_id: -1,
        page_size: -1,
        page_token: "x".to_owned(),
        skip: -1,
        count_total: false,
    };
    let status = grpc.list_task_events(client.with_key(wrong)).await.unwrap_err();
    assert_eq!(
        code_and_reasons(&status),
        "INVALID_ARGUMENT NOT_POSITIVE NOT_POSITIVE OUT_OF_RANGE INVALID_PAGE_TOKEN OUT_OF_RANGE"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_is_among_the_changes_is_listed_and_has_its_place_in_pages() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let created = with_id(&client, "r", Method::POST, "/batch", &three_tasks()).await;
    let tasks = created["tasks"].as_array().unwrap();
    for n in 1..=4 {
        client
            .send(Method::PUT, &client.path(&of(&tasks[1])), &json!({"description": n.to_string()}))
            .await;
    }
    let mut grpc = app.grpc_client().await;
    let mut read = async || {
        let mut pages = Vec::new();
        for task in tasks {
            let path = client.path(&format!("{}/events", of(task)));
            pages.push(client.get(&path).await.body);
            for page in 1..=4 {
                pages.push(client.get(&format!("{path}?page={page}&per_page=2")).await.body);
            }
        }
        let (case_id, task_id) = (app.case_id, tasks[1]["id"].as_i64().unwrap());
        let message =
            ListTaskEventsRequest { case_id, task_id, page_size: 2, ..Default::default() };
        let mut listed = Vec::new();
        let mut next = message.clone();
        loop {
            let page = grpc.list_task_events(client.with_key(next)).await.unwrap().into_inner();
            listed.extend(page.task_events);
            if page.next_page_token.is_empty() {
                return (pages, listed);
            }
            next = ListTaskEventsRequest { page_token: page.next_page_token, ..message.clone() };
        }
    };
    let before = read().await;
    let assignees = |index: usize| {
        let users = before.0[5 * index]["task_events"][0]["users"].as_array().unwrap().iter();
        users.map(|user| user["email"].clone()).collect::<Vec<_>>()
    };
    let expected =
        [vec!["user3@example.com"], vec!["user1@example.com", "user2@example.com"], vec![]];
    assert_eq!([0, 1, 2].map(assignees), expected);
    assert_eq!(before.1.len(), 5);
    move_creations(&app);
    assert_eq!(read().await, before);
}
