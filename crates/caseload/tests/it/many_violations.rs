//! The largest responses that field violations can produce, and a single violation in a large
//! batch.

use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, task_service_client::TaskServiceClient};
use serde_json::json;
use tonic::{Code, Status, transport::Endpoint};
use tonic_types::StatusExt as _;

use crate::{
    overload::raw_calls::RawCalls,
    support::{App, code_and_reasons, polling::eventually, raw_grpc::framed},
};

/// Returns 25 tasks of 50 unknown emails each.
fn all_emails_unknown() -> Vec<(String, Vec<String>)> {
    let emails = |task| (0..50).map(|n| format!("nobody-{n}@{task}.example")).collect();
    (0..25).map(|task| (format!("task {task}"), emails(task))).collect()
}

/// Returns 26 tasks, one too many. Each has no description and 51 malformed emails, one too many.
fn everything_invalid() -> Vec<(String, Vec<String>)> {
    vec![(String::new(), vec!["@".to_owned(); 51]); 26]
}

/// Returns the REST body for these tasks.
fn to_json(tasks: &[(String, Vec<String>)]) -> String {
    let task = |(description, emails): &(String, Vec<String>)| json!({"description": description, "assignee_emails": emails});
    json!({"tasks": tasks.iter().map(task).collect::<Vec<_>>()}).to_string()
}

/// Makes a gRPC call that must fail, and returns its status.
async fn failed_call_over_grpc(app: &App, tasks: Vec<(String, Vec<String>)>) -> Status {
    failed_call_with(app, tasks, "1048576").await
}

/// Makes a gRPC call that must fail, of a client that takes statuses of so many bytes.
async fn failed_call_with(
    app: &App,
    tasks: Vec<(String, Vec<String>)>,
    max_status_bytes: &'static str,
) -> Status {
    let tasks = tasks
        .into_iter()
        .map(|(description, assignee_emails)| NewTask { description, assignee_emails })
        .collect();
    // A status is sent in a header. This client accepts a large one, and says so.
    let endpoint = Endpoint::try_from(format!("http://{}", app.grpc_addr)).unwrap();
    let channel = endpoint.http2_max_header_list_size(1024 * 1024).connect().await.unwrap();
    let mut request =
        app.with_key(BatchCreateTasksRequest { case_id: app.case_id, tasks, ..Default::default() });
    request.metadata_mut().insert("caseload-max-status-bytes", max_status_bytes.parse().unwrap());
    TaskServiceClient::new(channel).batch_create_tasks(request).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_1250_unknown_emails_are_reported_over_rest() {
    let app = App::start().await;

    let reply = app.create(to_json(&all_emails_unknown())).await;

    assert_eq!(reply.status, 400);
    assert_eq!(reply.problem()["detail"], "1250 field violations; nothing was changed");
    let expected = (0..25).flat_map(|task| {
        (0..50).map(move |n| format!("UNKNOWN_USER /tasks/{task}/assignee_emails/{n}"))
    });
    assert!(reply.violations().into_iter().eq(expected));
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_1250_unknown_emails_are_reported_over_grpc() {
    let app = App::start().await;

    let status = failed_call_over_grpc(&app, all_emails_unknown()).await;

    assert_eq!(status.code(), Code::InvalidArgument, "{status:.300?}");
    assert_eq!(status.message(), "1250 field violations; nothing was changed");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let fields = violations.iter().map(|v| format!("{} {}", v.reason, v.field));
    let expected = (0..25).flat_map(|task| {
        (0..50).map(move |n| format!("UNKNOWN_USER tasks[{task}].assignee_emails[{n}]"))
    });
    assert!(fields.eq(expected));
    assert_eq!(app.row_counts(), (0, 0));
}

/// These are more violations than unknown emails can produce.
#[tokio::test(flavor = "multi_thread")]
async fn all_violations_of_a_batch_are_reported_in_one_response() {
    let app = App::start().await;
    let mut expected = vec!["TOO_MANY /tasks".to_owned()];
    for task in 0..25 {
        expected.push(format!("REQUIRED /tasks/{task}/description"));
        expected.push(format!("TOO_MANY /tasks/{task}/assignee_emails"));
        let emails = (0..50).map(|n| format!("INVALID_EMAIL /tasks/{task}/assignee_emails/{n}"));
        expected.extend(emails);
    }
    assert_eq!(expected.len(), 1301);

    let reply = app.create(to_json(&everything_invalid())).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.problem()["detail"], "1301 field violations; nothing was changed");
    assert_eq!(reply.violations(), expected);

    let status = failed_call_over_grpc(&app, everything_invalid()).await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:.300?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert!(
        violations
            .iter()
            .map(|v| &v.reason)
            .eq(expected.iter().map(|e| e.split(' ').next().unwrap()))
    );
    assert_eq!(app.row_counts(), (0, 0));
}

/// What callers leave untaken of them would otherwise fill the memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_status_takes_memory_for_messages_and_is_refused_where_there_is_none() {
    // Messages that don't go on keep their memory for the whole test.
    let args = ["--message-memory", "16", "--message-timeout", "5m"];
    let app = App::builder().server_args(&args).start().await;
    let mut connections = Vec::new();
    // A tenant may have 8 MiB.
    let begin = async |kib: usize| {
        let mut calls = RawCalls::open(app.grpc_addr).await;
        let body = framed(0, 2 * 1024 * 1024, &vec![b' '; kib * 1024]);
        calls.begin(1, Some(&app.key), &body).await;
        calls
    };
    for kib in [1000, 1000, 1000, 1000, 1000, 1000, 1000, 850] {
        connections.push(begin(kib).await);
    }
    eventually("a status that is refused", async || {
        let status = failed_call_over_grpc(&app, everything_invalid()).await;
        let reasons = code_and_reasons(&status);
        if reasons.starts_with("RESOURCE_EXHAUSTED TENANT_OVER_SHARE") {
            return Some(());
        }
        // A message that arrives while a status has the memory is refused, and keeps none: another one
        // takes its place.
        connections.push(begin(850).await);
        None
    })
    .await;
    // A small one is not.
    let status = failed_call_with(&app, everything_invalid(), "8192").await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status:.300?}");
    drop(connections);
    eventually("a status that is sent", async || {
        let status = failed_call_over_grpc(&app, everything_invalid()).await;
        (status.code() == Code::InvalidArgument).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_email_among_25_tasks_leaves_no_row_and_the_next_request_works() {
    let app = App::start().await;
    let batch = |last: &str| {
        let task = |n| {
            let email = if n == 24 { last } else { "user1@example.com" };
            json!({"description": format!("task {n}"), "assignee_emails": ["user2@example.com", email]})
        };
        json!({"tasks": (0..25).map(task).collect::<Vec<_>>()}).to_string()
    };

    for (email, violation) in [
        ("nobody@example.com", "UNKNOWN_USER /tasks/24/assignee_emails/1"),
        ("nobody", "INVALID_EMAIL /tasks/24/assignee_emails/1"),
    ] {
        let reply = app.create(batch(email)).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.violations(), [violation]);
        assert_eq!(app.row_counts(), (0, 0));
    }

    assert_eq!(app.create(batch("user3@example.com")).await.status, 201);
    assert_eq!(app.row_counts(), (25, 50));
}
