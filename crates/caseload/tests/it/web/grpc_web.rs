//! Calls of gRPC-Web, in binary and in base64.

use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    Answer, BATCH_CREATE, assert_one_task, framed, from_base64, one_task_encoded, post, start,
    to_base64,
};
use crate::support::{App, Session, polling::eventually};

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_created_in_binary_and_in_base64() {
    let app = start().await;
    let body = framed(&one_task_encoded(&app));

    for content_type in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "Application/gRPC-Web",
        "application/grpc-web;",
    ] {
        let request = post(&app, BATCH_CREATE, content_type, Some(&app.key)).body(body.clone());
        let (message, status) = Answer::of(request).await.grpc_web();
        assert_eq!(status.code(), Code::Ok, "{status:?}");
        assert_one_task(&message);
    }
    for content_type in [
        "application/grpc-web-text",
        "application/grpc-web-text+proto",
        "application/grpc-web-text; charset=utf-8",
    ] {
        let request = post(&app, BATCH_CREATE, content_type, Some(&app.key));
        let request = request.header("accept", content_type).body(to_base64(&body));
        let answer = Answer::of(request).await;
        assert_eq!(answer.header("content-type"), "application/grpc-web-text+proto");
        let (message, status) = answer.of_grpc_web_frames(&from_base64(&answer.body));
        assert_eq!(status.code(), Code::Ok, "{status:?}");
        assert_one_task(&message);
    }
    assert_eq!(app.row_counts(), (7, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_has_its_details() {
    let app = start().await;
    let request = post(&app, BATCH_CREATE, "application/grpc-web+proto", Some(&app.key));
    // A task without a description.
    let (_, status) = Answer::of(request.body(framed(b"\x08\x01\x12\x00"))).await.grpc_web();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "1 field violation; nothing was changed");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "tasks[0].description");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_are_refused() {
    let app = start().await;
    let result = async |content_type: &str, body: Vec<u8>| {
        let request = post(&app, BATCH_CREATE, content_type, Some(&app.key)).body(body);
        let answer = Answer::of(request).await;
        let (_, status) = answer.of_grpc_web_frames(&answer.body);
        crate::support::code_and_reasons(&status)
    };
    let valid = framed(&one_task_encoded(&app));
    let malformed = "INVALID_ARGUMENT MESSAGE_MALFORMED";
    for body in [b"".to_vec(), b"\0".to_vec(), framed(b"\xff"), [&valid[..], &valid].concat()] {
        assert_eq!(result("application/grpc-web", body.clone()).await, malformed, "{body:?}");
    }
    for body in ["%", "AAAA=AAA", "AAAAA"] {
        let body = body.as_bytes().to_vec();
        assert_eq!(result("application/grpc-web-text", body.clone()).await, malformed, "{body:?}");
    }
    let too_large = "OUT_OF_RANGE MESSAGE_TOO_LARGE";
    let body = framed(&vec![0; 2 * 1024 * 1024 + 1]);
    assert_eq!(result("application/grpc-web", body.clone()).await, too_large);
    assert_eq!(result("application/grpc-web-text", to_base64(&body).into()).await, too_large);
    let path = "/caseload.tasks.v1.TaskService/Nothing";
    let request = post(&app, path, "application/grpc-web", Some(&app.key)).body(valid);
    assert_eq!(Answer::of(request).await.grpc_web_result(), "UNIMPLEMENTED NOT_SUPPORTED");
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_at_its_deadline() {
    let app = start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let request = post(&app, BATCH_CREATE, "application/grpc-web", Some(&app.key))
        .header("grpc-timeout", "100m")
        .body(framed(&one_task_encoded(&app)));
    let result = Answer::of(request).await.grpc_web_result();
    session.unlock();
    assert_eq!(result, "DEADLINE_EXCEEDED DEADLINE_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_over_grpc_web() {
    let app = App::builder().server_args(&["--grpc-web"]).start().await;
    eventually("health", async || {
        let request = post(&app, "/grpc.health.v1.Health/Check", "application/grpc-web", None);
        let (message, status) = Answer::of(request.body(framed(b""))).await.grpc_web();
        assert_eq!(status.code(), Code::Ok);
        // It serves once it has seen the database.
        (message == b"\x08\x01").then_some(())
    })
    .await;
}
