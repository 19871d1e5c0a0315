//! How a caller is told: each error of the domain as a gRPC status.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use domain::{AuthError, Error, Reason, Resource, Scope, Violations};
use proto::wire;
use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// When callers who were refused for overload may try again, at the earliest and at the latest.
const RETRY_DELAY_MS: (u32, u32) = (500, 1000);

/// The status for an error. It tells what the caller can act on: the cause of a failure is left
/// to the log.
pub(crate) fn from_error(error: &Error) -> Status {
    let mut details =
        ErrorDetails::with_error_info(reason(error).as_str(), wire::ERROR_DOMAIN, metadata(error));
    if let Error::Invalid(violations) = error {
        details.set_bad_request(to_field_violations(violations));
    }
    let retry_delay = retry_delay(error);
    if retry_delay.is_some() {
        details.set_retry_info(retry_delay);
    }
    let mut status = Status::with_error_details(reason(error).code(), error.to_string(), details);
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
        Error::Overloaded | Error::TenantOverloaded | Error::Unavailable(_) => Some(spread_delay()),
        Error::RateLimited { retry_after, .. } => Some(*retry_after),
        Error::Unauthenticated(_)
        | Error::MissingScope(_)
        | Error::Invalid(_)
        | Error::IdempotencyKeyReused
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

/// The reason on the wire for each error of the domain.
const fn reason(error: &Error) -> wire::Reason {
    match error {
        Error::Unauthenticated(AuthError::Missing) => wire::Reason::KeyRequired,
        Error::Unauthenticated(AuthError::Repeated) => wire::Reason::KeyRepeated,
        Error::Unauthenticated(AuthError::Malformed) => wire::Reason::AuthorizationMalformed,
        Error::Unauthenticated(AuthError::InvalidKey) => wire::Reason::KeyInvalid,
        Error::MissingScope(_) => wire::Reason::ScopeRequired,
        Error::Invalid(_) => wire::Reason::InvalidRequest,
        Error::IdempotencyKeyReused => wire::Reason::IdempotencyKeyReused,
        Error::NotFound(Resource::Case(_)) => wire::Reason::CaseNotFound,
        Error::Overloaded => wire::Reason::Overloaded,
        Error::TenantOverloaded => wire::Reason::TenantOverloaded,
        Error::RateLimited { .. } => wire::Reason::RateLimited,
        Error::DeadlineExceeded => wire::Reason::DeadlineExceeded,
        Error::Unavailable(_) => wire::Reason::DatabaseUnavailable,
        Error::OutcomeUnknown(_) => wire::Reason::OutcomeUnknown,
        Error::Internal(_) => wire::Reason::Internal,
    }
}

/// The reason on the wire for each reason of a field violation.
const fn field_reason(reason: Reason) -> wire::FieldReason {
    match reason {
        Reason::Required => wire::FieldReason::Required,
        Reason::NotPositive => wire::FieldReason::NotPositive,
        Reason::TooMany => wire::FieldReason::TooMany,
        Reason::TooLong => wire::FieldReason::TooLong,
        Reason::ContainsNul => wire::FieldReason::ContainsNul,
        Reason::InvalidEmail => wire::FieldReason::InvalidEmail,
        Reason::InvalidCharacter => wire::FieldReason::InvalidCharacter,
        Reason::UnknownUser => wire::FieldReason::UnknownUser,
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

fn to_field_violations(violations: &Violations) -> Vec<FieldViolation> {
    violations
        .as_slice()
        .iter()
        .map(|violation| FieldViolation {
            field: violation.path.to_string(),
            description: violation.rule.description.to_owned(),
            reason: field_reason(violation.rule.reason).as_str().to_owned(),
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
