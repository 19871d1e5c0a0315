//! What becomes of an attempt to export spans.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use prost::Message as _;
use proto::wire::header::GRPC_STATUS;

use super::{endpoint::FRAME_HEAD, message::ExportTraceServiceResponse};

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
    #[error("gRPC code {0}")]
    Grpc(u16),
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
            // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS.
            Self::Grpc(code) => matches!(code, 1 | 4 | 10 | 11 | 14 | 15),
            Self::Malformed => false,
        }
    }

    /// Returns how long the collector asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http(_, retry_after) => *retry_after,
            Self::Unreached(_) | Self::TimedOut | Self::Grpc(_) | Self::Malformed => None,
        }
    }
}

/// Reads the response to an HTTP request. Returns how many spans the collector has rejected.
pub(super) fn of_http(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<u64, ExportError> {
    if !status.is_success() {
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        return Err(ExportError::Http(status, seconds.map(Duration::from_secs)));
    }
    rejected(body)
}

/// Reads the response to a gRPC call, of which the status is among the trailers, or among the headers if there is
/// no message.
pub(super) fn of_grpc(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    trailers: Option<&HeaderMap>,
) -> Result<u64, ExportError> {
    if status != StatusCode::OK {
        return Err(ExportError::Http(status, None));
    }
    let code =
        trailers.and_then(|trailers| trailers.get(&GRPC_STATUS)).or(headers.get(&GRPC_STATUS));
    let code = code.and_then(|code| code.to_str().ok()?.parse().ok());
    match code.ok_or(ExportError::Malformed)? {
        0 => rejected(body.get(FRAME_HEAD..).unwrap_or_default()),
        code => Err(ExportError::Grpc(code)),
    }
}

/// Spans that were taken are not sent again, whatever else the collector says.
fn rejected(body: &[u8]) -> Result<u64, ExportError> {
    let response = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    let rejected = response.partial_success.map_or(0, |partial| partial.rejected_spans);
    Ok(u64::try_from(rejected).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// A message that says that 3 spans were rejected: field 1 with a field 1.
    const REJECTED: [u8; 4] = [0x0a, 2, 0x08, 3];

    #[test]
    fn a_response_says_how_many_spans_were_rejected_or_whether_to_try_again() {
        let none = HeaderMap::new();
        let http = |status: u16, headers| {
            of_http(StatusCode::from_u16(status).unwrap(), headers, &REJECTED)
        };
        assert_eq!(http(200, &none).unwrap(), 3);
        assert_eq!(of_http(StatusCode::OK, &none, b"").unwrap(), 0);
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
        let framed = [&[0, 0, 0, 0, 4][..], &REJECTED].concat();
        assert_eq!(of_grpc(StatusCode::OK, &none, &framed, Some(&status("0"))).unwrap(), 3);
        for (code, may_pass) in
            [("14", true), ("4", true), ("8", false), ("12", false), ("16", false)]
        {
            for (headers, trailers) in [(&status(code), None), (&none, Some(&status(code)))] {
                let error = of_grpc(StatusCode::OK, headers, b"", trailers).unwrap_err();
                assert!(
                    matches!(error, ExportError::Grpc(_)) && error.may_pass() == may_pass,
                    "{code}"
                );
            }
        }
        let malformed = of_grpc(StatusCode::OK, &none, b"", None).unwrap_err();
        assert!(matches!(malformed, ExportError::Malformed));
        let proxy = of_grpc(StatusCode::BAD_GATEWAY, &none, b"", None).unwrap_err();
        assert!(proxy.may_pass());
    }
}
