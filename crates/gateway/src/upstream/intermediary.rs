//! Responses that an intermediary wrote instead of the server (RFC 9110, 3.7), and what they prove.

use std::{error::Error, fmt};

use http::{
    HeaderMap, StatusCode,
    header::{RETRY_AFTER, SERVER},
};
use proto::wire::header::{
    ENVOY_OVERLOADED, ENVOY_RATELIMITED, GRPC_MESSAGE, GRPC_RETRY_PUSHBACK, GRPC_STATUS,
};
use telemetry::cut;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    details,
    failure::{Failure, IntermediaryRejection},
};

/// A response that an intermediary wrote instead of the server.
#[derive(Debug)]
pub(super) struct IntermediaryResponse {
    pub(super) status: StatusCode,
    /// The gRPC code, if it has one.
    pub(super) code: Option<Code>,
    pub(super) headers: HeaderMap,
}

impl Error for IntermediaryResponse {}

impl fmt::Display for IntermediaryResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status.as_u16())?;
        for name in [&SERVER, &GRPC_STATUS, &GRPC_MESSAGE] {
            if let Some(value) = self.headers.get(name) {
                write!(f, ", {name}: {value:?}")?;
            }
        }
        Ok(())
    }
}

/// Returns the failure that an intermediary's response stands for, and logs it.
pub(super) fn failure(response: &IntermediaryResponse) -> Failure {
    let failure = classify(response);
    // Its texts may be as long as a header may be.
    let shown = || cut(&response.to_string()).into_owned();
    // Rejections for load come in great numbers.
    if matches!(
        failure,
        Failure::Rejected(
            IntermediaryRejection::RateLimited(_) | IntermediaryRejection::Unavailable(_)
        )
    ) {
        tracing::debug!(
            response = shown(),
            ?failure,
            "an intermediary responded instead of the server"
        );
    } else {
        tracing::warn!(
            response = shown(),
            ?failure,
            "an intermediary responded instead of the server"
        );
    }
    failure
}

/// Returns what an intermediary's response proves. A proxy that rejects a call has not forwarded
/// it. A proxy that fails with a call may have, and the server may have completed it: so each
/// response that is not certain to be a rejection counts as lost. The texts that say more ("no
/// healthy upstream") prove nothing: they can be configured, and differ between versions and after
/// the proxy's own retries.
fn classify(response: &IntermediaryResponse) -> Failure {
    let retry_after = || response.headers.get(RETRY_AFTER).cloned();
    // Envoy marks the calls that it dropped. Their code, 14, proves nothing.
    if response.headers.contains_key(&ENVOY_RATELIMITED) {
        return Failure::Rejected(IntermediaryRejection::RateLimited(retry_after()));
    }
    if response.headers.contains_key(&ENVOY_OVERLOADED) {
        return Failure::Rejected(IntermediaryRejection::Unavailable(retry_after()));
    }
    match (response.code, response.status) {
        (Some(Code::Unauthenticated), _) | (None, StatusCode::UNAUTHORIZED) => {
            Failure::Rejected(IntermediaryRejection::Unauthenticated)
        }
        (Some(Code::PermissionDenied), _) | (None, StatusCode::FORBIDDEN) => {
            Failure::Rejected(IntermediaryRejection::Forbidden)
        }
        (None, StatusCode::TOO_MANY_REQUESTS) => {
            Failure::Rejected(IntermediaryRejection::RateLimited(retry_after()))
        }
        (Some(Code::ResourceExhausted), _) if is_rate_limit(response) => {
            Failure::Rejected(IntermediaryRejection::RateLimited(retry_after()))
        }
        (None, StatusCode::PAYLOAD_TOO_LARGE) => {
            Failure::Rejected(IntermediaryRejection::BodyTooLarge)
        }
        (None, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => {
            Failure::Rejected(IntermediaryRejection::HeadersTooLarge)
        }
        // Overload or maintenance (RFC 9110, 15.6.4). Without a time, proxies also respond so when
        // their connection to the server broke.
        (None, StatusCode::SERVICE_UNAVAILABLE) if response.headers.contains_key(RETRY_AFTER) => {
            Failure::Rejected(IntermediaryRejection::Unavailable(retry_after()))
        }
        // The service is unknown there: the call was not routed to a server.
        (Some(Code::Unimplemented), _)
        | (
            None,
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::MISDIRECTED_REQUEST,
        ) => Failure::Unreached,
        _ => Failure::Lost,
    }
}

/// Returns whether RESOURCE_EXHAUSTED stands for a rate limit. gRPC libraries also use it for a
/// response that is larger than they take: in a proxy, after the server has completed the call.
fn is_rate_limit(response: &IntermediaryResponse) -> bool {
    response.status == StatusCode::TOO_MANY_REQUESTS
        || response.headers.contains_key(RETRY_AFTER)
        || response.headers.contains_key(&GRPC_RETRY_PUSHBACK)
        || details::read_status(&response.headers)
            .is_some_and(|status| status.get_details_retry_info().is_some())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderName, HeaderValue};
    use tonic::Status;
    use tonic_types::ErrorDetails;

    use super::*;

    /// Classifies a response with this code (none: plain HTTP), status and headers.
    fn classified(code: Option<Code>, status: u16, headers: &[&'static str]) -> String {
        let value = HeaderValue::from_static("7");
        let headers = headers.iter().map(|name| (HeaderName::from_static(name), value.clone()));
        let status = StatusCode::from_u16(status).unwrap();
        let response = IntermediaryResponse { status, code, headers: headers.collect() };
        name(classify(&response))
    }

    fn name(failure: Failure) -> String {
        match failure {
            Failure::Rejected(rejection) => format!("{rejection:?}"),
            failure => format!("{failure:?}"),
        }
    }

    #[test]
    fn plain_http_proves_something_only_if_it_rejects() {
        for (status, failure) in [
            (401, "Unauthenticated"),
            (403, "Forbidden"),
            (404, "Unreached"),
            (405, "Unreached"),
            (413, "BodyTooLarge"),
            (421, "Unreached"),
            (429, "RateLimited(None)"),
            (431, "HeadersTooLarge"),
        ] {
            assert_eq!(classified(None, status, &[]), failure, "{status}");
        }
        for status in [200, 204, 301, 400, 408, 409, 499, 500, 501, 502, 503, 504, 520] {
            assert_eq!(classified(None, status, &[]), "Lost", "{status}");
        }
        assert_eq!(classified(None, 429, &["retry-after"]), r#"RateLimited(Some("7"))"#);
        assert_eq!(classified(None, 503, &["retry-after"]), r#"Unavailable(Some("7"))"#);
        assert_eq!(classified(None, 502, &["retry-after"]), "Lost");
    }

    #[test]
    fn of_an_intermediarys_codes_only_three_prove_something() {
        for number in 0..=17 {
            let code = Code::from_i32(number);
            let failure = match code {
                Code::PermissionDenied => "Forbidden",
                Code::Unauthenticated => "Unauthenticated",
                Code::Unimplemented => "Unreached",
                _ => "Lost",
            };
            // The HTTP status that comes with it means nothing.
            for status in [200, 404, 503] {
                assert_eq!(classified(Some(code), status, &[]), failure, "{code:?}");
            }
        }
        assert_eq!(classified(Some(Code::Unavailable), 200, &["retry-after"]), "Lost");
    }

    /// Otherwise it may be a library's code for a response that is too large for it.
    #[test]
    fn resource_exhausted_proves_something_with_the_mark_of_a_rate_limit() {
        let code = Some(Code::ResourceExhausted);
        assert_eq!(classified(code, 200, &[]), "Lost");
        assert_eq!(classified(code, 200, &["grpc-message"]), "Lost");
        assert_eq!(classified(code, 429, &[]), "RateLimited(None)");
        assert_eq!(classified(code, 200, &["retry-after"]), r#"RateLimited(Some("7"))"#);
        assert_eq!(classified(code, 200, &["grpc-retry-pushback-ms"]), "RateLimited(None)");
        assert_eq!(classified(code, 200, &["x-envoy-ratelimited"]), "RateLimited(None)");

        for (details, failure) in [
            (ErrorDetails::with_retry_info(Some(Duration::from_secs(1))), "RateLimited(None)"),
            (ErrorDetails::with_debug_info(vec![], "received message larger than max"), "Lost"),
        ] {
            let status = Status::with_error_details(Code::ResourceExhausted, "", details);
            let headers = status.into_http::<()>().into_parts().0.headers;
            let response = IntermediaryResponse { status: StatusCode::OK, code, headers };
            assert_eq!(name(classify(&response)), failure);
        }
    }

    #[test]
    fn envoy_marks_the_calls_that_it_dropped() {
        let code = Some(Code::Unavailable);
        assert_eq!(classified(code, 200, &["x-envoy-ratelimited"]), "RateLimited(None)");
        assert_eq!(classified(code, 200, &["x-envoy-overloaded"]), "Unavailable(None)");
    }
}
