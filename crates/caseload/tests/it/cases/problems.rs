//! The problem documents of calls about cases: a snapshot for each reason.

use domain::Scope;
use reqwest::Method;
use serde_json::json;

use super::{CASES, Client};
use crate::{
    problem_documents::assert_matches_snapshot,
    support::{App, Reply},
};

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_to_reject_a_call_about_cases_has_its_document() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &[]).await;
    let others: Vec<_> =
        Scope::ALL.into_iter().filter(|scope| *scope != Scope::CasesWrite).collect();
    let reader = app.key_with(&others).await;
    for (name, request) in [
        (
            "invalid_case",
            client.request(Method::POST, CASES).json(&json!({
                "name": "", "priority": "URGENT", "status": "open", "team_id": 0,
                "tasks": [{"description": " ", "assignee_emails": ["x"]}],
            })),
        ),
        (
            "unknown_users_of_case",
            client.request(Method::POST, CASES).json(&json!({
                "name": "a",
                "tasks": [{"description": "b", "assignee_emails": ["nobody@example.com"]}],
            })),
        ),
        ("unknown_case", client.request(Method::GET, &format!("{CASES}/4000000000"))),
        ("invalid_case_id", client.request(Method::DELETE, &format!("{CASES}/0"))),
        (
            "case_etag_mismatch",
            client.request(Method::PUT, &path).header("if-match", "\"1\"").json(&json!({})),
        ),
        ("case_scope_required", app.request(Method::DELETE, &path).bearer_auth(reader.expose())),
        (
            "invalid_case_parameters",
            client.request(Method::GET, &format!("{CASES}?priority=x&status=y&team_id=z&page=0")),
        ),
    ] {
        assert_matches_snapshot(name, &Reply::of(request).await);
    }
    assert_eq!(client.get(&path).await.header("etag"), created.header("etag"));
}
