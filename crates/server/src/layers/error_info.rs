//! Attaches ErrorInfo to the statuses that tonic itself makes, before a call reaches its handler.

use http::Response;
use proto::wire::Reason;
use tonic::{Code, Status, body::Body};

use crate::status;

/// Attaches the reason to a status that tonic made, and corrects its code: for a message that can't
/// be decoded tonic responds with INTERNAL, but it is the caller who must act.
///
/// The statuses that tonic makes are those without details.
pub(crate) fn attach_error_info(mut response: Response<Body>) -> Response<Body> {
    let Some(made_by_tonic) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if !made_by_tonic.details().is_empty() {
        return response;
    }
    let reason = match made_by_tonic.code() {
        // The message is no protobuf of its type, is cut short or missing, or has no gRPC frame.
        Code::Internal => Reason::MessageMalformed,
        Code::OutOfRange => Reason::MessageTooLarge,
        // The method does not exist, or the compression is not supported.
        Code::Unimplemented => Reason::NotSupported,
        _ => return response,
    };
    let status = status::with_reason(reason, made_by_tonic.message());
    if let Err(error) = status.add_header(response.headers_mut()) {
        tracing::error!(%error, "failed to attach ErrorInfo to a status");
    }
    // In the place of tonic's own.
    response.extensions_mut().insert(status);
    response
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    fn attached(status: Status) -> Status {
        let response = attach_error_info(status.into_http());
        assert_eq!(response.headers().get_all("grpc-status").iter().count(), 1);
        Status::from_header_map(response.headers()).unwrap()
    }

    #[test]
    fn statuses_made_by_tonic_get_a_reason_and_keep_their_message() {
        for (made_by_tonic, code, reason) in [
            (Code::Internal, Code::InvalidArgument, "MESSAGE_MALFORMED"),
            (Code::OutOfRange, Code::OutOfRange, "MESSAGE_TOO_LARGE"),
            (Code::Unimplemented, Code::Unimplemented, "NOT_SUPPORTED"),
        ] {
            let status = attached(Status::new(made_by_tonic, "100% of it: \u{fc}"));
            assert_eq!((status.code(), status.message()), (code, "100% of it: \u{fc}"));
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.domain.as_str(), info.reason.as_str()), ("caseload", reason));
        }
    }

    #[test]
    fn statuses_of_this_and_other_services_are_left_alone() {
        let details = ErrorDetails::with_error_info("INTERNAL", "caseload", []);
        let ours = attached(Status::with_error_details(Code::Internal, "failed", details));
        assert_eq!(ours.code(), Code::Internal);
        assert_eq!(ours.get_details_error_info().unwrap().reason, "INTERNAL");
        let of_health = attached(Status::not_found("no such service"));
        assert_eq!((of_health.code(), of_health.details()), (Code::NotFound, &[][..]));
        let success = attach_error_info(Response::new(Body::empty()));
        assert!(success.headers().is_empty());
    }
}
