//! gRPC messages that can't be decoded: the status is INVALID_ARGUMENT or OUT_OF_RANGE.

use prost::Message as _;
use proto::tasks::v1::BatchCreateTasksRequest;
use tonic::{Code, codegen::http};

use crate::support::{
    App, code_and_reasons, new_task,
    raw_grpc::{frame, framed, send},
};

/// The path of batch create over gRPC.
pub(crate) const METHOD: &str = "/caseload.tasks.v1.TaskService/BatchCreateTasks";

/// Returns headers with the app's key and nothing else.
pub(crate) fn key_headers(app: &App) -> http::HeaderMap {
    let value = format!("Bearer {}", app.key.expose());
    [(http::header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_decoded_is_an_invalid_argument() {
    const MIB: usize = 1024 * 1024;
    const MALFORMED: &str = "INVALID_ARGUMENT MESSAGE_MALFORMED";
    const TOO_LARGE: &str = "OUT_OF_RANGE MESSAGE_TOO_LARGE";
    let app = App::start().await;
    let mut channel = app.channel().await;
    let good = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![new_task("a", &[])],
        ..Default::default()
    }
    .encode_to_vec();
    let cut = &good[..good.len() - 1];
    let table = [
        // No message at all, half a frame header, and less than the declared length.
        (Vec::new(), MALFORMED),
        (vec![0, 0, 0], MALFORMED),
        (framed(0, good.len() + 1, &good), MALFORMED),
        // Compressed without a declared encoding, and unknown flags.
        (framed(1, good.len(), &good), MALFORMED),
        (framed(2, good.len(), &good), MALFORMED),
        (framed(255, good.len(), &good), MALFORMED),
        // Invalid protobuf: cut off, not UTF-8, a wrong or unknown wire type, a varint that is too
        // long, a length beyond the end, field number 0, an end without a start of a group, and
        // nested groups.
        (frame(cut), MALFORMED),
        (frame(b"\x12\x03\x0a\x01\xff"), MALFORMED),
        (frame(b"\x0a\x01a"), MALFORMED),
        (frame(b"\x0f"), MALFORMED),
        (frame(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), MALFORMED),
        (frame(b"\x12\x7f"), MALFORMED),
        (frame(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), MALFORMED),
        (frame(b"\x00\x01"), MALFORMED),
        (frame(b"\x24"), MALFORMED),
        (frame(&[0x23; 100_000]), MALFORMED),
        (framed(0, 3 * MIB, b""), TOO_LARGE),
        (framed(0, u32::MAX as usize, &good), TOO_LARGE),
    ];
    for (body, expected) in table {
        let start = body[..body.len().min(20)].to_vec();
        let status = send(&mut channel, METHOD, key_headers(&app), body).await;
        assert_eq!(code_and_reasons(&status), expected, "{start:?}: {status:?}");
        assert_ne!(status.message(), "");
    }

    let mut gzip = key_headers(&app);
    gzip.insert("grpc-encoding", "gzip".parse().unwrap());
    let status = send(&mut channel, METHOD, gzip, framed(1, good.len(), &good)).await;
    assert_eq!(code_and_reasons(&status), "UNIMPLEMENTED NOT_SUPPORTED");
    let status = send(&mut channel, "/nowhere", key_headers(&app), frame(&good)).await;
    assert_eq!(code_and_reasons(&status), "UNIMPLEMENTED NOT_SUPPORTED");
    assert_eq!(app.row_counts(), (0, 0));

    assert_eq!(send(&mut channel, METHOD, key_headers(&app), frame(&good)).await.code(), Code::Ok);
    assert_eq!(app.row_counts(), (1, 0));
    app.assert_serves().await;
}

/// The health service is not ours, but malformed messages get the same status there.
#[tokio::test(flavor = "multi_thread")]
async fn health_rejects_a_message_that_cannot_be_decoded_too() {
    let app = App::start().await;
    let mut channel = app.channel().await;
    for method in ["Check", "Watch"] {
        let path = format!("/grpc.health.v1.Health/{method}");
        let status =
            send(&mut channel, &path, http::HeaderMap::new(), frame(b"\x0a\x01\xff")).await;
        assert_eq!(code_and_reasons(&status), "INVALID_ARGUMENT MESSAGE_MALFORMED");
    }
}
