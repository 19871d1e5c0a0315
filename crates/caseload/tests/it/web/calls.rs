//! Every call over each protocol.

use domain::Scope;
use serde_json::json;

use super::{Answer, framed, post, start};
use crate::support::{API_CALLS, App, new_key};

/// Makes a call of gRPC over gRPC, gRPC-Web and Connect with the same key, each about a target of its own.
/// Returns the result, which must be the same over all of them.
async fn result(app: &App, call: &crate::support::ApiCall, key: Option<&domain::ApiKey>) -> String {
    let over_grpc = call.result(app, key, &app.target()).await;
    let message = || call.grpc_message(&app.target()).unwrap();
    let (path, body) = message();
    let request = post(app, &path, "application/grpc-web+proto", key).body(framed(&body));
    let over_grpc_web = Answer::of(request).await.grpc_web_result();
    let (path, body) = message();
    let request = post(app, &path, "application/proto", key).body(body);
    let over_connect = Answer::of(request).await.connect_result();
    assert_eq!((&over_grpc_web, &over_connect), (&over_grpc, &over_grpc), "{}", call.name);
    over_grpc
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_has_the_same_result_over_each_protocol() {
    let app = start().await;
    app.use_idempotency_key("the-key");
    let (all, unknown) = (app.key_for_all().await, new_key());
    let calls = API_CALLS.iter().filter(|call| !call.name.contains(' '));
    assert!(calls.clone().count() > 20);
    for call in calls {
        assert_eq!(result(&app, call, None).await, "UNAUTHENTICATED KEY_REQUIRED");
        assert_eq!(result(&app, call, Some(&unknown)).await, "UNAUTHENTICATED KEY_INVALID");
        let other = match call.kind.scopes() {
            [Scope::TasksRead] => Scope::CasesRead,
            _ => Scope::TasksRead,
        };
        let wrong = app.key_with(&[other]).await;
        let denied = "PERMISSION_DENIED SCOPE_REQUIRED";
        assert_eq!(result(&app, call, Some(&wrong)).await, denied, "{}", call.name);
        assert_eq!(result(&app, call, Some(&all)).await, "OK", "{}", call.name);
        // JSON has the same rules: an empty message lacks what is needed, or needs nothing.
        let path = format!("/{}", call.name);
        let [json, proto] = [("application/json", "{}"), ("application/proto", "")]
            .map(|(content_type, body)| post(&app, &path, content_type, Some(&all)).body(body));
        let (json, proto) = (Answer::of(json).await, Answer::of(proto).await);
        assert_eq!(json.connect_result(), proto.connect_result(), "{}", call.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_tenant_has_is_not_found() {
    let app = start().await;
    let (_, case_id, _) = app.other_tenant().await;
    let body = json!({"caseId": case_id.to_string(), "tasks": [{"description": "a task"}]});
    let request = post(&app, super::BATCH_CREATE, "application/json", Some(&app.key)).json(&body);
    assert_eq!(Answer::of(request).await.connect_result(), "NOT_FOUND CASE_NOT_FOUND");
    assert_eq!(app.row_counts(), (0, 0));
}
