//! Unary calls of Connect, in JSON and in protobuf.

use prost::Message as _;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use super::{
    Answer, BATCH_CREATE, assert_one_task, from_base64, one_task, one_task_encoded, post, start,
};
use crate::support::{App, Session};

const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_created_in_json() {
    let app = start().await;
    let mut body = one_task(&app);
    body["requestId"] = "once".into();
    for is_replay in [false, true] {
        let request = post(&app, BATCH_CREATE, JSON, Some(&app.key)).json(&body);
        let answer = Answer::of(request.header("connect-protocol-version", "1")).await;
        assert_eq!(answer.connect_result(), "OK");
        let replayed = answer.headers.get("idempotency-replayed");
        assert_eq!(replayed, is_replay.then_some(&HeaderValue::from_static("true")));
        let mut response = answer.json();
        let task = &mut response["tasks"][0];
        assert_eq!((&task["createdAt"], task["createdAt"].is_string()), (&task["updatedAt"], true));
        for varies in ["createdAt", "updatedAt", "etag"] {
            assert!(task[varies].take().is_string(), "{varies}");
        }
        let id = task["id"].take();
        assert!(id.as_str().unwrap().parse::<u64>().is_ok(), "64 bits are a text: {id}");
        let user = task["assignees"][0]["id"].take();
        assert!(user.is_string());
        assert_eq!(
            *task,
            json!({
                "id": null,
                "caseId": app.case_id.to_string(),
                "description": "a task",
                "assignees": [{
                    "id": null, "email": "user1@example.com", "firstName": "John", "lastName": "Doe",
                }],
                "createdAt": null,
                "updatedAt": null,
                "etag": null,
            })
        );
    }
    // Names as in the proto file, numbers as numbers, and a charset are fine, too.
    let body = json!({"case_id": app.case_id, "tasks": [{"description": "another"}]});
    let request = post(&app, BATCH_CREATE, "application/json; charset=utf-8", Some(&app.key));
    assert_eq!(Answer::of(request.body(body.to_string())).await.connect_result(), "OK");
    assert_eq!(app.row_counts(), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_created_in_protobuf() {
    let app = start().await;
    let request = post(&app, BATCH_CREATE, "application/proto", Some(&app.key));
    let answer = Answer::of(request.body(one_task_encoded(&app))).await;
    assert_eq!(answer.connect_result(), "OK");
    assert_eq!(answer.header("content-type"), "application/proto");
    assert_one_task(&answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_placed_and_explained() {
    let app = start().await;
    let body = json!({"caseId": "1", "tasks": [{"description": "a"}, {"assigneeEmails": ["x"]}]});
    let answer = Answer::of(post(&app, BATCH_CREATE, JSON, Some(&app.key)).json(&body)).await;
    assert_eq!(answer.status, 400);
    let error = answer.json();
    assert_eq!(error["code"], "invalid_argument");
    assert_eq!(error["message"], "2 field violations; nothing was changed");
    let details = error["details"].as_array().unwrap();
    let types: Vec<_> = details.iter().map(|detail| detail["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]);
    assert_eq!(
        details[0]["debug"],
        json!({"reason": "INVALID_BATCH", "domain": "caseload", "metadata": {"violation_count": "2"}})
    );
    let violations = details[1]["debug"]["fieldViolations"].as_array().unwrap();
    let places: Vec<_> = violations
        .iter()
        .map(|it| (it["field"].as_str().unwrap(), it["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        places,
        [("tasks[1].description", "REQUIRED"), ("tasks[1].assignee_emails[0]", "INVALID_EMAIL")]
    );
    // The value is the same message, encoded.
    let value = details[1]["value"].as_str().unwrap();
    assert!(!value.ends_with('='), "{value}");
    let decoded = tonic_types::pb::BadRequest::decode(&from_base64(value.as_bytes())[..]).unwrap();
    assert_eq!(decoded.field_violations[0].field, "tasks[1].description");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_not_the_message_is_refused_with_its_place() {
    let app = start().await;
    let task = |task: &str| format!(r#"{{"caseId":"1","tasks":[{{"description":"a"}},{task}]}}"#);
    let deep = "[".repeat(300);
    for (body, reason, message) in [
        ("", "INVALID_JSON", "EOF while parsing a value at line 1 column 0"),
        ("{", "INVALID_JSON", "EOF while parsing an object at line 1 column 1"),
        ("{}x", "INVALID_JSON", "trailing characters at line 1 column 3"),
        ("\u{feff}{}", "INVALID_JSON", "expected value at line 1 column 1"),
        ("null", "MESSAGE_MALFORMED", "invalid type: null, expected a map at line 1 column"),
        (&deep, "MESSAGE_MALFORMED", "invalid type: sequence, expected a map at line 1 column"),
        (
            &task(r#"{"descriptionn":"a"}"#),
            "MESSAGE_MALFORMED",
            "tasks[1]: unrecognized field name 'descriptionn'",
        ),
        (
            &task(r#"{"description":1}"#),
            "MESSAGE_MALFORMED",
            "tasks[1].description: invalid type: integer `1`, expected a string",
        ),
        (r#"{"caseId":1.5}"#, "MESSAGE_MALFORMED", "caseId: expected integer value"),
        (r#"{"caseId":"9223372036854775808"}"#, "MESSAGE_MALFORMED", "caseId: "),
        (r#"{"caseId":{}}"#, "MESSAGE_MALFORMED", "caseId: invalid type: map"),
    ] {
        let request = post(&app, BATCH_CREATE, JSON, Some(&app.key)).body(body.to_owned());
        let answer = Answer::of(request).await;
        assert_eq!(answer.connect_result(), format!("INVALID_ARGUMENT {reason}"), "{body}");
        let text = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(text.starts_with(message), "{text} instead of {message}");
    }
    let request = post(&app, BATCH_CREATE, JSON, Some(&app.key)).body(b"{\"\xff\":1}".to_vec());
    assert_eq!(Answer::of(request).await.status, 400);
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_protocol_does_not_allow_is_refused() {
    let app = start().await;
    let result = async |path: &str, name: &str, value: &str| {
        let request = post(&app, path, JSON, Some(&app.key)).json(&one_task(&app));
        Answer::of(request.header(name.to_owned(), value.to_owned())).await.connect_result()
    };
    let not_supported = "UNIMPLEMENTED NOT_SUPPORTED";
    for (name, value, expected) in [
        ("content-encoding", "gzip", not_supported),
        ("connect-protocol-version", "2", not_supported),
        ("connect-timeout-ms", "soon", "INVALID_ARGUMENT REQUEST_TIMEOUT_INVALID"),
        ("connect-timeout-ms", "0", "DEADLINE_EXCEEDED DEADLINE_EXCEEDED"),
    ] {
        assert_eq!(result(BATCH_CREATE, name, value).await, expected, "{name}");
    }
    for path in ["/", "/caseload.tasks.v1.TaskService/Nothing", "/grpc.health.v1.Health/Check"] {
        assert_eq!(result(path, "accept", "*/*").await, not_supported, "{path}");
    }
    assert_eq!(app.row_counts(), (0, 0));
    assert_eq!(result(BATCH_CREATE, "content-encoding", "identity").await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_at_its_deadline() {
    let app = start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let request = post(&app, BATCH_CREATE, JSON, Some(&app.key)).json(&one_task(&app));
    let answer = Answer::of(request.header("connect-timeout-ms", "100")).await;
    session.unlock();
    assert_eq!(answer.connect_result(), "DEADLINE_EXCEEDED DEADLINE_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limits_are_told_in_headers_and_details() {
    let app = App::builder().server_args(&["--connect", "--key-rate", "1:1"]).start().await;
    let create = async || {
        let request = post(&app, BATCH_CREATE, JSON, Some(&app.key)).json(&one_task(&app));
        Answer::of(request).await
    };
    let first = create().await;
    assert_eq!(first.connect_result(), "OK");
    assert_ne!(first.header("ratelimit"), "");
    let rejected = loop {
        let answer = create().await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(rejected.connect_result(), "RESOURCE_EXHAUSTED RATE_LIMITED");
    assert_ne!(rejected.header("grpc-retry-pushback-ms"), "");
    let details = rejected.json()["details"].clone();
    let is_retry = |detail: &&Value| detail["type"] == "google.rpc.RetryInfo";
    let retry = details.as_array().unwrap().iter().find(is_retry).unwrap();
    assert!(retry["debug"]["retryDelay"].as_str().unwrap().ends_with('s'), "{retry}");
}
