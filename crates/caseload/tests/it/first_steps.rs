//! The way to tasks of a stranger who has an address, and is given a key on the way. Everything else is what the
//! service itself says.

use domain::{ApiKey, Scope};
use reqwest::Method;

use crate::support::{App, Reply};

/// Sends a request with a body and a key, if there are any.
async fn send(
    app: &App,
    method: Method,
    path: &str,
    key: Option<&ApiKey>,
    body: &serde_json::Value,
) -> Reply {
    let mut request = app.request(method, path);
    if let Some(key) = key {
        request = request.bearer_auth(key.expose());
    }
    if !body.is_null() {
        request = request.json(body);
    }
    Reply::of(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn six_requests_lead_from_the_bare_address_to_tasks() {
    let app = App::start().await;
    let nothing = serde_json::Value::Null;
    let get = async |path: &str, key| send(&app, Method::GET, path, key, &nothing).await;

    // 1: what there is.
    let index = get("/", None).await.body;
    // 2: how to begin.
    let document = get(index["links"]["openapi"].as_str().unwrap(), None).await.body;
    let introduction = document["info"]["description"].as_str().unwrap();
    let (list, create) = ("/api/v2/cases", "/api/v2/cases/{case_id}/tasks/batch");
    for said in [
        "`Authorization: Bearer KEY`",
        "`caseload admin key create`",
        "`Idempotency-Key`",
        &format!("`GET {list}`"),
        &format!("`POST {create}`"),
    ] {
        assert!(introduction.contains(said), "{said}: {introduction}");
    }
    let operation = &document["paths"][create]["post"];
    let sample = &operation["requestBody"]["content"]["application/json"]["example"];
    // 3: it needs a key.
    let path = |case_id: &str| create.replace("{case_id}", case_id);
    let refused = send(&app, Method::POST, &path("1"), None, sample).await;
    assert_eq!(refused.status, 401);
    // 4: who has one.
    let explained = get(refused.body["type"].as_str().unwrap(), None).await.body.to_string();
    assert!(explained.contains("`caseload admin key create`"), "{explained}");
    // 5: where tasks can be created.
    let key = app.key_with(&[Scope::CasesRead, Scope::TasksWrite]).await;
    let cases = get(list, Some(&key)).await.body;
    let case_id = cases["cases"][0]["case_id"].to_string();
    // 6: the sample of the document.
    let created = send(&app, Method::POST, &path(&case_id), Some(&key), sample).await;
    assert_eq!((created.status.as_u16(), app.row_counts().0), (201, 3));
}
