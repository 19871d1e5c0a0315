//! What `fuzz/` feeds: each takes any bytes, and panics where something is wrong.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use proto::{Message as _, tasks::v1::BatchCreateTasksRequest};
use tonic::metadata::MetadataMap;

use crate::{bearer, convert, deadline, status};

/// The value of an `authorization`. A key that is taken stands in it, and no refusal repeats any
/// of it.
pub fn bearer(bytes: &[u8]) {
    let Some(headers) = headers("authorization", bytes) else { return };
    match bearer::key(&MetadataMap::from_headers(headers)) {
        Ok(key) => assert!(bytes.ends_with(key.expose().as_bytes())),
        Err(fault) => {
            let status = status::from_error(&fault.into());
            assert_eq!(status.code(), tonic::Code::Unauthenticated);
        }
    }
}

/// The value of a `grpc-timeout`: at most eight digits of hours.
pub fn grpc_timeout(bytes: &[u8]) {
    let Some(headers) = headers("grpc-timeout", bytes) else { return };
    if let Some(timeout) = deadline::grpc_timeout(&headers) {
        assert!(timeout <= Duration::from_secs(99_999_999 * 3600));
    }
}

/// A message, to be read, and judged where it can be read. Faults are told in bounds.
pub fn protobuf(bytes: &[u8]) {
    let Ok(message) = BatchCreateTasksRequest::decode(bytes) else { return };
    if let Err(error) = convert::to_batch(message) {
        let status = status::from_error(&error);
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert!(status.details().len() < 512 * 1024);
    }
}

fn headers(name: &'static str, value: &[u8]) -> Option<HeaderMap> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some(HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
}
