//! Random bytes in bodies, headers, messages, metadata and on sockets: the response is well-formed,
//! and no internal error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use prost::Message as _;
use proto::tasks::v1::BatchCreateTasksRequest;
use reqwest::Method;
use tokio::runtime::Runtime;
use tonic::{Code, codegen::http};

use super::grpc_messages::{METHOD, key_headers};
use crate::support::{
    App, ONE_ASSIGNED_TASK, ONE_TASK, Reply, new_task,
    raw_grpc::{frame, send},
    raw_http::{connect, read_to_end},
};

/// The number of random values for each property.
const CASES: u32 = 200;

/// Checks a property for [`CASES`] random values on one app, and that the app serves afterwards.
fn run<S: Strategy>(strategy: S, property: impl AsyncFn(&App, S::Value)) {
    let runtime = Runtime::new().unwrap();
    let app = runtime.block_on(App::start());
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        let call = AssertUnwindSafe(|| runtime.block_on(property(&app, value)));
        catch_unwind(call).map_err(|_| TestCaseError::fail("see the panic above"))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    runtime.block_on(app.assert_serves());
}

/// Returns a strategy for header values: random ones, and mutations of a valid value.
fn header(valid: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(b'\t'), 0x20..0x7f_u8, 0x80..=0xff_u8];
    prop_oneof![vec(byte, 0..300), mutated(valid.as_bytes().to_vec())].prop_filter(
        "not a header value",
        |bytes| {
            let is_ascii_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
            http::HeaderValue::from_bytes(bytes).is_ok()
                && !is_ascii_blank(bytes.first())
                && !is_ascii_blank(bytes.last())
        },
    )
}

/// Returns a strategy for mutations of valid bytes: some bytes changed, cut off, or appended.
fn mutated(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (changes, any::<prop::sample::Index>(), any::<bool>(), vec(any::<u8>(), 0..8)).prop_map(
        move |(changes, end, is_cut, more)| {
            let mut bytes = valid.clone();
            for (index, byte) in changes {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            if is_cut {
                bytes.truncate(end.index(bytes.len()));
            }
            bytes.extend(more);
            bytes
        },
    )
}

/// Checks that the response is no server error, except that a random deadline may have passed.
#[track_caller]
fn assert_no_server_error(reply: &Reply) {
    if reply.status != 201 {
        let problem = reply.problem();
        assert!(!reply.violations().is_empty());
        let is_late = problem["code"] == "DEADLINE_EXCEEDED";
        assert!(!reply.status.is_server_error() || is_late, "{reply:?}");
    }
}

#[test]
fn any_body_gets_a_response_without_a_server_error() {
    let body =
        prop_oneof![vec(any::<u8>(), 0..200), mutated(ONE_ASSIGNED_TASK.as_bytes().to_vec())];
    run(body, async |app, body| assert_no_server_error(&app.create(body).await));
}

#[test]
fn any_header_gets_a_response_without_a_server_error() {
    let headers = prop_oneof![
        (Just("authorization"), header("Bearer cl_0123456789012345678901234567890123456789012")),
        (Just("x-user-token"), header("cl_0123456789012345678901234567890123456789012")),
        (Just("idempotency-key"), header("8e03978e-40d5-43e8-bc93-6894a57f9324")),
        (Just("request-timeout"), header("10.25")),
        (Just("content-type"), header("application/json; charset=utf-8")),
        (Just("x-request-id"), header("8e03978e-40d5-43e8-bc93-6894a57f9324")),
        (Just("expect"), header("100-continue")),
        (Just("traceparent"), header("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
    ];
    run(headers, async |app, (name, value)| {
        let mut request = app.request(Method::POST, &app.batch_path());
        for (usual, value) in [
            ("authorization", format!("Bearer {}", app.key.expose())),
            ("content-type", "application/json".to_owned()),
        ] {
            if usual != name {
                request = request.header(usual, value);
            }
        }
        assert_no_server_error(&Reply::of(request.header(name, value).body(ONE_TASK)).await);
    });
}

/// Bytes that are not HTTP get no problem document, but no server error either.
#[test]
fn any_bytes_on_a_socket_cause_no_server_error() {
    let good = "POST /api/v2/cases/1/tasks/batch HTTP/1.1\r\nhost: a\r\ncontent-type: \
                application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    let bytes = prop_oneof![vec(any::<u8>(), 0..200), mutated(good.as_bytes().to_vec())];
    run(bytes, async |app, bytes| {
        use tokio::io::AsyncWriteExt as _;

        for addr in [app.http_addr, app.grpc_addr] {
            let mut stream = connect(addr).await;
            let _cut_short = stream.write_all(&bytes).await;
            let _already_closed = stream.shutdown().await;
            let response = read_to_end(&mut stream).await;
            let text = String::from_utf8_lossy(&response);
            assert!(!response.starts_with(b"HTTP/1.1 5"), "{text}");
        }
    });
}

#[test]
fn any_message_gets_a_status_that_is_not_internal() {
    let good = BatchCreateTasksRequest {
        case_id: 1,
        tasks: vec![new_task("a", &["user1@example.com"])],
        request_id: "an id".to_owned(),
        ..Default::default()
    };
    let message = prop_oneof![vec(any::<u8>(), 0..200), mutated(good.encode_to_vec())];
    let body = prop_oneof![
        vec(any::<u8>(), 0..200),
        message.clone().prop_map(|message| frame(&message)),
        mutated(frame(&good.encode_to_vec())),
    ];
    run(body, async |app, body| {
        let status = send(&mut app.channel().await, METHOD, key_headers(app), body).await;
        assert!(!matches!(status.code(), Code::Internal | Code::Unknown), "{status:?}");
    });
}

#[test]
fn any_metadata_gets_a_status_that_is_not_internal() {
    let metadata = prop_oneof![
        (Just("authorization"), header("Bearer cl_0123456789012345678901234567890123456789012")),
        (Just("grpc-timeout"), header("10S")),
        (Just("grpc-encoding"), header("identity")),
        (Just("grpc-accept-encoding"), header("gzip,identity")),
        (Just("x-request-id"), header("8e03978e-40d5-43e8-bc93-6894a57f9324")),
        (Just("a-binary-one-bin"), header("AAEC")),
    ];
    run(metadata, async |app, (name, value)| {
        let mut headers = key_headers(app);
        headers.insert(name, http::HeaderValue::from_bytes(&value).unwrap());
        let message = BatchCreateTasksRequest { case_id: app.case_id, ..Default::default() };
        let body = frame(&message.encode_to_vec());
        let status = send(&mut app.channel().await, METHOD, headers, body).await;
        let is_rejected = !matches!(status.code(), Code::Ok | Code::Internal | Code::Unknown);
        assert!(is_rejected, "{status:?}");
    });
}
