//! Changes to cases, and the entity tags that guard them.

use proto::{
    FieldMask,
    cases::v1::{CaseStatus, CaseUpdate, Priority, UpdateCaseRequest},
};
use reqwest::Method;
use serde_json::json;

use super::{CASES, Client};
use crate::support::{App, Reply, code_and_reasons};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_has_is_set_and_nothing_else() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &["task"]).await;
    let mut expected = created.body.clone();
    expected.as_object_mut().unwrap().remove("tasks");
    let mut etag = created.header("etag").to_owned();
    for (member, value) in [
        ("name", json!("b")),
        ("description", json!("c")),
        ("priority", json!("HIGH")),
        ("status", json!("CLOSED")),
        ("team_id", json!(7)),
        ("description", json!("")),
        ("status", json!("OPEN")),
    ] {
        let changed = client.send(Method::PUT, &path, &json!({member: value})).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        expected[member] = value.clone();
        // The time may be within the same second.
        expected["updated_at"] = changed.body["updated_at"].clone();
        assert_eq!(changed.body, expected);
        assert_ne!(changed.header("etag"), etag);
        etag = changed.header("etag").to_owned();
        let found = client.get(&path).await;
        assert_eq!((&found.body, found.header("etag")), (&expected, etag.as_str()));
        // Again, and with nothing to do, it stays as it is.
        for body in [json!({member: value}), json!({}), json!({member: null})] {
            let same = client.send(Method::PUT, &path, &body).await;
            assert_eq!((same.status.as_u16(), same.header("etag")), (200, etag.as_str()), "{body}");
        }
    }
    assert_eq!(client.get(&format!("{path}/tasks")).await.body["meta"]["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_is_reported_and_nothing_is_changed() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &[]).await;
    let etag = created.header("etag");
    let put = |body: serde_json::Value| client.request(Method::PUT, &path).json(&body);
    for (request, status, violations) in [
        (
            put(
                json!({"name": "", "description": "\0", "priority": "", "status": "x", "team_id": 0}),
            ),
            400,
            &[
                "REQUIRED /name",
                "CONTAINS_NUL /description",
                "UNKNOWN_VALUE /priority",
                "UNKNOWN_VALUE /status",
                "NOT_POSITIVE /team_id",
            ][..],
        ),
        (put(json!({"tasks": []})), 400, &["UNKNOWN_MEMBER /tasks"]),
        (put(json!({"case_id": 1})), 400, &["UNKNOWN_MEMBER /case_id"]),
        (put(json!({"name": "b"})).header("if-match", "\"1\""), 412, &["ETAG_MISMATCH -"]),
        (
            put(json!({"name": "b"})).header("if-match", format!("W/{etag}")),
            412,
            &["ETAG_MISMATCH -"],
        ),
        (put(json!({"name": ""})).header("if-match", "\"1\""), 400, &["REQUIRED /name"]),
        (
            client.request(Method::PUT, &format!("{CASES}/4000000000")).json(&json!({"name": "b"})),
            404,
            &["CASE_NOT_FOUND -"],
        ),
        (
            client.request(Method::PUT, &format!("{CASES}/0")).json(&json!({"name": "b"})),
            404,
            &["CASE_NOT_FOUND -"],
        ),
    ] {
        let refused = Reply::of(request).await;
        assert_eq!((refused.status.as_u16(), refused.violations()), {
            (status, violations.iter().map(ToString::to_string).collect())
        });
    }
    assert_eq!(client.get(&path).await.header("etag"), etag);
    // With the right tag, or any, it is changed.
    let list = format!("\"1\", {etag}");
    let changed = Reply::of(put(json!({"name": "b"})).header("if-match", list)).await;
    assert_eq!(changed.status, 200);
    let changed = Reply::of(put(json!({"name": "c"})).header("if-match", "*")).await;
    assert_eq!(changed.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_reports_what_would_be_and_changes_nothing() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &[]).await;
    let etag = created.header("etag");
    let trial = format!("{path}?validate_only=true");
    let tried = client.send(Method::PUT, &trial, &json!({"name": "b", "priority": "HIGH"})).await;
    assert_eq!((tried.status.as_u16(), tried.header("etag")), (200, etag));
    assert_eq!((&tried.body["name"], &tried.body["priority"]), (&json!("b"), &json!("HIGH")));
    let stale = client.request(Method::PUT, &trial).header("if-match", "\"1\"").json(&json!({}));
    assert_eq!(Reply::of(stale).await.status, 412);
    let found = client.get(&path).await;
    assert_eq!((&found.body["name"], found.header("etag")), (&json!("a"), etag));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_mask_names_what_is_changed() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (_, created) = client.create("a", &[]).await;
    let id = created.body["case_id"].as_i64().unwrap();
    let mut grpc = client.grpc().await;
    let full = CaseUpdate {
        id,
        name: Some("b".to_owned()),
        description: Some("c".to_owned()),
        priority: Priority::High.into(),
        status: CaseStatus::Closed.into(),
        team_id: Some(7),
        ..Default::default()
    };
    let mut update = async |update: CaseUpdate, paths: &[&str]| {
        let paths = paths.iter().map(ToString::to_string).collect();
        let update_mask = Some(FieldMask { paths });
        let case = Some(CaseUpdate { update_mask, ..update });
        let request = client.with_key(UpdateCaseRequest { case, validate_only: false });
        grpc.update_case(request).await.map(|response| response.into_inner().case.unwrap())
    };
    let case = update(full.clone(), &["name"]).await.unwrap();
    assert_eq!((case.name.as_str(), case.description.as_str()), ("b", ""));
    let case = update(full.clone(), &[]).await.unwrap();
    assert_eq!((case.description.as_str(), case.priority()), ("c", Priority::High));
    assert_eq!((case.status(), case.team_id), (CaseStatus::Closed, 7));
    let empty = CaseUpdate { id, name: Some("d".to_owned()), ..Default::default() };
    let case = update(empty.clone(), &["*"]).await.unwrap();
    assert_eq!((case.name.as_str(), case.description.as_str()), ("d", ""));
    assert_eq!((case.priority(), case.status()), (Priority::Low, CaseStatus::Open));
    assert_eq!(case.team_id, 0);
    let status = update(CaseUpdate { name: None, ..empty.clone() }, &["name"]).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT REQUIRED");
    let status = update(empty, &["name", "etag"]).await.unwrap_err();
    assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT INVALID_MASK");
}
