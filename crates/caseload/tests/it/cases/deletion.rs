//! The deletion of cases, with their tasks.

use proto::cases::v1::DeleteCaseRequest;
use reqwest::Method;
use serde_json::json;

use super::{CASES, Client};
use crate::support::{App, Reply, code_and_reasons};

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_deleted_with_its_tasks_and_nothing_else() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let body = json!({"name": "a", "tasks": [
        {"description": "one", "assignee_emails": ["user1@example.com", "user2@example.com"]},
        {"description": "two"},
    ]});
    let first = client.send(Method::POST, CASES, &body).await;
    client.send(Method::POST, CASES, &body).await;
    let path = format!("{CASES}/{}", first.body["case_id"]);

    let deleted = client.delete(&path).await;
    assert_eq!((deleted.status.as_u16(), &deleted.body), (204, &json!(null)));
    assert_eq!(app.row_counts(), (2, 2));
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::GET, format!("{path}/tasks")),
        (Method::GET, format!("{path}/tasks/{}", first.body["tasks"][0]["id"])),
    ] {
        let gone = Reply::of(client.request(method, &path)).await;
        assert_eq!(gone.violations(), ["CASE_NOT_FOUND -"], "{path}");
    }
    let late =
        client.send(Method::POST, &format!("{path}/tasks"), &json!({"description": "x"})).await;
    assert_eq!(late.violations(), ["CASE_NOT_FOUND -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_task_has_an_event_for_its_creation_and_one_for_its_deletion() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &["one", "two"]).await;
    let keys = "SELECT DISTINCT created_by = k.id, updated_by = k.id FROM tasks, api_keys AS k \
         WHERE k.id = (SELECT max(id) FROM api_keys)";
    assert_eq!(app.database.query(keys), "t|t");
    let deletion = client.request(Method::DELETE, &path).header("x-request-id", "the-deletion");
    assert_eq!(Reply::of(deletion).await.status, 204);
    let events = app.database.query(
        "SELECT e.kind, e.tasks, e.case_id, e.api_key_id = (SELECT max(id) FROM api_keys), \
             e.creation_event_id IS NOT DISTINCT FROM (SELECT min(id) FROM creation_events) \
         FROM ( \
             SELECT id, 'created' AS kind, array_to_string(task_ids, '+') AS tasks, case_id, \
                 api_key_id, NULL AS creation_event_id FROM creation_events \
             UNION ALL SELECT id, kind, task_id::text, case_id, api_key_id, creation_event_id \
             FROM task_events \
         ) AS e ORDER BY e.id",
    );
    let ids: Vec<_> = created.tasks().map(|task| task["id"].to_string()).collect();
    let case = &created.body["case_id"];
    let expected = [
        format!("created|{}+{}|{case}|t|f", ids[0], ids[1]),
        format!("deleted|{}|{case}|t|t", ids[0]),
        format!("deleted|{}|{case}|t|t", ids[1]),
    ];
    assert_eq!(events.lines().collect::<Vec<_>>(), expected);
    let requests =
        app.database.query("SELECT DISTINCT request_id FROM task_events WHERE kind = 'deleted'");
    assert_eq!(requests, "the-deletion");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_guards_a_case_from_being_deleted() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &["one"]).await;
    let etag = created.header("etag").to_owned();
    client.send(Method::PUT, &path, &json!({"name": "b"})).await;
    let delete =
        |tag: &str| Reply::of(client.request(Method::DELETE, &path).header("if-match", tag));
    let refused = delete(&etag).await;
    assert_eq!((refused.status.as_u16(), refused.violations()), {
        (412, vec!["ETAG_MISMATCH -".to_owned()])
    });
    let case_id = created.body["case_id"].as_i64().unwrap();
    let request = client.with_key(DeleteCaseRequest { case_id, etag });
    let status = client.grpc().await.delete_case(request).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "ABORTED ETAG_MISMATCH");
    assert_eq!(app.row_counts(), (1, 0));
    let etag = client.get(&path).await.header("etag").to_owned();
    assert_eq!(delete(&etag).await.status, 204);
    assert_eq!(app.row_counts(), (0, 0));
}

/// A large case is deleted beside the small ones, and otherwise alike.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_of_thousands_of_tasks_is_deleted_as_a_whole() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    for count in [999, 1000, 3000] {
        let (path, created) = client.create("a", &["one"]).await;
        let case = &created.body["case_id"];
        app.database.query(&format!(
            "WITH t AS (
                 INSERT INTO tasks (tenant_id, case_id, description)
                 SELECT {0}, {case}, 'x' FROM generate_series(1, {count}) RETURNING id
             )
             INSERT INTO task_assignees SELECT {0}, t.id, u.id, 0
             FROM t, (SELECT min(id) AS id FROM users WHERE tenant_id = {0}) AS u",
            app.tenant
        ));
        assert_eq!(client.delete(&path).await.status, 204);
        assert_eq!(app.row_counts(), (0, 0), "{count}");
        let deleted =
            format!("SELECT count(*) FROM task_events WHERE kind = 'deleted' AND case_id = {case}");
        assert_eq!(app.database.query(&deleted), (count + 1).to_string());
    }
}
