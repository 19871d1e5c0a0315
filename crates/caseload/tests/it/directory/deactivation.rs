//! Users to whom no task is newly assigned.

use proto::{
    directory::v1::{
        DeactivateUserRequest, EraseUserRequest, GetUserRequest, ReactivateUserRequest, User,
    },
    tasks::v1::BatchCreateTasksRequest,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Feeder, by_email, by_id, user};
use crate::support::{App, Reply, code_and_reasons, new_task};

const GONE: &str = "user2@example.com";

impl Feeder {
    pub(super) async fn deactivate(&mut self, email: &str) -> User {
        let request = self.request(DeactivateUserRequest { user: by_email(email) });
        self.client.deactivate_user(request).await.unwrap().into_inner().user.unwrap()
    }
}

/// Sends a request with a key for every call. Returns the status, and the violations.
async fn send(app: &App, method: Method, path: &str, body: &Value) -> (u16, Vec<String>, Value) {
    let path = format!("/api/v2/cases/{}/tasks{path}", app.case_id);
    let key = app.key_for_all().await;
    let request = app.request(method, &path).bearer_auth(key.expose()).json(body);
    let reply = Reply::of(request).await;
    let violations = if reply.status.is_success() { Vec::new() } else { reply.violations() };
    (reply.status.as_u16(), violations, reply.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivated_user_is_assigned_to_nothing_new() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let old = json!({"description": "old", "assignee_emails": [GONE, "user1@example.com"]});
    let (status, _, old) = send(&app, Method::POST, "", &old).await;
    assert_eq!(status, 201);
    let other = json!({"description": "other"});
    let (_, _, other) = send(&app, Method::POST, "", &other).await;
    let (old, other) = (format!("/{}", old["task"]["id"]), format!("/{}", other["task"]["id"]));

    let gone = feeder.deactivate(GONE).await;
    assert!(gone.deactivated_at.is_some());
    assert_eq!(feeder.deactivate(GONE).await, gone);

    let rows = app.row_counts();
    let emails = ["user1@example.com", "nobody@example.com", "User2@Example.com"];
    let task = json!({"description": "a", "assignee_emails": emails});
    let batch = json!({"tasks": [{"description": "a"}, task]});
    let (of_batch, of_one) = (
        vec![
            "UNKNOWN_USER /tasks/1/assignee_emails/1",
            "USER_DEACTIVATED /tasks/1/assignee_emails/2",
        ],
        vec!["UNKNOWN_USER /assignee_emails/1", "USER_DEACTIVATED /assignee_emails/2"],
    );
    for (method, path, body, expected) in [
        (Method::POST, "/batch", &batch, &of_batch),
        (Method::POST, "/batch?validate_only=true", &batch, &of_batch),
        (Method::POST, "", &task, &of_one),
        (Method::POST, "?validate_only=true", &task, &of_one),
        (Method::PUT, other.as_str(), &task, &of_one),
        (Method::PUT, &format!("{other}?validate_only=true"), &task, &of_one),
    ] {
        let (status, violations, _) = send(&app, method.clone(), path, body).await;
        assert_eq!(
            (status, violations),
            (400, expected.iter().map(ToString::to_string).collect()),
            "{method} {path}"
        );
    }
    // With an idempotency key, which stays unused.
    let request = |emails: &[&str]| BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task("keyed", emails)],
        request_id: "a-key".to_owned(),
        validate_only: false,
    };
    let mut tasks = app.grpc_client().await;
    let status = tasks.batch_create_tasks(app.with_key(request(&[GONE]))).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT USER_DEACTIVATED");
    assert_eq!(app.database.query("SELECT count(*) FROM idempotency_keys"), "0");
    assert_eq!(app.row_counts(), rows);

    // An assignment that there is stays, and may be named.
    for emails in [json!(["user3@example.com", GONE]), json!([GONE])] {
        let body = json!({"completed": true, "assignee_emails": emails});
        let (status, _, task) = send(&app, Method::PUT, &old, &body).await;
        assert_eq!(status, 200, "{task}");
        let assignees = task["task"]["assignees"].as_array().unwrap().iter();
        let assignees: Vec<_> = assignees.map(|user| user["email"].clone()).collect();
        assert_eq!(json!(assignees), emails);
    }
    // Once it is gone, it can't be made again.
    let (status, ..) = send(&app, Method::PUT, &old, &json!({"assignee_emails": []})).await;
    assert_eq!(status, 200);
    let (_, violations, _) =
        send(&app, Method::PUT, &old, &json!({"assignee_emails": [GONE]})).await;
    assert_eq!(violations, ["USER_DEACTIVATED /assignee_emails/0"]);

    // A feed leaves it as it is.
    let fed = feeder.feed(&[user("x2", GONE, "Renamed")]).await;
    assert_eq!(fed[0].1.deactivated_at, gone.deactivated_at);
    for _ in 0..2 {
        let request = feeder.request(ReactivateUserRequest { user: by_email(GONE) });
        let active = feeder.client.reactivate_user(request).await.unwrap().into_inner().user;
        assert_eq!(active.unwrap().deactivated_at, None);
    }
    let found = feeder.request(GetUserRequest { user: by_email(GONE) });
    let found = feeder.client.get_user(found).await.unwrap().into_inner().user.unwrap();
    assert_eq!((found.deactivated_at, found.first_name.as_str()), (None, "Renamed"));
    let created = tasks.batch_create_tasks(app.with_key(request(&[GONE]))).await;
    assert_eq!(created.unwrap().into_inner().tasks[0].assignees[0].email, GONE);
}

/// Batches of several callers in one statement: each has its own violations.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_share_a_statement_with_one_of_a_deactivated_user_are_created() {
    let app = App::builder().server_args(&["--writers", "1"]).start().await;
    let mut feeder = Feeder::new(&app).await;
    feeder.deactivate(GONE).await;
    let mut session = crate::support::Session::open(app.database.url());
    session.lock("tasks");
    let mut running = Vec::new();
    for number in 0..10 {
        let email = if number % 3 == 0 { GONE } else { "user1@example.com" };
        let body = json!({"tasks": [{"description": "a", "assignee_emails": [email]}]});
        running.push(tokio::spawn(Reply::of(app.post().json(&body))));
    }
    session.await_blocked(1);
    session.unlock();
    for (number, reply) in running.into_iter().enumerate() {
        let expected = if number % 3 == 0 { 400 } else { 201 };
        assert_eq!(reply.await.unwrap().status, expected, "{number}");
    }
}

/// A user from before the domain was reserved, which no migration checks.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_an_email_of_the_reserved_domain_can_be_changed_as_any_other() {
    let app = App::start().await;
    let mut feeder = Feeder::new(&app).await;
    let check = app.database.query(
        "SELECT replace(pg_get_constraintdef(oid), ' NOT VALID', '') FROM pg_constraint \
         WHERE conname = 'users_erased_check'",
    );
    app.database.query(&format!(
        "ALTER TABLE users DROP CONSTRAINT users_erased_check; \
         INSERT INTO users (tenant_id, email, first_name, last_name) \
             VALUES ({}, 'old@erased.invalid', 'Old', ''); \
         ALTER TABLE users ADD CONSTRAINT users_erased_check {check} NOT VALID",
        app.tenant
    ));
    let user = feeder.deactivate("old@erased.invalid").await;
    assert!(user.deactivated_at.is_some());
    let request = feeder.request(ReactivateUserRequest { user: by_id(&user) });
    let active = feeder.client.reactivate_user(request).await.unwrap().into_inner().user.unwrap();
    assert_eq!(active.deactivated_at, None);
    let request = feeder.request(EraseUserRequest { user: by_id(&user) });
    let erased = feeder.client.erase_user(request).await.unwrap().into_inner().user.unwrap();
    assert_eq!(erased.email, format!("erased-{}@erased.invalid", user.id));
}
