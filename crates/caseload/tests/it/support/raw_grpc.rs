//! Calls whose message is any bytes, right or wrong.

use tonic::{
    Status,
    codegen::{Body as _, Service as _, http},
    transport::Channel,
};

/// Returns a message in gRPC framing: the compression flag, the length, the message.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    framed(0, message.len(), message)
}

/// Returns a message in gRPC framing with any flag and length, right or wrong.
pub(crate) fn framed(flag: u8, size: usize, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(size).unwrap().to_be_bytes(), message].concat()
}

/// Sends bytes as the body of a call, and reads the status from the headers or the trailers.
pub(crate) async fn send(
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
    let response = channel.call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    if let Some(status) = Status::from_header_map(response.headers()) {
        return status;
    }
    let mut body = std::pin::pin!(response.into_body());
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(trailers) = frame.unwrap().into_trailers() {
            return Status::from_header_map(&trailers).expect("a status in the trailers");
        }
    }
    panic!("no status");
}
