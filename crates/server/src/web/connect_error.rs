//! Statuses as Connect's unary calls have them: an HTTP status, and a body in JSON.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use prost_reflect::DynamicMessage;
use proto::{
    Message as _,
    wire::{self, header},
};
use serde::Serialize;
use tonic::{Code, Status, body::Body, metadata::BinaryMetadataValue};
use tonic_types::pb;

use super::schema::Schemas;

/// The body of a response that has a status.
#[derive(Serialize)]
struct ConnectError<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

#[derive(Serialize)]
struct Detail {
    /// The name of the message's type.
    r#type: String,
    /// The message in base64, without padding.
    value: String,
    /// The message, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<DynamicMessage>,
}

/// Returns a response as it is, or with the status of its headers in its body.
pub(super) fn from_grpc(schemas: &Schemas, response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    let error = ConnectError {
        code: code(status.code()),
        message: status.message(),
        details: details(schemas, &status),
    };
    let body = serde_json::to_vec(&error).unwrap_or_else(|error| {
        tracing::error!(%error, "failed to write a status as JSON");
        Vec::new()
    });
    let (mut parts, _) = response.into_parts();
    for name in [&header::GRPC_STATUS, &header::GRPC_MESSAGE, &header::GRPC_STATUS_DETAILS] {
        parts.headers.remove(name);
    }
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.status = StatusCode::from_u16(wire::http_status(status.code()))
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::from_parts(parts, Body::new(Full::new(Bytes::from(body))))
}

fn details(schemas: &Schemas, status: &Status) -> Vec<Detail> {
    let Ok(status) = pb::Status::decode(status.details()) else { return Vec::new() };
    let details = status.details.into_iter().map(|detail| {
        let r#type = match detail.type_url.rsplit_once('/') {
            Some((_, name)) => name.to_owned(),
            None => detail.type_url,
        };
        // Metadata has the form of base64 that Connect wants.
        let value = BinaryMetadataValue::from_bytes(&detail.value);
        let value = String::from_utf8_lossy(value.as_encoded_bytes()).into_owned();
        let debug = schemas.detail(&r#type, Bytes::from(detail.value));
        Detail { r#type, value, debug }
    });
    details.collect()
}

/// The name of a code.
const fn code(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "canceled",
        // There is no name for a status that is no failure.
        Code::Ok | Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}
