//! What was done to a task, and by whom.

use domain::Scope;
use proto::tasks::v1::{ListTaskEventsRequest, TaskEvent, TaskEventKind};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Client, of};
use crate::support::{App, Reply, Session, new_key};

/// Returns the events of a task over REST, without their ids and times.
async fn events(client: &Client<'_>, task: &Value) -> Vec<Value> {
    let reply = client.get(&client.path(&format!("/{}/events?per_page=50", task["id"]))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let events = reply.body["task_events"].as_array().unwrap().clone();
    let bare = events.into_iter().map(|mut event| {
        let members = event.as_object_mut().unwrap();
        for name in ["id", "created_at", "case_id", "task_id", "api_key", "request_id"] {
            assert!(members.remove(name).is_some(), "no {name}: {members:?}");
        }
        event
    });
    bare.collect()
}

/// Returns the kinds of the events of a task.
async fn kinds(client: &Client<'_>, task: &Value) -> Vec<String> {
    let events = events(client, task).await;
    events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

/// Returns a user of the API document.
fn user(client: &Client<'_>, number: u32) -> Value {
    let (first_name, last_name) = [("John", "Doe"), ("Jane", "Smith"), ("Bob", "Wilson")]
        [usize::try_from(number).unwrap() - 1];
    let email = format!("user{number}@example.com");
    let id = client.app.database.query(&format!(
        "SELECT id FROM users WHERE tenant_id = {} AND email = '{email}'",
        client.app.tenant
    ));
    json!({"id": id, "email": email, "first_name": first_name, "last_name": last_name})
}

/// Makes a request with a request id, and returns what it says of the task.
pub(super) async fn with_id(
    client: &Client<'_>,
    id: &str,
    method: Method,
    path: &str,
    body: &Value,
) -> Value {
    let request = client.request(method, &client.path(path)).header("x-request-id", id).json(body);
    let reply = Reply::of(request).await;
    assert!(reply.status.is_success(), "{reply:?}");
    reply.body
}

/// Returns a batch of tasks with one, two and no assignees.
pub(super) fn three_tasks() -> Value {
    json!({"tasks": [
        {"description": "a", "assignee_emails": ["user3@example.com"]},
        {"description": "b", "assignee_emails": ["user1@example.com", "user2@example.com"]},
        {"description": "c"},
    ]})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_task_is_in_its_history_over_rest_and_over_grpc() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let created = with_id(&client, "r-1", Method::POST, "/batch", &three_tasks()).await;
    let task = &created["tasks"][1];
    let path = of(task);
    let change = json!({
        "description": "B", "completed": true,
        "assignee_emails": ["user3@example.com", "user2@example.com"],
    });
    let first = with_id(&client, "r-2", Method::PUT, &path, &change).await;
    let reopened = json!({"completed": false});
    with_id(&client, "r-3", Method::PUT, &path, &reopened).await;
    let other_order = json!({"assignee_emails": ["user2@example.com", "user3@example.com"]});
    let batch = json!({"tasks": [{
        "id": task["id"], "assignee_emails": other_order["assignee_emails"],
    }]});
    with_id(&client, "r-4", Method::PUT, "/batch", &batch).await;
    let nobody = json!({"assignee_emails": []});
    let last = with_id(&client, "r-5", Method::PUT, &path, &nobody).await;
    with_id(&client, "r-6", Method::DELETE, "/batch", &json!({"task_ids": [task["id"]]})).await;

    let [one, two, three] = [1, 2, 3].map(|number| user(&client, number));
    let ids = |users: &[&Value]| users.iter().map(|user| user["id"].clone()).collect::<Vec<_>>();
    let now = ids(&[&three, &two]);
    let expected = [
        (
            "r-1",
            json!({"kind": "created", "users": [one, two], "assignee_ids": ids(&[&one, &two])}),
        ),
        ("r-2", json!({"kind": "described", "description": "B"})),
        ("r-2", json!({"kind": "completed"})),
        ("r-2", json!({"kind": "unassigned", "users": [one], "assignee_ids": now})),
        ("r-2", json!({"kind": "assigned", "users": [three], "assignee_ids": now})),
        ("r-3", json!({"kind": "reopened"})),
        ("r-4", json!({"kind": "assigned", "users": [], "assignee_ids": ids(&[&two, &three])})),
        ("r-5", json!({"kind": "unassigned", "users": [two, three], "assignee_ids": []})),
        ("r-6", json!({"kind": "deleted"})),
    ];
    let rest = client.get(&client.path(&format!("{path}/events"))).await;
    assert_eq!(rest.header("cache-control"), "no-store");
    let listed = rest.body["task_events"].as_array().unwrap();
    let changed = expected.iter().map(|(_, change)| change.clone());
    assert_eq!(events(&client, task).await, changed.collect::<Vec<_>>());
    let key = app.database.query(&format!(
        "SELECT id FROM api_keys WHERE digest = '\\x{}'",
        client.key.digest().as_bytes().iter().map(|b| format!("{b:02x}")).collect::<String>()
    ));
    for (event, (request_id, _)) in listed.iter().zip(&expected) {
        assert_eq!(event["request_id"], *request_id, "{event}");
        assert_eq!(event["api_key"], json!({"id": key.parse::<i64>().unwrap(), "name": "test"}));
        assert_eq!((&event["case_id"], &event["task_id"]), (&app.case_id.into(), &task["id"]));
    }
    assert_eq!(listed[0]["created_at"], task["created_at"]);
    assert_eq!(listed[1]["created_at"], first["task"]["updated_at"]);
    assert_eq!(listed[7]["created_at"], last["task"]["updated_at"]);

    let message = ListTaskEventsRequest {
        case_id: app.case_id,
        task_id: task["id"].as_i64().unwrap(),
        count_total: true,
        ..Default::default()
    };
    let mut grpc = app.grpc_client().await;
    let response = grpc.list_task_events(client.with_key(message)).await.unwrap().into_inner();
    assert_eq!((response.total_size, response.next_page_token.as_str()), (9, ""));
    assert_eq!(response.task_events.iter().map(as_json).collect::<Vec<_>>(), *listed);
}

/// Returns an event as it is in JSON.
fn as_json(event: &TaskEvent) -> Value {
    let kind = event.kind().as_str_name().strip_prefix("TASK_EVENT_KIND_").unwrap().to_lowercase();
    let key = event.api_key.as_ref().unwrap();
    let created_at = proto::Timestamp { nanos: 0, ..event.created_at.unwrap() };
    let mut json = json!({
        "id": event.id, "case_id": event.case_id, "task_id": event.task_id, "kind": kind,
        "api_key": {"id": key.id, "name": key.name}, "request_id": event.request_id,
        "created_at": created_at.to_string(),
    });
    if event.kind() == TaskEventKind::Described {
        json["description"] = event.description.clone().into();
    }
    if matches!(
        event.kind(),
        TaskEventKind::Created | TaskEventKind::Assigned | TaskEventKind::Unassigned
    ) {
        let users = event.users.iter().map(|user| {
            json!({
                "id": user.id, "email": user.email, "first_name": user.first_name,
                "last_name": user.last_name,
            })
        });
        json["users"] = users.collect();
        json["assignee_ids"] = event.assignee_ids.clone().into();
    }
    json
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_has_no_event() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, etag) = client.create("a", &["user1@example.com"]).await;
    let path = client.path(&of(&task));
    let put = |body: Value| client.request(Method::PUT, &path).json(&body);
    let trial = format!("{path}?validate_only=true");
    for (request, status) in [
        // As it is.
        (put(json!({"description": " a", "completed": false})), 200),
        (put(json!({"assignee_emails": ["USER1@example.com"]})), 200),
        // A trial, and what is rejected.
        (client.request(Method::PUT, &trial).json(&json!({"completed": true})), 200),
        (put(json!({"completed": true})).header("if-match", r#""1""#), 412),
        (put(json!({"completed": true, "assignee_emails": ["nobody@example.com"]})), 400),
        (client.request(Method::DELETE, &path).header("if-match", r#""1""#), 412),
    ] {
        let reply = Reply::of(request).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    assert_eq!(kinds(&client, &task).await, ["created"]);
    assert_eq!(client.get(&path).await.header("etag"), etag);

    // Neither has a trial of a batch, one that is rejected, or a repeat.
    let events =
        "SELECT (SELECT count(*) FROM creation_events) + (SELECT count(*) FROM task_events)";
    let count = || app.database.query(events);
    let post = |query: &str, body: &Value| {
        client.request(Method::POST, &client.path(&format!("/batch{query}"))).json(body)
    };
    let valid = json!({"tasks": [{"description": "x"}]});
    let unknown = json!({"tasks": [
        {"description": "x"}, {"description": "y", "assignee_emails": ["nobody@example.com"]},
    ]});
    assert_eq!(Reply::of(post("?validate_only=true", &valid)).await.status, 200);
    assert_eq!(Reply::of(post("", &unknown)).await.status, 400);
    assert_eq!(count(), "1");
    for replayed in ["", "true", "true"] {
        let reply = Reply::of(post("", &valid).header("idempotency-key", "k")).await;
        assert_eq!((reply.status.as_u16(), reply.header("idempotency-replayed")), (201, replayed));
        assert_eq!(kinds(&client, &reply.body["tasks"][0]).await, ["created"]);
    }
    assert_eq!(count(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_the_keys_and_requests_of_several_callers_apart() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, _) = client.create("a", &[]).await;
    let key = new_key();
    let second = app.store_key(app.tenant, &key, &[Scope::TasksWrite], None).await;
    app.database.query(&format!("UPDATE api_keys SET name = 'the second' WHERE id = {second}"));
    let path = client.path(&of(&task));
    let change = app.request(Method::PUT, &path).bearer_auth(key.expose());
    let change = Reply::of(change.json(&json!({"completed": true}))).await;

    let listed = client.get(&format!("{path}/events")).await.body;
    let [created, completed] = &listed["task_events"].as_array().unwrap()[..] else {
        panic!("{listed}")
    };
    assert_eq!(created["api_key"]["name"], "test");
    assert_eq!(completed["api_key"], json!({"id": second.get(), "name": "the second"}));
    // An id that was generated is the one of the response.
    assert_eq!(completed["request_id"], change.header("x-request-id"));
    assert_ne!(completed["request_id"], created["request_id"]);
    let columns = app.database.query("SELECT created_by, updated_by FROM tasks");
    assert_eq!(columns, format!("{}|{second}", created["api_key"]["id"]));
}

/// Returns the body of the reply.
async fn reply_of(client: &Client<'_>, path: &str) -> Value {
    client.get(path).await.body
}

/// Moves all events of creations to where servers from before creation_events have written them.
pub(super) fn move_creations(app: &App) {
    app.database.query(
        "WITH moved AS (DELETE FROM creation_events RETURNING *)
         INSERT INTO task_events
             (tenant_id, id, kind, case_id, task_ids, user_ends, user_ids, api_key_id, request_id,
             created_at)
         SELECT
             tenant_id, id, 'created', case_id, task_ids, user_ends, user_ids, api_key_id, request_id,
             created_at
         FROM moved",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_has_its_history_in_its_own_case_as_long_as_that_is_kept() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, _) = client.create("a", &["user1@example.com"]).await;
    let other = app.admin.create_case(app.tenant, "Another".to_owned()).await.unwrap().id;
    let path = |case: i64, task: &Value| format!("/api/v2/cases/{case}/tasks/{task}/events");
    let get = async |case: i64, task: &Value| {
        let reply = client.get(&path(case, task)).await;
        match reply.status.as_u16() {
            200 => reply.body["meta"]["count"].to_string(),
            _ => reply.violations().join(" "),
        }
    };
    let (ours, id) = (app.case_id, &task["id"]);
    for deleted in [false, true] {
        assert_eq!(get(ours, id).await, if deleted { "2" } else { "1" });
        assert_eq!(get(other.get(), id).await, "TASK_NOT_FOUND -");
        assert_eq!(get(ours, &json!(4_000_000_000_i64)).await, "TASK_NOT_FOUND -");
        assert_eq!(get(4_000_000_000, id).await, "CASE_NOT_FOUND -");
        assert_eq!(get(ours, &json!("x")).await, "TASK_NOT_FOUND -");
        if !deleted {
            let gone = client.request(Method::DELETE, &client.path(&of(&task)));
            assert_eq!(Reply::of(gone).await.status, 200);
        }
    }
    // A task that a release without history has created.
    let old = app.target_in(app.tenant.get(), app.case_id);
    assert_eq!(get(ours, &old.task_id.into()).await, "0");
    // Also as servers from before creation_events have written it.
    let before = reply_of(&client, &path(ours, id)).await;
    move_creations(&app);
    assert_eq!(reply_of(&client, &path(ours, id)).await, before);
    // The history outlives the case, too.
    app.database.query("ALTER TABLE tasks DROP CONSTRAINT tasks_case_fkey");
    app.database.query(&format!("DELETE FROM cases WHERE id = {ours}"));
    assert_eq!(get(ours, id).await, "2");
    app.database.query("DELETE FROM task_events WHERE kind = 'deleted'");
    assert_eq!(get(ours, id).await, "CASE_NOT_FOUND -");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_raced_has_its_events_once() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, _) = client.create("a", &["user1@example.com"]).await;
    let path = client.path(&of(&task));
    let mut session = Session::open(app.database.url());
    session.query(&format!("BEGIN; SELECT FROM tasks WHERE id = {} FOR UPDATE", task["id"]));
    let mut changes = JoinSet::new();
    for n in 0..3 {
        let body = json!({"description": n.to_string(), "assignee_emails": ["user2@example.com"]});
        changes.spawn(Reply::of(client.request(Method::PUT, &path).json(&body)));
    }
    session.await_blocked(1);
    session.query("COMMIT");
    while let Some(reply) = changes.join_next().await {
        assert_eq!(reply.unwrap().status, 200);
    }
    // The first of the three finds another assignee than the others.
    let expected = ["created", "described", "unassigned", "assigned", "described", "described"];
    assert_eq!(kinds(&client, &task).await, expected);
    let last = events(&client, &task).await.last().unwrap()["description"].clone();
    assert_eq!(client.get(&path).await.body["task"]["description"], last);
    // The times of a task's events ascend as its changes do.
    let order = "SELECT count(*), array_agg(id ORDER BY created_at, id) = array_agg(id ORDER BY id)
        FROM (
            SELECT id, created_at FROM task_events UNION ALL SELECT id, created_at FROM creation_events
        ) AS e";
    assert_eq!(app.database.query(order), "6|t");
}
