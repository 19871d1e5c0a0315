//! What becomes of an attempt to export spans.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use prost::Message as _;
use proto::wire::header::{GRPC_STATUS, GRPC_STATUS_DETAILS};
use tonic::{Code, metadata::MetadataMap};
use tonic_types::pb;

use super::{endpoint::FRAME_HEAD, message::ExportTraceServiceResponse};

/// What a collector says of spans that it has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// How many of them it has rejected.
    pub(super) rejected: u64,
    /// Why, or what else is wrong with them.
    pub(super) message: String,
}

/// Why spans were not exported.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The collector could not be reached, or the connection was lost.
    #[error("no response")]
    Unreached(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It did not respond in time.
    #[error("no response in time")]
    TimedOut,
    /// It refused the spans.
    #[error("HTTP status {0}")]
    Http(StatusCode, Option<Duration>),
    /// It refused the spans.
    #[error("gRPC code {0:?}")]
    Grpc(Code, Option<Duration>),
    /// It does not speak the protocol.
    #[error("a response that is none of OTLP")]
    Malformed,
}

impl ExportError {
    /// Whether the same request may succeed later, as OTLP has it.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreached(_) | Self::TimedOut => true,
            Self::Http(status, _) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Grpc(code, retry_after) => match code {
                Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss => true,
                // Only a collector that says when is busy. Another one has had enough.
                Code::ResourceExhausted => retry_after.is_some(),
                Code::Ok
                | Code::Unknown
                | Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::FailedPrecondition
                | Code::Unimplemented
                | Code::Internal
                | Code::Unauthenticated => false,
            },
            Self::Malformed => false,
        }
    }

    /// Returns how long the collector asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http(_, retry_after) | Self::Grpc(_, retry_after) => *retry_after,
            Self::Unreached(_) | Self::TimedOut | Self::Malformed => None,
        }
    }
}

/// Reads the response to an HTTP request.
pub(super) fn of_http(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Accepted, ExportError> {
    if !status.is_success() {
        return Err(ExportError::Http(status, retry_after(headers)));
    }
    Ok(accepted(body))
}

/// Returns how long to wait (RFC 9110, 10.2.3): a number of seconds, or until a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Reads the response to a gRPC call, of which the status is among the trailers, or among the headers if there is
/// no message.
pub(super) fn of_grpc(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    trailers: Option<&HeaderMap>,
) -> Result<Accepted, ExportError> {
    if status != StatusCode::OK {
        return Err(ExportError::Http(status, retry_after(headers)));
    }
    let fields = trailers.filter(|it| it.contains_key(&GRPC_STATUS)).unwrap_or(headers);
    let code = fields.get(&GRPC_STATUS).ok_or(ExportError::Malformed)?;
    match Code::from_bytes(code.as_bytes()) {
        Code::Ok => Ok(accepted(body.get(FRAME_HEAD..).unwrap_or_default())),
        code => Err(ExportError::Grpc(code, retry_delay(fields))),
    }
}

/// Returns how long to wait: the details of the status say so, in a message `google.rpc.RetryInfo`.
fn retry_delay(fields: &HeaderMap) -> Option<Duration> {
    const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
    let fields = MetadataMap::from_headers(fields.clone());
    let details = fields.get_bin(GRPC_STATUS_DETAILS.as_str())?.to_bytes().ok()?;
    let status = pb::Status::decode(details).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url == RETRY_INFO)?;
    let delay = pb::RetryInfo::decode(&*info.value).ok()?.retry_delay?;
    Some(Duration::try_from(delay).unwrap_or_default())
}

/// Spans that were taken are not sent again, whatever else the collector says.
fn accepted(body: &[u8]) -> Accepted {
    let response = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    let partial = response.partial_success.unwrap_or_default();
    let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
    Accepted { rejected, message: partial.error_message }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// A message that says that 3 spans were rejected, and why: field 1 with fields 1 and 2.
    const REJECTED: [u8; 8] = [0x0a, 6, 0x08, 3, 0x12, 2, b'n', b'o'];

    /// A `google.rpc.Status` with the code 8, and with a `RetryInfo` of 7 s.
    const RETRY_IN_7_S: &str =
        "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIBw==";

    fn rejected() -> Accepted {
        Accepted { rejected: 3, message: "no".to_owned() }
    }

    #[test]
    fn a_response_says_how_many_spans_were_rejected_or_whether_to_try_again() {
        let none = HeaderMap::new();
        let http = |status: u16, headers| {
            of_http(StatusCode::from_u16(status).unwrap(), headers, &REJECTED)
        };
        assert_eq!(http(200, &none).unwrap(), rejected());
        let all = Accepted { rejected: 0, message: String::new() };
        assert_eq!(of_http(StatusCode::OK, &none, b"").unwrap(), all);
        let mut later = HeaderMap::new();
        later.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        for (status, may_pass) in
            [(400, false), (401, false), (429, true), (500, false), (503, true)]
        {
            let error = http(status, &later).unwrap_err();
            assert_eq!(error.may_pass(), may_pass, "{status}");
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn the_status_of_a_call_is_in_its_trailers_or_its_headers() {
        let status =
            |code: &str| HeaderMap::from_iter([(GRPC_STATUS.clone(), code.parse().unwrap())]);
        let none = HeaderMap::new();
        let framed = [&[0, 0, 0, 0, 8][..], &REJECTED].concat();
        let accepted = of_grpc(StatusCode::OK, &none, &framed, Some(&status("0")));
        assert_eq!(accepted.unwrap(), rejected());
        for (code, may_pass) in
            [("14", true), ("4", true), ("8", false), ("12", false), ("16", false)]
        {
            for (headers, trailers) in [(&status(code), None), (&none, Some(&status(code)))] {
                let error = of_grpc(StatusCode::OK, headers, b"", trailers).unwrap_err();
                assert!(
                    matches!(error, ExportError::Grpc(..)) && error.may_pass() == may_pass,
                    "{code}"
                );
            }
        }
        let malformed = of_grpc(StatusCode::OK, &none, b"", None).unwrap_err();
        assert!(matches!(malformed, ExportError::Malformed));
        let proxy = of_grpc(StatusCode::BAD_GATEWAY, &none, b"", None).unwrap_err();
        assert!(proxy.may_pass());
    }

    #[test]
    fn a_collector_says_when_it_takes_spans_again() {
        let date = |from_now: i64| {
            let now = SystemTime::now();
            let seconds = Duration::from_secs(from_now.unsigned_abs());
            httpdate::fmt_http_date(if from_now < 0 { now - seconds } else { now + seconds })
        };
        let wait = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            of_http(StatusCode::SERVICE_UNAVAILABLE, &headers, b"").unwrap_err().retry_after()
        };
        assert_eq!(wait("0"), Some(Duration::ZERO));
        assert_eq!(wait(&date(-60)), Some(Duration::ZERO));
        let soon = wait(&date(60)).unwrap();
        assert!(soon > Duration::from_secs(50) && soon <= Duration::from_secs(60), "{soon:?}");
        for malformed in ["", "-1", "soon"] {
            assert_eq!(wait(malformed), None, "{malformed}");
        }

        let busy = |code: &'static str, details: &'static str| {
            let trailers = HeaderMap::from_iter([
                (GRPC_STATUS.clone(), HeaderValue::from_static(code)),
                (GRPC_STATUS_DETAILS.clone(), HeaderValue::from_static(details)),
            ]);
            of_grpc(StatusCode::OK, &HeaderMap::new(), b"", Some(&trailers)).unwrap_err()
        };
        for code in ["8", "14"] {
            let error = busy(code, RETRY_IN_7_S);
            assert_eq!(
                (error.may_pass(), error.retry_after()),
                (true, Some(Duration::from_secs(7)))
            );
        }
        // What is malformed says nothing.
        for malformed in [&RETRY_IN_7_S[..40], "%", ""] {
            let error = busy("8", malformed);
            assert_eq!((error.may_pass(), error.retry_after()), (false, None), "{malformed}");
        }
    }
}
