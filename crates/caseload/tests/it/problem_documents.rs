//! The golden problem documents: one for each way in which REST refuses.
//!
//! The documents are in `snapshots/`. A change there is a change of the API.

use domain::Scope;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    support::raw_http::{Then, exchange, head},
    support::{App, Reply, SAMPLE, Session, new_key},
};

const MIB: usize = 1024 * 1024;

/// Compares a refusal with its golden document.
#[track_caller]
fn assert_golden(name: &str, reply: &Reply) {
    let problem = reply.problem();
    let challenge = if reply.status == 401 { "Bearer" } else { "" };
    assert_eq!(reply.header("www-authenticate"), challenge, "{name}");
    insta::assert_json_snapshot!(name, problem);
}

/// Sends requests that are refused, each with its golden document, and nothing is created.
async fn assert_all_golden<const N: usize>(app: &App, table: [(&str, RequestBuilder); N]) {
    for (name, request) in table {
        assert_golden(name, &Reply::of(request).await);
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_form_come_all_at_once_in_the_order_of_the_request() {
    let app = App::start().await;
    let email = |bytes: usize| format!("{}@example.com", "a".repeat(bytes - 12));
    let faulty = json!({"tasks": [
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

    assert_all_golden(
        &app,
        [
            ("faults_of_form", app.post().body(faulty.to_string())),
            ("too_many_tasks", app.post().body(tasks(26).to_string())),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tasks_at_all_are_refused_however_they_are_left_out() {
    let app = App::start().await;
    for body in ["{}", r#"{"tasks":null}"#, r#"{"tasks":[]}"#, "  {\n}\t"] {
        assert_golden("no_tasks", &app.create(body).await);
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_does_not_exist_is_named() {
    let app = App::start().await;
    let unknown = json!({"tasks": [
        {"description": "fine", "assignee_emails": ["user1@example.com"]},
        {"description": "one of three", "assignee_emails": ["user1@example.com", "nobody@example.com", "user2@example.com"]},
        {"description": "a fault counts once, at its first place", "assignee_emails": ["No-One@example.com", "user1@example.com", "no-one@EXAMPLE.com"]},
        {"description": "and again in the next task", "assignee_emails": ["no-one@example.com"]},
    ]});
    let no_case = app
        .request(Method::POST, "/api/v2/cases/4000000000/tasks/batch")
        .bearer_auth(app.key.expose())
        .json(&json!({"tasks": [{"description": "a"}]}));

    assert_all_golden(
        &app,
        [("unknown_users", app.post().body(unknown.to_string())), ("unknown_case", no_case)],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_not_the_documented_one_is_refused_with_its_place() {
    let app = App::start().await;
    let post = |body| app.post().body(body);
    assert_all_golden(
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
async fn who_may_not_call_is_told_why() {
    let app = App::start().await;
    let reader = app.key_with(&[Scope::TasksRead]).await;
    let post = || app.request(Method::POST, &app.batch_path()).json(&json!({}));
    assert_all_golden(
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
async fn a_path_that_leads_nowhere_is_refused() {
    let app = App::start().await;
    let ask = |path: &str| app.request(Method::POST, path).bearer_auth(app.key.expose());
    let batch = app.batch_path();
    for path in ["/", "/api/v2/cases", "/api/v1/cases/1/tasks/batch", "/nowhere", "//"] {
        assert_golden("no_route", &Reply::of(ask(path)).await);
    }
    for path in [format!("{batch}/"), format!("{batch}/1"), batch.to_uppercase()] {
        assert_golden("no_route", &Reply::of(ask(&path)).await);
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
        assert_golden("no_case_id", &Reply::of(ask(&path).json(&json!({}))).await);
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_path_does_not_take_is_refused_with_those_it_takes() {
    let app = App::start().await;
    let batch = app.batch_path();
    for (path, methods, allow) in [
        (batch.as_str(), &["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"][..], "POST"),
        ("/livez", &["POST", "DELETE"], "GET,HEAD"),
        ("/readyz", &["POST", "DELETE"], "GET,HEAD"),
    ] {
        for method in methods {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let reply = Reply::of(app.request(method, path).bearer_auth(app.key.expose())).await;
            assert_eq!(reply.status, 405);
            assert_eq!(reply.header("allow"), allow);
            assert_golden("method_not_allowed", &reply);
        }
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_said_to_be_json_is_refused() {
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
        assert_golden("unsupported_media_type", &reply);
    }
    assert_golden("unsupported_media_type", &Reply::of(post()).await);
    let twice = post().header("content-type", "application/json");
    let twice = twice.header("content-type", "application/json");
    assert_golden("unsupported_media_type", &Reply::of(twice).await);
    assert_eq!(app.row_counts(), (0, 0));
}

/// A good request, blown up to a size with white space that JSON takes.
fn padded(size: usize) -> String {
    let body = r#"{"tasks":[{"description":"a"}]}"#;
    format!("{body}{}", " ".repeat(size - body.len()))
}

fn chunked(app: &App, body: &str) -> String {
    let chunks = body
        .as_bytes()
        .chunks(64 * 1024)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()));
    let chunks: String = chunks.collect();
    format!("{}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n", head(app))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_more_than_1_mib_is_refused_whether_or_not_its_size_is_told_first() {
    let app = App::start().await;
    let too_large = padded(MIB + 1);
    let told = format!("{}content-length: {}\r\n\r\n{too_large}", head(&app), MIB + 1);

    for bytes in [told, chunked(&app, &too_large)] {
        let reply = exchange(app.http_addr, bytes.as_bytes(), Then::Wait).await;
        assert_golden("body_too_large", &reply);
    }
    assert_eq!(app.row_counts(), (0, 0));

    assert_eq!(app.create(padded(MIB)).await.status, 201);
    let whole = chunked(&app, &padded(MIB));
    assert_eq!(exchange(app.http_addr, whole.as_bytes(), Then::Wait).await.status, 201);
    assert_eq!(app.row_counts(), (2, 0));
}

/// Most clients send all of a body before they read the answer. One that is refused before it is
/// read must not end the connection under them: what they would see is no answer, but a reset.
#[tokio::test(flavor = "multi_thread")]
async fn who_sends_a_large_body_gets_the_answer_however_early_it_is_refused() {
    const TIMES: usize = 30;
    let app = App::start().await;
    let batch = app.batch_path();
    let mut lost = Vec::new();
    for (method, path, content_type, status) in [
        (Method::POST, "/nowhere", "application/json", 404),
        (Method::POST, "/api/v2/cases/0/tasks/batch", "application/json", 404),
        (Method::PUT, batch.as_str(), "application/json", 405),
        (Method::POST, &batch, "application/json", 413),
        (Method::POST, &batch, "text/plain", 415),
    ] {
        for _ in 0..TIMES {
            let request = app.request(method.clone(), path).header("content-type", content_type);
            match request.body(padded(MIB + 1)).send().await {
                Ok(response) => assert_eq!(response.status(), status),
                Err(error) => lost.push(format!("{status}: {error:?}")),
            }
        }
    }
    assert!(lost.is_empty(), "{} answers were lost, as this one: {}", lost.len(), lost[0]);
}

/// A client that asks first is spared the sending: curl does, with bodies of this size.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_before_it_sends_too_much_is_told_not_to() {
    let app = App::start().await;
    let ask =
        |size| format!("{}content-length: {size}\r\nexpect: 100-continue\r\n\r\n", head(&app));

    let reply = exchange(app.http_addr, ask(MIB + 1).as_bytes(), Then::Wait).await;

    assert_golden("body_too_large", &reply);
}

/// Writers that can't write and a queue of one: who comes then is refused at once.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_all_is_busy_is_refused_and_told_when_to_try_again() {
    // At the most, each of the two writers has one batch at hand, and one waits.
    const REQUESTS: usize = 10;
    const TAKEN: usize = 3;
    for (name, status, limit) in
        [("overloaded", 503, "--queue-length"), ("tenant_over_share", 429, "--tenant-queue-length")]
    {
        let args = [limit, "1", "--batches-per-statement", "1"];
        let app = App::builder().server_args(&args).start().await;
        let mut session = Session::open(app.database.url());
        session.lock("tasks");
        let mut calls = JoinSet::new();
        for _ in 0..REQUESTS {
            calls.spawn(Reply::of(app.post().body(padded(100))));
        }

        for _ in 0..REQUESTS - TAKEN {
            let reply = calls.join_next().await.unwrap().unwrap();
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("retry-after"), "1");
            assert_golden(name, &reply);
        }
        assert_eq!(app.row_counts(), (0, 0));

        // Who was taken in is served.
        session.unlock();
        let mut created = 0;
        while let Some(reply) = calls.join_next().await {
            created += u64::from(reply.unwrap().status == 201);
        }
        assert!((1..=TAKEN as u64).contains(&created), "{created}");
        assert_eq!(app.row_counts(), (created, 0));
    }
}
