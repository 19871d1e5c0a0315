//! What gRPC clients expect: statuses with details, health, reflection, UNIMPLEMENTED for unknown
//! methods.

use std::collections::HashMap;

use domain::Scope;
use proto::tasks::v1::{BatchCreateTasksRequest, NewTask};
use tonic::{
    Code, Request, Status,
    codegen::{Service as _, http},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1, v1alpha};
use tonic_types::StatusExt as _;

use crate::support::{App, new_task, polling::eventually};

const SERVICE: &str = "caseload.tasks.v1.TaskService";

/// Makes a call that must fail, with the app's key, and returns its status.
async fn failed_call(app: &App, case_id: i64, tasks: Vec<NewTask>) -> Status {
    let request = app.with_key(BatchCreateTasksRequest { case_id, tasks, ..Default::default() });
    app.grpc_client().await.batch_create_tasks(request).await.unwrap_err()
}

/// Returns the reason in the status's ErrorInfo, and checks its domain.
#[track_caller]
fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.domain, "caseload");
    info.reason
}

/// Returns `REASON field: description` for each field violation.
fn violations(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().expect("a BadRequest").field_violations;
    violations
        .iter()
        .map(|violation| {
            format!("{} {}: {}", violation.reason, violation.field, violation.description)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_fields_are_reported_as_violations_with_their_paths() {
    let app = App::start().await;
    let emails = |count| vec!["user1@example.com"; count];
    let long = format!("{}@example.com", "a".repeat(243));
    let tasks = vec![
        new_task("", &[]),
        new_task("fine", &["user1@example.com", "nobody@example.com"]),
        new_task("NUL \0", &["user1@example.com", "user2"]),
        new_task(&"é".repeat(10_001), &[&long]),
        new_task("fine", &emails(51)),
    ];

    let status = failed_call(&app, -1, tasks).await;

    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "7 field violations; nothing was changed");
    assert_eq!(reason(&status), "INVALID_BATCH");
    assert_eq!(
        violations(&status),
        [
            "NOT_POSITIVE case_id: an id is a positive integer",
            "REQUIRED tasks[0].description: a description is required",
            "CONTAINS_NUL tasks[2].description: a NUL character can't be stored",
            "INVALID_EMAIL tasks[2].assignee_emails[1]: this is not an email address",
            "TOO_LONG tasks[3].description: a description has at most 10,000 characters",
            "TOO_LONG tasks[3].assignee_emails[0]: an email has at most 254 bytes",
            "TOO_MANY tasks[4].assignee_emails: a task has at most 50 assignees",
        ]
    );

    let status = failed_call(&app, i64::MIN, vec![new_task("a", &[]); 26]).await;
    assert_eq!(
        violations(&status),
        [
            "NOT_POSITIVE case_id: an id is a positive integer",
            "TOO_MANY tasks: at most 25 tasks can be created at once",
        ]
    );
    let status = failed_call(&app, 0, Vec::new()).await;
    assert_eq!(
        violations(&status),
        [
            "NOT_POSITIVE case_id: an id is a positive integer",
            "REQUIRED tasks: 1 to 25 tasks are required",
        ]
    );
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_emails_are_reported_as_violations_and_an_unknown_case_as_not_found() {
    let app = App::start().await;
    let nobody = ["nobody@example.com", "user1@example.com", "no-one@example.com"];

    let status =
        failed_call(&app, app.case_id, vec![new_task("a", &[]), new_task("b", &nobody)]).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(reason(&status), "INVALID_BATCH");
    assert_eq!(
        violations(&status),
        [
            "UNKNOWN_USER tasks[1].assignee_emails[0]: no user has this email",
            "UNKNOWN_USER tasks[1].assignee_emails[2]: no user has this email",
        ]
    );

    let status = failed_call(&app, i64::MAX, vec![new_task("b", &nobody)]).await;
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "case 9223372036854775807 does not exist");
    assert_eq!(reason(&status), "CASE_NOT_FOUND");
    assert!(status.get_details_bad_request().is_none());
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_permission_is_rejected_with_the_missing_scope() {
    let app = App::start().await;
    let reader = app.key_with(&[Scope::TasksRead]).await;
    let call = async |key: Option<&str>| {
        let mut request = Request::new(BatchCreateTasksRequest::default());
        if let Some(key) = key {
            let value = format!("Bearer {key}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        app.grpc_client().await.batch_create_tasks(request).await.unwrap_err()
    };

    let status = call(None).await;
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::Unauthenticated, "KEY_REQUIRED".to_owned())
    );

    let status = call(Some(reader.expose())).await;
    assert_eq!(status.code(), Code::PermissionDenied);
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.reason, "SCOPE_REQUIRED");
    assert_eq!(info.metadata, HashMap::from([("scope".to_owned(), "tasks:write".to_owned())]));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_reported_for_the_server_and_for_the_service() {
    let app = App::start().await;
    let mut client = HealthClient::new(app.channel().await);
    let check = |service: &str| HealthCheckRequest { service: service.to_owned() };

    for service in ["", SERVICE] {
        eventually("the service to serve", async || {
            let response = client.check(check(service)).await.unwrap();
            (response.get_ref().status() == ServingStatus::Serving).then_some(())
        })
        .await;
    }
    let status = client.check(check("no.such.Service")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

/// Checks one version of reflection. The messages of both versions have the same fields in
/// different Rust types, hence a macro.
macro_rules! assert_reflected {
    ($app:expr, $version:ident) => {{
        use $version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let mut client = ServerReflectionClient::new($app.channel().await);
        let mut query = async |question| {
            let request =
                ServerReflectionRequest { host: String::new(), message_request: Some(question) };
            let requests = tokio_stream::once(request);
            let mut responses = client.server_reflection_info(requests).await.unwrap().into_inner();
            responses.message().await.unwrap().unwrap().message_response.unwrap()
        };

        let listed = query(MessageRequest::ListServices(String::new())).await;
        let MessageResponse::ListServicesResponse(listed) = listed else {
            panic!("{listed:?}");
        };
        let names: Vec<_> = listed.service.iter().map(|service| service.name.as_str()).collect();
        for name in [SERVICE, "grpc.health.v1.Health"] {
            assert!(names.contains(&name), "{names:?}");
        }

        for symbol in [SERVICE, "caseload.tasks.v1.TaskService.BatchCreateTasks"] {
            let found = query(MessageRequest::FileContainingSymbol(symbol.to_owned())).await;
            let MessageResponse::FileDescriptorResponse(found) = found else {
                panic!("{symbol}: {found:?}");
            };
            assert_has_names_and_comments(&found.file_descriptor_proto);
        }
    }};
}

/// Checks that the file descriptors have names, and the comments of services, methods and fields.
#[track_caller]
fn assert_has_names_and_comments(files: &[Vec<u8>]) {
    let text = files.iter().map(|file| String::from_utf8_lossy(file)).collect::<String>();
    for part in [
        "caseload/tasks/v1/task_service.proto",
        "BatchCreateTasksRequest",
        "Creates and tracks the tasks of cases.",
        "Creates 1 to 25 tasks, with assignees, for one case: all of them or none.",
        "The tasks to create, 1 to 25.",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_v1_lists_the_services_and_their_commented_descriptors() {
    let app = App::start().await;
    assert_reflected!(&app, v1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_v1alpha_lists_the_services_and_their_commented_descriptors() {
    let app = App::start().await;
    assert_reflected!(&app, v1alpha);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_method_is_unimplemented() {
    let app = App::start().await;
    let mut channel = app.channel().await;
    for path in [
        "/caseload.tasks.v1.TaskService/NoSuchCall",
        "/caseload.tasks.v2.TaskService/BatchCreateTasks",
        "/",
    ] {
        let request = http::Request::post(path)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(tonic::body::Body::empty())
            .unwrap();
        std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
        let response = channel.call(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
        assert!(response.headers().contains_key("x-request-id"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_more_than_2_mib_is_rejected() {
    const MIB: usize = 1024 * 1024;
    let app = App::start().await;

    let status = failed_call(&app, app.case_id, vec![new_task(&"a".repeat(2 * MIB), &[])]).await;
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");

    // One that just fits is read, and rejected for its content.
    let status =
        failed_call(&app, app.case_id, vec![new_task(&"a".repeat(2 * MIB - 100), &[])]).await;
    assert_eq!(violations(&status).len(), 1);
    assert_eq!(app.row_counts(), (0, 0));
}
