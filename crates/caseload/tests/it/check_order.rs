//! Which error a call with several gets: checks run in the order authenticated, permitted,
//! well-formed, exists.

use domain::{Networks, Scope};
use reqwest::Method;

use crate::support::{
    App, CreateCall, new_key,
    polling::eventually,
    raw_http::{AfterSending, exchange},
};

/// The id of a case that does not exist.
const NO_CASE: i64 = 4_000_000_000;
/// Two unknown emails, and one of a user.
const UNKNOWN_EMAILS: &[&str] = &["nobody@example.com", "user1@example.com", "no-one@example.com"];
/// An unknown email, and one that is malformed.
const MALFORMED_EMAILS: &[&str] = &["nobody@example.com", "not an email"];

#[tokio::test(flavor = "multi_thread")]
async fn checks_run_in_the_documented_order_over_grpc_and_rest() {
    let app = App::start().await;
    let reader = app.key_with(&[Scope::TasksRead]).await;
    let elsewhere = new_key();
    let id = app.store_key(app.tenant, &elsewhere, &[Scope::TasksRead], None).await;
    let network = "192.0.2.0/24".parse().unwrap();
    let networks = Networks::new([network]).unwrap();
    app.admin.set_api_key_networks(app.tenant, id, networks).await.unwrap();
    let (unknown, writer) = (new_key(), app.key.clone());
    let (other, ..) = app.other_tenant().await;
    app.admin.add_tenant_hosts(other, vec!["theirs.example".parse().unwrap()]).await.unwrap();
    let call = || CreateCall::new(&app);
    let on_their_host = || call().header("x-forwarded-host", "theirs.example");
    eventually("the host", async || {
        let result = on_their_host().key(&writer).result_over_grpc(&app).await;
        (result == "UNAUTHENTICATED KEY_INVALID").then_some(())
    })
    .await;
    app.database.query("TRUNCATE tasks CASCADE");
    let table = [
        // Everything is wrong: the first check decides, and the rest is not reported.
        (call().case(NO_CASE).task("", MALFORMED_EMAILS), "UNAUTHENTICATED KEY_REQUIRED"),
        (
            call().case(NO_CASE).task("", MALFORMED_EMAILS).key(&unknown),
            "UNAUTHENTICATED KEY_INVALID",
        ),
        (
            on_their_host().case(NO_CASE).task("", MALFORMED_EMAILS).key(&elsewhere),
            "UNAUTHENTICATED KEY_INVALID",
        ),
        (
            call().case(NO_CASE).task("", MALFORMED_EMAILS).key(&elsewhere),
            "PERMISSION_DENIED ADDRESS_NOT_ALLOWED",
        ),
        (
            call().case(NO_CASE).task("", MALFORMED_EMAILS).key(&reader),
            "PERMISSION_DENIED SCOPE_REQUIRED",
        ),
        // Well-formed before exists: an unknown email isn't reported beside a malformed one.
        (
            call().case(NO_CASE).task("", MALFORMED_EMAILS).key(&writer),
            "INVALID_ARGUMENT REQUIRED INVALID_EMAIL",
        ),
        // The case before the emails.
        (call().case(NO_CASE).task("a", UNKNOWN_EMAILS).key(&writer), "NOT_FOUND CASE_NOT_FOUND"),
        (
            call().task("a", UNKNOWN_EMAILS).key(&writer),
            "INVALID_ARGUMENT UNKNOWN_USER UNKNOWN_USER",
        ),
    ];
    for (call, expected) in table {
        assert_eq!(call.result(&app).await, expected, "{call:?}");
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_checks_run_before_the_key_is_checked() {
    let app = App::start().await;
    let json = "content-type: application/json\r\n";
    let too_large = "x".repeat(1024 * 1024 + 1);
    let table = [
        // The case id before the content type, that before the size, the size before the JSON.
        ("0", "", too_large.as_str(), 404),
        ("1", "", &too_large, 415),
        ("1", json, &too_large, 413),
        ("1", json, "{", 400),
        // Only a well-formed request reaches the server, which checks the key.
        ("1", json, "{}", 401),
    ];
    for (case_id, header, body, status) in table {
        let request = format!(
            "POST /api/v2/cases/{case_id}/tasks/batch HTTP/1.1\r\nhost: localhost\r\n\
             connection: close\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = exchange(app.http_addr, request.as_bytes(), AfterSending::Wait).await;
        assert_eq!(reply.status, status, "{reply:?}");
        reply.problem();
    }
    assert_eq!(app.row_counts(), (0, 0));
}

/// Both requests have the same case id and the same request id, so whole responses can be compared.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_of_another_tenant_gets_the_same_response_as_a_case_that_does_not_exist() {
    let app = App::start().await;
    let (other, _, other_key) = app.other_tenant().await;
    let send = async || {
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

    let nonexistent = send().await;
    app.database.query(&format!(
        "INSERT INTO cases (tenant_id, id, name) VALUES ({other}, {NO_CASE}, 'theirs')"
    ));
    let another_tenants = send().await;

    assert_eq!(nonexistent.0, 404);
    assert_eq!(another_tenants, nonexistent);
    assert_eq!(app.row_counts(), (0, 0));
    // The case did exist.
    let theirs = CreateCall::new(&app).case(NO_CASE).key(&other_key);
    assert_eq!(theirs.result(&app).await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_of_another_tenant_is_unknown() {
    let app = App::start().await;
    let (other, other_case, other_key) = app.other_tenant().await;
    app.database.query(&format!(
        "INSERT INTO users (tenant_id, email, first_name, last_name)
         VALUES ({other}, 'theirs@example.com', 'T', 'T')"
    ));
    let emails = &["theirs@example.com"];

    let ours = CreateCall::new(&app).task("a", emails).key(&app.key);
    assert_eq!(ours.result(&app).await, "INVALID_ARGUMENT UNKNOWN_USER");
    let theirs = CreateCall::new(&app).case(other_case).task("a", emails).key(&other_key);
    assert_eq!(theirs.result(&app).await, "OK");

    // Where both have the email, each gets its own user.
    let both = &["user1@example.com"];
    assert_eq!(
        CreateCall::new(&app).task("a", both).key(&app.key).result_over_rest(&app).await,
        "OK"
    );
    let theirs = CreateCall::new(&app).case(other_case).task("a", both).key(&other_key);
    assert_eq!(theirs.result_over_rest(&app).await, "OK");
    let strangers = "SELECT count(*) FROM task_assignees AS a
        JOIN users AS u ON u.id = a.user_id WHERE u.tenant_id <> a.tenant_id";
    assert_eq!(app.database.query(strangers), "0");
}
