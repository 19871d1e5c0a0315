//! Why a call failed.

use http::HeaderValue;
use tonic::{Code, Status};

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server responded with an error.
    Status(Status),
    /// No server began with the call.
    Unreached,
    /// An intermediary rejected the call before any server began with it, and would reject it
    /// again.
    Rejected(IntermediaryRejection),
    /// The deadline passed.
    TimedOut,
    /// The response was lost, if there was any: a server may have completed the call.
    Lost,
}

/// Why an intermediary, as a proxy between gateway and server, rejected a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IntermediaryRejection {
    /// It requires other credentials.
    Unauthenticated,
    /// It does not allow the call.
    Forbidden,
    /// The body is too large for it.
    BodyTooLarge,
    /// The headers are too large for it.
    HeadersTooLarge,
    /// It limits the rate of calls. Has its `Retry-After`.
    RateLimited(Option<HeaderValue>),
    /// It takes no calls at present. Has its `Retry-After`.
    Unavailable(Option<HeaderValue>),
}

impl Failure {
    /// Returns the failure of the call, given that of its last attempt. If an earlier attempt was
    /// lost, that one may have succeeded, unless the server has since checked the request and
    /// found it invalid.
    pub(super) fn after(self, was_lost: bool) -> Self {
        match self {
            Self::Status(status)
                if matches!(status.code(), Code::InvalidArgument | Code::NotFound) =>
            {
                Self::Status(status)
            }
            Self::Status(_) | Self::Unreached | Self::Rejected(_) if was_lost => Self::Lost,
            failure => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_after_a_lost_attempt_proves_nothing_unless_the_server_checked_the_request() {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::Unauthenticated] {
            let failure = || Failure::Status(Status::new(code, ""));
            assert!(matches!(failure().after(true), Failure::Lost), "{code}");
            assert!(matches!(failure().after(false), Failure::Status(_)), "{code}");
        }
        assert!(matches!(Failure::Unreached.after(true), Failure::Lost));
        assert!(matches!(Failure::Unreached.after(false), Failure::Unreached));
        for code in [Code::InvalidArgument, Code::NotFound] {
            let failure = Failure::Status(Status::new(code, ""));
            assert!(matches!(failure.after(true), Failure::Status(_)), "{code}");
        }
    }

    #[test]
    fn a_rejection_by_an_intermediary_after_a_lost_attempt_proves_nothing() {
        let rejected = || Failure::Rejected(IntermediaryRejection::RateLimited(None));
        assert!(matches!(rejected().after(true), Failure::Lost));
        assert!(matches!(rejected().after(false), Failure::Rejected(_)));
    }
}
