//! Which fault answers where a call has several: authenticated, permitted, well-formed, exists.

use domain::Scope;
use reqwest::Method;

use crate::{
    support::create_call::Call,
    support::raw_http::{Then, exchange},
    support::{App, new_key},
};

const NO_CASE: i64 = 4_000_000_000;
const NOBODY: &[&str] = &["nobody@example.com", "user1@example.com", "no-one@example.com"];
const SLIPS: &[&str] = &["nobody@example.com", "not an email"];

#[tokio::test(flavor = "multi_thread")]
async fn checks_run_in_their_documented_order_at_both_doors() {
    let app = App::start().await;
    let reader = app.key_with(&[Scope::TasksRead]).await;
    let (stranger, writer) = (new_key(), app.key.clone());
    let call = || Call::of(&app);
    let table = [
        // All is wrong: the first check answers, and the rest is not told.
        (call().case(NO_CASE).task("", SLIPS), "UNAUTHENTICATED KEY_REQUIRED"),
        (call().case(NO_CASE).task("", SLIPS).key(&stranger), "UNAUTHENTICATED KEY_INVALID"),
        (call().case(NO_CASE).task("", SLIPS).key(&reader), "PERMISSION_DENIED SCOPE_REQUIRED"),
        // Form before existence: an unknown email isn't told beside a malformed one.
        (
            call().case(NO_CASE).task("", SLIPS).key(&writer),
            "INVALID_ARGUMENT REQUIRED INVALID_EMAIL",
        ),
        // The case before the emails.
        (call().case(NO_CASE).task("a", NOBODY).key(&writer), "NOT_FOUND CASE_NOT_FOUND"),
        (call().task("a", NOBODY).key(&writer), "INVALID_ARGUMENT UNKNOWN_USER UNKNOWN_USER"),
    ];
    for (call, expected) in table {
        assert_eq!(call.told(&app).await, expected, "{call:?}");
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_itself_refuses_is_refused_without_a_key_too() {
    let app = App::start().await;
    let json = "content-type: application/json\r\n";
    let too_large = "x".repeat(1024 * 1024 + 1);
    let table = [
        // The case's id before the type, the type before the size, the size before the JSON.
        ("0", "", too_large.as_str(), 404),
        ("1", "", &too_large, 415),
        ("1", json, &too_large, 413),
        ("1", json, "{", 400),
        // Only what is well-shaped is asked of the server, which asks for a key.
        ("1", json, "{}", 401),
    ];
    for (case_id, header, body, status) in table {
        let request = format!(
            "POST /api/v2/cases/{case_id}/tasks/batch HTTP/1.1\r\nhost: localhost\r\n\
             connection: close\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = exchange(app.http_addr, request.as_bytes(), Then::Wait).await;
        assert_eq!(reply.status, status, "{reply:?}");
        reply.problem();
    }
    assert_eq!(app.row_counts(), (0, 0));
}

/// With the same id and the same request id, there is nothing left that could differ.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_case_is_answered_as_one_that_does_not_exist() {
    let app = App::start().await;
    let (other, _, other_key) = app.other_tenant().await;
    let ask = async || {
        let path = format!("/api/v2/cases/{NO_CASE}/tasks/batch");
        let request = app
            .request(Method::POST, &path)
            .bearer_auth(app.key.expose())
            .header("x-request-id", "the-same")
            .header("content-type", "application/json")
            .body(r#"{"tasks":[{"description":"a","assignee_emails":["user1@example.com"]}]}"#);
        let response = request.send().await.unwrap();
        let status = response.status();
        let mut headers = response.headers().clone();
        headers.remove("date");
        (status, headers, response.bytes().await.unwrap())
    };

    let nonexistent = ask().await;
    app.database.query(&format!(
        "INSERT INTO cases (tenant_id, id, name) VALUES ({other}, {NO_CASE}, 'theirs')"
    ));
    let another_tenants = ask().await;

    assert_eq!(nonexistent.0, 404);
    assert_eq!(another_tenants, nonexistent);
    assert_eq!(app.row_counts(), (0, 0));
    // It was there to be found.
    let theirs = Call::of(&app).case(NO_CASE).key(&other_key);
    assert_eq!(theirs.told(&app).await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_of_another_tenant_is_nobodys() {
    let app = App::start().await;
    let (other, other_case, other_key) = app.other_tenant().await;
    app.database.query(&format!(
        "INSERT INTO users (tenant_id, email, first_name, last_name)
         VALUES ({other}, 'theirs@example.com', 'T', 'T')"
    ));
    let emails = &["theirs@example.com"];

    let ours = Call::of(&app).task("a", emails).key(&app.key);
    assert_eq!(ours.told(&app).await, "INVALID_ARGUMENT UNKNOWN_USER");
    let theirs = Call::of(&app).case(other_case).task("a", emails).key(&other_key);
    assert_eq!(theirs.told(&app).await, "OK");

    // Where both have the email, each gets its own user.
    let both = &["user1@example.com"];
    assert_eq!(Call::of(&app).task("a", both).key(&app.key).rest(&app).await, "OK");
    let theirs = Call::of(&app).case(other_case).task("a", both).key(&other_key);
    assert_eq!(theirs.rest(&app).await, "OK");
    let strangers = "SELECT count(*) FROM task_assignees AS a
        JOIN users AS u ON u.id = a.user_id WHERE u.tenant_id <> a.tenant_id";
    assert_eq!(app.database.query(strangers), "0");
}
