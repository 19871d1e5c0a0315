//! The problem documents of the REST API: a snapshot for each reason to reject a request.
//!
//! The snapshots are in `snapshots/`. A change there is a change of the API.

use domain::Scope;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{
    App, Reply, SAMPLE, Session, new_key,
    raw_http::{AfterSending, exchange, padded_body, request_head},
};

const MIB: usize = 1024 * 1024;

/// Compares an error response with its snapshot.
#[track_caller]
pub(crate) fn assert_matches_snapshot(name: &str, reply: &Reply) {
    let problem = reply.problem();
    let challenge = if reply.status == 401 { "Bearer" } else { "" };
    assert_eq!(reply.header("www-authenticate"), challenge, "{name}");
    insta::assert_json_snapshot!(name, problem);
}

/// Sends requests, and checks that each response matches its snapshot and that nothing is created.
async fn assert_all_match_snapshots<const N: usize>(app: &App, table: [(&str, RequestBuilder); N]) {
    for (name, request) in table {
        assert_matches_snapshot(name, &Reply::of(request).await);
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_fields_are_reported_all_at_once_in_the_order_of_the_request() {
    let app = App::start().await;
    let email = |bytes: usize| format!("{}@example.com", "a".repeat(bytes - 12));
    let invalid = json!({"tasks": [
        {},
        {"description": null},
        {"description": " \t\n\u{2003}"},
        {"description": "fine", "assignee_emails": ["user1@example.com", "nobody@example.com"]},
        {"description": "a NUL \0 within"},
        {"description": "🚀".repeat(10_001), "assignee_emails": ["user1@example.com", "user2", email(254), email(255)]},
        {"description": "fine", "assignee_emails": vec!["user1@example.com"; 51]},
        {"description": "fine", "assignee_emails": ["", "a b@c", "a@b\n", "a\0@b", "@", "user1@example.com"]},
    ]});
    let tasks = |count| json!({"tasks": vec![json!({"description": "a"}); count]});

    assert_all_match_snapshots(
        &app,
        [
            ("invalid_fields", app.post().body(invalid.to_string())),
            ("too_many_tasks", app.post().body(tasks(26).to_string())),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_tasks_is_rejected_however_they_are_left_out() {
    let app = App::start().await;
    for body in ["{}", r#"{"tasks":null}"#, r#"{"tasks":[]}"#, "  {\n}\t"] {
        assert_matches_snapshot("no_tasks", &app.create(body).await);
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_case_and_all_unknown_users_are_reported() {
    let app = App::start().await;
    let unknown = json!({"tasks": [
        {"description": "fine", "assignee_emails": ["user1@example.com"]},
        {"description": "one of three", "assignee_emails": ["user1@example.com", "nobody@example.com", "user2@example.com"]},
        {"description": "an unknown email is reported once, at its first position", "assignee_emails": ["No-One@example.com", "user1@example.com", "no-one@EXAMPLE.com"]},
        {"description": "and again in the next task", "assignee_emails": ["no-one@example.com"]},
    ]});
    let no_case = app
        .request(Method::POST, "/api/v2/cases/4000000000/tasks/batch")
        .bearer_auth(app.key.expose())
        .json(&json!({"tasks": [{"description": "a"}]}));

    app.database.query("UPDATE users SET deactivated_at = now() WHERE first_name = 'Bob'");
    let deactivated = json!({"tasks": [
        {"description": "a", "assignee_emails": ["user1@example.com", "user3@example.com"]},
    ]});
    assert_all_match_snapshots(
        &app,
        [
            ("unknown_users", app.post().body(unknown.to_string())),
            ("unknown_case", no_case),
            ("deactivated_user", app.post().body(deactivated.to_string())),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_of_another_shape_is_rejected_with_the_path_of_the_violation() {
    let app = App::start().await;
    let post = |body| app.post().body(body);
    assert_all_match_snapshots(
        &app,
        [
            ("not_json", post(r#"{"tasks":[{"description":"a"},]}"#)),
            ("wrong_type", post(r#"{"tasks":[{"description":"a"},{"description":5}]}"#)),
            (
                "unknown_member",
                post(r#"{"tasks":[{"description":"a","assignee_email":["user1@example.com"]}]}"#),
            ),
            ("duplicate_member", post(r#"{"tasks":[{"description":"a","description":"b"}]}"#)),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_permission_gets_the_reason() {
    let app = App::start().await;
    let reader = app.key_with(&[Scope::TasksRead]).await;
    let post = || app.request(Method::POST, &app.batch_path()).json(&json!({}));
    assert_all_match_snapshots(
        &app,
        [
            ("key_required", post()),
            ("key_repeated", post().bearer_auth(app.key.expose()).header("x-user-token", "a")),
            ("authorization_malformed", post().header("authorization", "Basic YTpi")),
            ("key_invalid", post().bearer_auth(new_key().expose())),
            ("scope_required", post().bearer_auth(reader.expose())),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_is_rejected() {
    let app = App::start().await;
    let post = |path: &str| app.request(Method::POST, path).bearer_auth(app.key.expose());
    let batch = app.batch_path();
    for path in ["/api/v2/users", "/api/v1/cases/1/tasks/batch", "/nowhere", "//"] {
        assert_matches_snapshot("unknown_path", &Reply::of(post(path)).await);
    }
    for path in [format!("{batch}/"), format!("{batch}/1"), batch.to_uppercase()] {
        assert_matches_snapshot("unknown_path", &Reply::of(post(&path)).await);
    }
    for id in [
        "",
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e0",
        "0x1",
        "one",
        "%201",
        "1%20",
        "1,2",
        "1;2",
        "%D9%A1",
        "9223372036854775808",
        "99999999999999999999999999",
        "%00",
        "%FF",
        "1%2F2",
    ] {
        let path = format!("/api/v2/cases/{id}/tasks/batch");
        assert_matches_snapshot("invalid_case_id", &Reply::of(post(&path).json(&json!({}))).await);
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_path_does_not_allow_is_rejected_with_those_that_it_allows() {
    let app = App::start().await;
    let batch = app.batch_path();
    for (path, methods, allow) in [
        (batch.as_str(), &["GET", "PATCH", "OPTIONS", "BREW"][..], "POST,PUT,DELETE"),
        ("/api/v2/cases/1/tasks", &["PUT", "DELETE", "PATCH"], "GET,HEAD,POST"),
        ("/api/v2/cases/1/tasks/1", &["POST", "PATCH"], "GET,HEAD,PUT,DELETE"),
        ("/api/v2/tasks", &["POST", "DELETE"], "GET,HEAD"),
        ("/api/v2/cases", &["PUT", "DELETE", "PATCH"], "GET,HEAD,POST"),
        ("/api/v2/cases/1", &["POST", "PATCH"], "GET,HEAD,PUT,DELETE"),
        ("/api/v2/idempotency-keys/k", &["PUT", "DELETE"], "GET,HEAD"),
        ("/", &["POST", "DELETE"], "GET,HEAD"),
        ("/openapi.json", &["POST", "DELETE"], "GET,HEAD"),
        ("/problems", &["POST", "DELETE"], "GET,HEAD"),
        ("/problems/internal", &["POST", "DELETE"], "GET,HEAD"),
        ("/livez", &["POST", "DELETE"], "GET,HEAD"),
        ("/readyz", &["POST", "DELETE"], "GET,HEAD"),
    ] {
        for method in methods {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let reply = Reply::of(app.request(method, path).bearer_auth(app.key.expose())).await;
            assert_eq!(reply.status, 405);
            assert_eq!(reply.header("allow"), allow);
            assert_matches_snapshot("method_not_allowed", &reply);
        }
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_declared_as_json_is_rejected() {
    let app = App::start().await;
    let post = || {
        let request = app.request(Method::POST, &app.batch_path());
        request.bearer_auth(app.key.expose()).body(SAMPLE)
    };
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/problem+json",
        "application/jsonp",
        "json",
        "",
        "application/json, application/json",
    ] {
        let reply = Reply::of(post().header("content-type", content_type)).await;
        assert_matches_snapshot("unsupported_media_type", &reply);
    }
    assert_matches_snapshot("unsupported_media_type", &Reply::of(post()).await);
    let twice = post().header("content-type", "application/json");
    let twice = twice.header("content-type", "application/json");
    assert_matches_snapshot("unsupported_media_type", &Reply::of(twice).await);
    assert_eq!(app.row_counts(), (0, 0));
}

/// Returns a request whose body is sent in chunks of 64 KiB.
fn chunked(app: &App, body: &str) -> String {
    let chunks = body
        .as_bytes()
        .chunks(64 * 1024)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()));
    let chunks: String = chunks.collect();
    format!("{}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n", request_head(app))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_more_than_1_mib_is_rejected_with_or_without_a_content_length() {
    let app = App::start().await;
    let too_large = padded_body(MIB + 1);
    let with_length =
        format!("{}content-length: {}\r\n\r\n{too_large}", request_head(&app), MIB + 1);

    for bytes in [with_length, chunked(&app, &too_large)] {
        let reply = exchange(app.http_addr, bytes.as_bytes(), AfterSending::Wait).await;
        assert_matches_snapshot("body_too_large", &reply);
    }
    assert_eq!(app.row_counts(), (0, 0));

    assert_eq!(app.create(padded_body(MIB)).await.status, 201);
    let whole = chunked(&app, &padded_body(MIB));
    assert_eq!(exchange(app.http_addr, whole.as_bytes(), AfterSending::Wait).await.status, 201);
    assert_eq!(app.row_counts(), (2, 0));
}

/// Most clients send a whole body before they read the response. Where the server responds before
/// it has read the body, it must not close the connection: the client would see a reset instead of
/// the response.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_a_large_body_gets_its_response_however_early_it_is_rejected() {
    const TIMES: usize = 30;
    let app = App::start().await;
    let batch = app.batch_path();
    let mut lost = Vec::new();
    for (method, path, content_type, status) in [
        (Method::POST, "/nowhere", "application/json", 404),
        (Method::POST, "/api/v2/cases/0/tasks/batch", "application/json", 404),
        (Method::PATCH, batch.as_str(), "application/json", 405),
        (Method::POST, &batch, "application/json", 413),
        (Method::POST, &batch, "text/plain", 415),
    ] {
        for _ in 0..TIMES {
            let request = app.request(method.clone(), path).header("content-type", content_type);
            match request.body(padded_body(MIB + 1)).send().await {
                Ok(response) => assert_eq!(response.status(), status),
                Err(error) => lost.push(format!("{status}: {error:?}")),
            }
        }
    }
    assert!(lost.is_empty(), "{} responses were lost, as this one: {}", lost.len(), lost[0]);
}

/// As curl does with bodies of this size.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_expects_100_continue_is_rejected_before_it_sends_a_body_that_is_too_large() {
    let app = App::start().await;
    let head = |size| {
        format!("{}content-length: {size}\r\nexpect: 100-continue\r\n\r\n", request_head(&app))
    };

    let reply = exchange(app.http_addr, head(MIB + 1).as_bytes(), AfterSending::Wait).await;

    assert_matches_snapshot("body_too_large", &reply);
}

/// The writers are blocked and the queue has one slot: every further call is rejected at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_full_queue_is_rejected_with_retry_after() {
    // At most, each of the two writers has one batch, and one is in the queue.
    const REQUESTS: usize = 10;
    const ACCEPTED: usize = 3;
    for (name, status, limit) in
        [("overloaded", 503, "--queue-length"), ("tenant_over_quota", 429, "--tenant-queue-length")]
    {
        let args = [limit, "1", "--batches-per-statement", "1"];
        let app = App::builder().server_args(&args).start().await;
        let mut session = Session::open(app.database.url());
        session.lock("tasks");
        let mut calls = JoinSet::new();
        for _ in 0..REQUESTS {
            calls.spawn(Reply::of(app.post().body(padded_body(100))));
        }

        for _ in 0..REQUESTS - ACCEPTED {
            let reply = calls.join_next().await.unwrap().unwrap();
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("retry-after"), "1");
            assert_matches_snapshot(name, &reply);
        }
        assert_eq!(app.row_counts(), (0, 0));

        // The accepted calls succeed.
        session.unlock();
        let mut created = 0;
        while let Some(reply) = calls.join_next().await {
            created += u64::from(reply.unwrap().status == 201);
        }
        assert!((1..=ACCEPTED as u64).contains(&created), "{created}");
        assert_eq!(app.row_counts(), (created, 0));
    }
}
