//! How a caller is told: each error of the domain as a gRPC status.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use domain::{AuthFault, Error, Faults, Resource, Scope};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The domain of the reasons, in google.rpc.ErrorInfo.
pub(crate) const DOMAIN: &str = "caseload";

/// When callers who were refused for overload may try again, at the earliest and at the latest.
const RETRY_DELAY_MS: (u32, u32) = (500, 1000);

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
        Error::Overloaded | Error::OverShare | Error::Unavailable(_) => Some(spread_delay()),
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

/// A delay for each caller who asks: those who were refused at once would otherwise come back at
/// once. Steps of the golden section fill the range evenly, however many there are.
fn spread_delay() -> Duration {
    const STEP: u32 = 0x9e37_79b9;
    static AT: AtomicU32 = AtomicU32::new(0);
    let at = AT.fetch_add(STEP, Ordering::Relaxed);
    let (least, most) = RETRY_DELAY_MS;
    let millis = u64::from(most) - ((u64::from(at) * u64::from(most - least)) >> u32::BITS);
    Duration::from_millis(millis)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_at_once_does_not_come_back_at_once() {
        let delays: Vec<_> = (0..1000).map(|_| spread_delay().as_millis()).collect();
        for from in (500..1000).step_by(50) {
            let count = delays.iter().filter(|delay| (from + 1..=from + 50).contains(*delay));
            assert!((90..=110).contains(&count.count()), "{from}");
        }
    }
}
