//! The heads of Connect's unary calls (<https://connectrpc.com/docs/protocol>).

use std::time::Duration;

use http::{
    HeaderMap, HeaderValue, Request,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TE},
};
use proto::wire::{self, Reason, header};
use tonic::Status;

use crate::{layers::Framing, status};

/// The version of the protocol.
const VERSION: &str = "1";

/// The most digits of a time that a caller grants.
const TIMEOUT_DIGITS: usize = 10;

/// Returns a call with the head that the same call has over gRPC, and its body as it is.
///
/// # Errors
/// The status of a method that is not in the contract, of a version of the protocol or a compression that
/// is not supported, and of a malformed time.
pub(super) fn to_grpc<B>(mut request: Request<B>, framing: Framing) -> Result<Request<B>, Status> {
    if wire::access(request.uri().path()).is_none() {
        return Err(not_supported("the method does not exist"));
    }
    let headers = request.headers_mut();
    if headers.remove(&header::CONNECT_PROTOCOL_VERSION).is_some_and(|it| it != VERSION) {
        return Err(not_supported("the only version of the protocol that is supported is 1"));
    }
    if headers.remove(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(not_supported("the only content-encoding that is supported is identity"));
    }
    match headers.remove(&header::CONNECT_TIMEOUT) {
        Some(millis) => headers.insert(header::GRPC_TIMEOUT.clone(), grpc_timeout(&millis)?),
        None => headers.remove(&header::GRPC_TIMEOUT),
    };
    set_grpc(headers);
    request.extensions_mut().insert(framing);
    Ok(request)
}

fn set_grpc(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

/// Returns the time that the caller grants, if that is well-formed.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    headers.get(&header::CONNECT_TIMEOUT).and_then(to_millis).map(Duration::from_millis)
}

fn to_millis(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let is_number = (1..=TIMEOUT_DIGITS).contains(&text.len())
        && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Returns the time that a caller grants as gRPC writes it, which has at most eight digits.
fn grpc_timeout(millis: &HeaderValue) -> Result<HeaderValue, Status> {
    let millis = to_millis(millis).ok_or_else(|| {
        let message = format!("a time is 1 to {TIMEOUT_DIGITS} digits");
        status::with_reason(Reason::RequestTimeoutInvalid, &message)
    })?;
    let timeout = match millis {
        0..=99_999_999 => format!("{millis}m"),
        _ => format!("{}S", millis / 1000),
    };
    // Digits and a letter are always valid.
    HeaderValue::try_from(timeout).map_err(|_| not_supported("the time is not supported"))
}

fn not_supported(message: &str) -> Status {
    status::with_reason(Reason::NotSupported, message)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const PATH: &str = "/caseload.tasks.v1.TaskService/GetTask";

    fn translated(path: &str, headers: &[(&str, &str)]) -> Result<HeaderMap, Code> {
        let request = headers
            .iter()
            .fold(Request::post(path), |request, (name, value)| request.header(*name, *value));
        let request = to_grpc(request.body(()).unwrap(), Framing::Json);
        let request = request.map_err(|status| status.code())?;
        assert_eq!(Framing::of(request.extensions()), Framing::Json);
        Ok(request.into_parts().0.headers)
    }

    #[test]
    fn the_head_of_a_call_is_that_of_grpc() {
        let headers = [
            ("content-type", "application/json"),
            ("content-length", "2"),
            ("content-encoding", "identity"),
            ("connect-protocol-version", "1"),
            ("connect-timeout-ms", "1500"),
            ("authorization", "Bearer key"),
        ];
        let translated = translated(PATH, &headers).unwrap();
        let expected = [
            ("content-type", "application/grpc+proto"),
            ("te", "trailers"),
            ("grpc-timeout", "1500m"),
            ("authorization", "Bearer key"),
        ];
        assert_eq!(translated.len(), expected.len(), "{translated:?}");
        for (name, value) in expected {
            assert_eq!(translated[name], value);
        }
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for (path, name, value) in [
            ("/caseload.tasks.v1.TaskService/Nothing", "accept", "*/*"),
            ("/grpc.health.v1.Health/Check", "accept", "*/*"),
            (PATH, "connect-protocol-version", "2"),
            (PATH, "content-encoding", "gzip"),
        ] {
            assert_eq!(translated(path, &[(name, value)]), Err(Code::Unimplemented), "{value}");
        }
    }

    #[test]
    fn every_time_is_written_as_grpc_does() {
        for (millis, written) in [
            ("0", Some("0m")),
            ("99999999", Some("99999999m")),
            ("100000000", Some("100000S")),
            ("9999999999", Some("9999999S")),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1s", None),
            ("12345678901", None),
        ] {
            let translated = translated(PATH, &[("connect-timeout-ms", millis)]);
            let timeout = translated.as_ref().map(|it| it["grpc-timeout"].to_str().unwrap());
            assert_eq!(timeout, written.ok_or(&Code::InvalidArgument), "{millis}");
        }
        // It means nothing in this protocol.
        let headers = translated(PATH, &[("grpc-timeout", "1m")]).unwrap();
        assert!(!headers.contains_key("grpc-timeout"));
    }
}
