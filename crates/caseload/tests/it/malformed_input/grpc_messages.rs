//! Messages of gRPC that are none: what cannot be read is the caller's fault, and told as such.

use prost::Message as _;
use proto::tasks::v1::{BatchCreateTasksRequest, NewTask};
use tonic::{
    Code, Status,
    codegen::{Body as _, Service as _, http},
    transport::{Channel, Endpoint},
};

use crate::connections::assert_serves;
use crate::{support::App, support::create_call::told_by};

pub(super) const METHOD: &str = "/caseload.tasks.v1.TaskService/BatchCreateTasks";

/// A message in gRPC's frame: whether it is compressed, its size, itself.
pub(super) fn frame(message: &[u8]) -> Vec<u8> {
    framed(0, message.len(), message)
}

fn framed(flag: u8, size: usize, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(size).unwrap().to_be_bytes(), message].concat()
}

/// A connection for requests of any make.
pub(super) async fn channel(app: &App) -> Channel {
    Endpoint::try_from(format!("http://{}", app.grpc_addr)).unwrap().connect().await.unwrap()
}

/// Sends bytes as a call's body, and reads the status wherever it stands.
pub(super) async fn send(
    channel: &mut Channel,
    path: &str,
    headers: http::HeaderMap,
    body: Vec<u8>,
) -> Status {
    let body = http_body_util::Full::new(bytes::Bytes::from(body));
    let mut request = http::Request::post(path).body(tonic::body::Body::new(body)).unwrap();
    *request.headers_mut() = headers;
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let answer = channel.call(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return status;
    }
    let mut body = std::pin::pin!(answer.into_body());
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(trailers) = frame.unwrap().into_trailers() {
            return Status::from_header_map(&trailers).expect("a status in the trailers");
        }
    }
    panic!("no status");
}

/// The app's key and nothing else.
pub(super) fn key(app: &App) -> http::HeaderMap {
    let value = format!("Bearer {}", app.key.expose());
    [(http::header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_is_an_invalid_argument() {
    const MIB: usize = 1024 * 1024;
    const MALFORMED: &str = "INVALID_ARGUMENT MESSAGE_MALFORMED";
    const TOO_LARGE: &str = "OUT_OF_RANGE MESSAGE_TOO_LARGE";
    let app = App::start().await;
    let mut channel = channel(&app).await;
    let good = BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![NewTask { description: "a".to_owned(), assignee_emails: Vec::new() }],
        ..Default::default()
    }
    .encode_to_vec();
    let cut = &good[..good.len() - 1];
    let table = [
        // No message at all, half a frame, and less than the frame says.
        (Vec::new(), MALFORMED),
        (vec![0, 0, 0], MALFORMED),
        (framed(0, good.len() + 1, &good), MALFORMED),
        // Said to be compressed, though not how; and a flag that there isn't.
        (framed(1, good.len(), &good), MALFORMED),
        (framed(2, good.len(), &good), MALFORMED),
        (framed(255, good.len(), &good), MALFORMED),
        // No protobuf: cut off, not UTF-8, a wire type that isn't the field's or isn't any, a
        // varint without end, a size beyond the end, a field's number that isn't, an end of
        // nothing, and groups within groups.
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
        let status = send(&mut channel, METHOD, key(&app), body).await;
        assert_eq!(told_by(&status), expected, "{start:?}: {status:?}");
        assert_ne!(status.message(), "");
    }

    let mut gzip = key(&app);
    gzip.insert("grpc-encoding", "gzip".parse().unwrap());
    let status = send(&mut channel, METHOD, gzip, framed(1, good.len(), &good)).await;
    assert_eq!(told_by(&status), "UNIMPLEMENTED NOT_SUPPORTED");
    let status = send(&mut channel, "/nowhere", key(&app), frame(&good)).await;
    assert_eq!(told_by(&status), "UNIMPLEMENTED NOT_SUPPORTED");
    assert_eq!(app.row_counts(), (0, 0));

    assert_eq!(send(&mut channel, METHOD, key(&app), frame(&good)).await.code(), Code::Ok);
    assert_eq!(app.row_counts(), (1, 0));
    assert_serves(&app).await;
}

/// Health is another's contract; what cannot be read is the caller's fault there too.
#[tokio::test(flavor = "multi_thread")]
async fn health_tells_the_same_of_a_message_that_cannot_be_read() {
    let app = App::start().await;
    let mut channel = channel(&app).await;
    for method in ["Check", "Watch"] {
        let path = format!("/grpc.health.v1.Health/{method}");
        let status =
            send(&mut channel, &path, http::HeaderMap::new(), frame(b"\x0a\x01\xff")).await;
        assert_eq!(told_by(&status), "INVALID_ARGUMENT MESSAGE_MALFORMED");
    }
}
