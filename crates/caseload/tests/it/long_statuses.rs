//! Statuses that list many field violations: how long they may be, for callers and for what is in between.

use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, task_service_client::TaskServiceClient};
use serde_json::json;
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use crate::support::App;

/// The metadata that Linkerd's proxies accept, in bytes: hyper's default. No option of theirs changes it.
const LINKERD_LIMIT: u32 = 16 * 1024;

/// The metadata that gRPC libraries accept by default, in bytes.
const DEFAULT_LIMIT: u32 = 8 * 1024;

/// Returns a request with 25 tasks of 50 unknown emails each.
fn unknown_emails(app: &App) -> BatchCreateTasksRequest {
    let emails = |task| (0..50).map(|n| format!("nobody-{n}@{task}.example")).collect();
    let task = |task| NewTask { description: "a task".to_owned(), assignee_emails: emails(task) };
    BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: (0..25).map(task).collect(),
        ..Default::default()
    }
}

/// Connects as a client that accepts `limit` bytes of metadata.
async fn connect(app: &App, limit: u32) -> Channel {
    let endpoint = Endpoint::try_from(format!("http://{}", app.grpc_addr)).unwrap();
    endpoint.http2_max_header_list_size(limit).connect().await.unwrap()
}

/// Makes a call that is rejected, and that asks the server for statuses of up to `requested` bytes. Returns
/// the status.
async fn rejected(app: &App, channel: Channel, requested: Option<&'static str>) -> Status {
    let mut request = app.with_key(unknown_emails(app));
    request.metadata_mut().insert("x-request-id", "x".repeat(128).parse().unwrap());
    if let Some(bytes) = requested {
        request.metadata_mut().insert("caseload-max-status-bytes", bytes.parse().unwrap());
    }
    TaskServiceClient::new(channel).batch_create_tasks(request).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_stays_below_8_kib_and_says_how_many_violations_there_are() {
    let app =
        App::builder().server_args(&["--key-rate", "100", "--tenant-rate", "100"]).start().await;

    let status = rejected(&app, connect(&app, DEFAULT_LIMIT).await, None).await;

    assert_eq!(status.code(), Code::InvalidArgument, "{status:.300?}");
    assert_eq!(status.message(), "1250 field violations; nothing was changed");
    let info = status.get_details_error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), &*info.metadata["violation_count"]),
        ("INVALID_BATCH", "1250")
    );
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert!((40..200).contains(&violations.len()), "{}", violations.len());
    for (index, violation) in violations.iter().enumerate() {
        let (task, email) = (index / 50, index % 50);
        assert_eq!(violation.field, format!("tasks[{task}].assignee_emails[{email}]"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_takes_larger_statuses_receives_more_violations() {
    let app = App::start().await;
    let mut listed = Vec::new();
    for (client_limit, requested) in
        [(DEFAULT_LIMIT, None), (32 * 1024, Some("32768")), (1024 * 1024, Some("1048576"))]
    {
        let status = rejected(&app, connect(&app, client_limit).await, requested).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:.300?}");
        listed.push(status.get_details_bad_request().unwrap().field_violations.len());
    }
    assert!(listed[0] < listed[1] && listed[1] < listed[2], "{listed:?}");
    assert_eq!(listed[2], 1250);
}

/// Watches the server's health. Returns the watch once the server serves.
async fn watch(channel: Channel) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest::default();
    let mut watch = HealthClient::new(channel).watch(request).await.unwrap().into_inner();
    while watch.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    watch
}

/// This is why the server has an option against it: a connection of a proxy has the calls of many callers.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_is_far_too_long_for_a_client_ends_its_connection_with_all_calls_on_it() {
    let app = App::start().await;
    let channel = connect(&app, LINKERD_LIMIT).await;
    let mut other_call = watch(channel.clone()).await;

    let status = rejected(&app, channel, Some("1048576")).await;

    assert!(status.get_details_error_info().is_none(), "{status:.300?}");
    other_call.message().await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_limit_of_its_own_keeps_to_it_whatever_callers_ask_for() {
    let args = ["--max-status-bytes", "14336", "--key-rate", "100", "--tenant-rate", "100"];
    let app = App::builder().server_args(&args).start().await;
    let channel = connect(&app, LINKERD_LIMIT).await;
    let mut other_call = watch(channel.clone()).await;

    let status = rejected(&app, channel, Some("1048576")).await;

    assert_eq!(status.code(), Code::InvalidArgument, "{status:.300?}");
    assert_eq!(status.get_details_error_info().unwrap().metadata["violation_count"], "1250");
    let over_grpc = status.get_details_bad_request().unwrap().field_violations.len();
    assert!((90..200).contains(&over_grpc), "{over_grpc}");

    // The gateway asks for all of them, too.
    let emails = |task| (0..50).map(move |n| format!("nobody-{n}@{task}.example"));
    let task = |task| json!({"description": "a task", "assignee_emails": emails(task).collect::<Vec<_>>()});
    let body = json!({"tasks": (0..25).map(task).collect::<Vec<_>>()});
    let reply = app.create(body.to_string()).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.problem()["detail"], "1250 field violations; nothing was changed");
    assert_eq!(reply.violations().len(), over_grpc);

    // The connection has lasted.
    app.shutdown.cancel();
    let last = other_call.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
}
