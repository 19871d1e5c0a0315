//! Reasons for the refusals that tonic makes up by itself, before a call is ours.

use http::Response;
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

use proto::wire::ERROR_DOMAIN as DOMAIN;

/// Gives tonic's own refusals a reason, and one of them another code: a message that can't be read
/// is the caller's fault, and INTERNAL would wake somebody.
///
/// They are told from ours by that they have no details.
pub(crate) fn give(mut response: Response<Body>) -> Response<Body> {
    let Some(refusal) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if !refusal.details().is_empty() {
        return response;
    }
    let (code, reason) = match refusal.code() {
        // No protobuf of the message's type, cut short, left out, or in no frame of gRPC.
        Code::Internal => (Code::InvalidArgument, "MESSAGE_MALFORMED"),
        Code::OutOfRange => (Code::OutOfRange, "MESSAGE_TOO_LARGE"),
        // No such method, or no such compression.
        Code::Unimplemented => (Code::Unimplemented, "NOT_SUPPORTED"),
        _ => return response,
    };
    let details = ErrorDetails::with_error_info(reason, DOMAIN, []);
    let status = Status::with_error_details(code, refusal.message(), details);
    if let Err(error) = status.add_header(response.headers_mut()) {
        tracing::error!(%error, "a refusal got no reason");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(status: Status) -> Status {
        let response = give(status.into_http());
        assert_eq!(response.headers().get_all("grpc-status").iter().count(), 1);
        Status::from_header_map(response.headers()).unwrap()
    }

    #[test]
    fn tonics_own_refusals_get_a_reason_and_keep_their_words() {
        for (refused, code, reason) in [
            (Code::Internal, Code::InvalidArgument, "MESSAGE_MALFORMED"),
            (Code::OutOfRange, Code::OutOfRange, "MESSAGE_TOO_LARGE"),
            (Code::Unimplemented, Code::Unimplemented, "NOT_SUPPORTED"),
        ] {
            let status = given(Status::new(refused, "100% of it: \u{fc}"));
            assert_eq!((status.code(), status.message()), (code, "100% of it: \u{fc}"));
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.domain.as_str(), info.reason.as_str()), ("caseload", reason));
        }
    }

    #[test]
    fn ours_and_other_services_own_stay_as_they_are() {
        let details = ErrorDetails::with_error_info("INTERNAL", DOMAIN, []);
        let ours = given(Status::with_error_details(Code::Internal, "failed", details));
        assert_eq!(ours.code(), Code::Internal);
        assert_eq!(ours.get_details_error_info().unwrap().reason, "INTERNAL");
        let of_health = given(Status::not_found("no such service"));
        assert_eq!((of_health.code(), of_health.details()), (Code::NotFound, &[][..]));
        let answer = give(Response::new(Body::empty()));
        assert!(answer.headers().is_empty());
    }
}
