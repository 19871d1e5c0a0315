//! Why an attempt has not succeeded.

use std::{error::Error as _, fmt};

use proto::wire::Reason;
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

/// Why an attempt has not succeeded, as far as the client can know it.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// What is asked for can't be done, for this reason. Nothing was done.
    Rejected(String),
    /// Nothing was done, according to the response, or as there was no connection.
    Refused(String),
    /// It may have been done, but was not begun after the response, which says that its time is over.
    TimedOut(String),
    /// It may have been done.
    Unknown(String),
    /// A response that no fault explains.
    Unexpected(String),
}

/// The name that Envoy gives itself in the header `server` of its own responses.
pub(crate) const ENVOY: &str = "envoy";

/// The reasons for which a request of these clients may be rejected.
const REJECTIONS: [&str; 7] = [
    "REQUEST_ID_REUSED",
    "CASE_NOT_FOUND",
    "TASK_NOT_FOUND",
    "USER_NOT_FOUND",
    "ETAG_MISMATCH",
    "UNKNOWN_USER",
    "USER_DEACTIVATED",
];

impl Failure {
    pub(super) fn unknown(what: &str) -> Self {
        Self::Unknown(what.to_owned())
    }

    pub(super) fn no_connection() -> Self {
        Self::Refused("no connection".to_owned())
    }

    /// Returns whether the request was rejected for this reason.
    pub(crate) fn is(&self, reason: &str) -> bool {
        matches!(self, Self::Rejected(of) if of == reason)
    }

    /// Returns what a gRPC call that failed means. A status with a source was made by the client library,
    /// one without it came from the service.
    pub(super) fn of_status(status: &Status) -> Self {
        let mut source = status.source();
        if source.is_none() {
            let info = status.get_details_error_info();
            let server = status.metadata().get("server");
            if info.is_none() && server.is_some_and(|server| server == ENVOY) {
                return Self::unknown("a proxy responded");
            }
            let mut reason = info.map_or("no reason".to_owned(), |info| info.reason);
            let violations = status.get_details_bad_request().map(|all| all.field_violations);
            // The reason of a status with violations speaks of them all.
            if let Some(first) = violations.iter().flatten().next() {
                reason.clone_from(&first.reason);
            }
            let failure = Self::of_reason(&reason, code_of(&reason) == status.code());
            return failure.described(status.code());
        }
        while let Some(error) = source {
            if error.is::<TimeoutExpired>() {
                return Self::unknown("no response in time");
            }
            if error.is::<ConnectError>() {
                return Self::no_connection();
            }
            source = error.source();
        }
        Self::unknown("connection lost")
    }

    /// Returns what a REST response with this reason means.
    pub(super) fn of_response(status: u16, reason: &str) -> Self {
        let expected = Reason::parse(reason).map_or(400, Reason::http_status);
        Self::of_reason(reason, status == expected).described(status)
    }

    fn of_reason(reason: &str, fits_status: bool) -> Self {
        let text = reason.to_owned();
        match reason {
            _ if REJECTIONS.contains(&reason) && fits_status => Self::Rejected(text),
            "DATABASE_UNAVAILABLE"
            | "UPSTREAM_UNAVAILABLE"
            | "OVERLOADED"
            | "TENANT_OVER_SHARE"
            | "ADDRESS_OVER_SHARE" => Self::Refused(text),
            "DEADLINE_EXCEEDED" => Self::TimedOut(text),
            "OUTCOME_UNKNOWN" => Self::Unknown(text),
            _ => Self::Unexpected(text),
        }
    }

    /// Adds the status to what nobody expects.
    fn described(self, status: impl fmt::Display) -> Self {
        match self {
            Self::Unexpected(reason) => Self::Unexpected(format!("{status} {reason}")),
            other => other,
        }
    }

    /// Adds the protocol, for the report.
    pub(super) fn over(self, protocol: &str) -> Self {
        match self {
            Self::Refused(kind) => Self::Refused(format!("{protocol}: refused, {kind}")),
            Self::TimedOut(kind) => Self::TimedOut(format!("{protocol}: unknown, {kind}")),
            Self::Unknown(kind) => Self::Unknown(format!("{protocol}: unknown, {kind}")),
            Self::Unexpected(kind) => Self::Unexpected(format!("{protocol}: {kind}")),
            rejected @ Self::Rejected(_) => rejected,
        }
    }
}

/// Returns the code of statuses with this reason. Those of fields are not among the reasons of statuses.
fn code_of(reason: &str) -> Code {
    Reason::parse(reason).map_or(Code::InvalidArgument, Reason::code)
}
