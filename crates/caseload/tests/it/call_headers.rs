//! What the server reads from the headers of a call, and what it does not read from its trailers.

use domain::Scope;
use h2::client;
use http::{HeaderMap, Request};
use prost::Message as _;
use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, task_service_client::TaskServiceClient};
use tonic::{Code, Status, transport::Endpoint};
use tonic_types::StatusExt as _;

use crate::support::{App, new_task, raw_http::connect};

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

/// Makes a call that is rejected, as a client that accepts `client_limit` bytes of metadata, and
/// that asks the server for statuses of up to `requested` bytes. Returns the status.
async fn rejected(app: &App, client_limit: u32, requested: Option<&'static str>) -> Status {
    let endpoint = Endpoint::try_from(format!("http://{}", app.grpc_addr)).unwrap();
    let channel = endpoint.http2_max_header_list_size(client_limit).connect().await.unwrap();
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

    let status = rejected(&app, DEFAULT_LIMIT, None).await;

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
        let status = rejected(&app, client_limit, requested).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:.300?}");
        listed.push(status.get_details_bad_request().unwrap().field_violations.len());
    }
    assert!(listed[0] < listed[1] && listed[1] < listed[2], "{listed:?}");
    assert_eq!(listed[2], 1250);
}

/// Makes a call with one API key in the headers, or none, and another one in the trailers. Returns
/// the headers or trailers that have the status.
async fn call_with_trailers(app: &App, header: Option<&str>, trailer: &str) -> HeaderMap {
    let (client, connection) = client::handshake(connect(app.grpc_addr).await).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let mut request = Request::post(format!(
        "http://{}/caseload.tasks.v1.TaskService/BatchCreateTasks",
        app.grpc_addr
    ))
    .header("content-type", "application/grpc")
    .header("te", "trailers");
    if let Some(key) = header {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let message = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task("a task", &[])],
        ..Default::default()
    }
    .encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    // A call without a valid key is rejected by its headers, so neither may come in time.
    let _rejected = body.send_data(frame.into(), false);
    let mut trailers = HeaderMap::new();
    trailers.insert("authorization", format!("Bearer {trailer}").parse().unwrap());
    let _rejected = body.send_trailers(trailers);

    let mut response = response.await.unwrap();
    if response.headers().contains_key("grpc-status") {
        return response.headers().clone();
    }
    while let Some(data) = response.body_mut().data().await {
        data.unwrap();
    }
    response.body_mut().trailers().await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_in_the_trailers_is_ignored() {
    let app = App::start().await;
    let good = app.key.expose().to_owned();
    let read_only = app.key_with(&[Scope::TasksRead]).await;
    let unknown = format!("cl_{}", "a".repeat(43));

    for (header, trailer, code) in [
        (None, good.as_str(), Code::Unauthenticated),
        (Some(unknown.as_str()), &good, Code::Unauthenticated),
        (Some(read_only.expose()), &good, Code::PermissionDenied),
        (Some(good.as_str()), &unknown, Code::Ok),
    ] {
        let headers = call_with_trailers(&app, header, trailer).await;
        assert_eq!(headers["grpc-status"], (code as i32).to_string(), "{header:?} {headers:?}");
    }
    assert_eq!(app.row_counts(), (1, 0));
}
