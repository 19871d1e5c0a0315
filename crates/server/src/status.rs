//! How a caller is told: each error of the domain as a gRPC status.

use std::time::Duration;

use domain::{AuthFault, Error, Faults, Resource, Scope};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The domain of the reasons, in google.rpc.ErrorInfo.
pub(crate) const DOMAIN: &str = "caseload";

/// When a caller who was refused for overload may try again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The status for an error. It tells what the caller can act on: the cause of a failure is left
/// to the log.
pub(crate) fn from_error(error: &Error) -> Status {
    let mut details = ErrorDetails::with_error_info(reason(error), DOMAIN, metadata(error));
    if let Error::Invalid(faults) = error {
        details.set_bad_request(violations(faults));
    }
    let retry_delay = retry_delay(error);
    if retry_delay.is_some() {
        details.set_retry_info(retry_delay);
    }
    let mut status = Status::with_error_details(code(error), error.to_string(), details);
    if let Some(delay) = retry_delay {
        // For clients that follow gRPC's retry design (A6): it outweighs their own backoff.
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        status.metadata_mut().insert("grpc-retry-pushback-ms", millis.into());
    }
    status
}

/// When the call may be made again; nothing where it should not be, as it is.
fn retry_delay(error: &Error) -> Option<Duration> {
    match error {
        Error::Overloaded | Error::OverShare | Error::Unavailable(_) => Some(RETRY_DELAY),
        Error::RateLimited { wait, .. } => Some(*wait),
        Error::Unauthenticated(_)
        | Error::MissingScope(_)
        | Error::Invalid(_)
        | Error::RequestIdReused
        | Error::NotFound(_)
        | Error::DeadlineExceeded
        | Error::OutcomeUnknown(_)
        | Error::Internal(_) => None,
    }
}

fn code(error: &Error) -> Code {
    match error {
        Error::Unauthenticated(_) => Code::Unauthenticated,
        Error::MissingScope(_) => Code::PermissionDenied,
        Error::Invalid(_) | Error::RequestIdReused => Code::InvalidArgument,
        Error::NotFound(_) => Code::NotFound,
        Error::Overloaded | Error::Unavailable(_) => Code::Unavailable,
        Error::OverShare | Error::RateLimited { .. } => Code::ResourceExhausted,
        Error::DeadlineExceeded => Code::DeadlineExceeded,
        // Not UNAVAILABLE: proxies send that again, and the tasks might be created twice.
        Error::OutcomeUnknown(_) => Code::Unknown,
        Error::Internal(_) => Code::Internal,
    }
}

/// The stable word for the error. Clients may branch on it.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::Unauthenticated(AuthFault::Missing) => "KEY_REQUIRED",
        Error::Unauthenticated(AuthFault::Repeated) => "KEY_REPEATED",
        Error::Unauthenticated(AuthFault::Malformed) => "AUTHORIZATION_MALFORMED",
        Error::Unauthenticated(AuthFault::InvalidKey) => "KEY_INVALID",
        Error::MissingScope(_) => "SCOPE_REQUIRED",
        Error::Invalid(_) => "INVALID_BATCH",
        Error::RequestIdReused => "REQUEST_ID_REUSED",
        Error::NotFound(Resource::Case(_)) => "CASE_NOT_FOUND",
        Error::Overloaded => "OVERLOADED",
        Error::OverShare => "TENANT_OVER_SHARE",
        Error::RateLimited { .. } => "RATE_LIMITED",
        Error::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Error::Unavailable(_) => "DATABASE_UNAVAILABLE",
        Error::OutcomeUnknown(_) => "OUTCOME_UNKNOWN",
        Error::Internal(_) => "INTERNAL",
    }
}

fn metadata(error: &Error) -> impl Into<std::collections::HashMap<String, String>> {
    let scope = match error {
        Error::MissingScope(scope) => Some(*scope),
        _ => None,
    };
    scope
        .map(|scope: Scope| ("scope".to_owned(), scope.as_str().to_owned()))
        .into_iter()
        .collect::<std::collections::HashMap<_, _>>()
}

fn violations(faults: &Faults) -> Vec<FieldViolation> {
    faults
        .as_slice()
        .iter()
        .map(|fault| FieldViolation {
            field: fault.place.to_string(),
            description: fault.message().to_owned(),
            reason: fault.reason.as_str().to_owned(),
            localized_message: None,
        })
        .collect()
}
