//! Converts errors of the domain to gRPC statuses (AIP-193).

mod field_violations;
mod retry_delay;

use std::{collections::HashMap, error::Error as _, sync::Arc};

use domain::{AuthError, Error, Resource};
use proto::{
    TooManyItems,
    wire::{self, header, limits},
};
use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// Returns the status for an error, with at most `max_bytes` of metadata. `invalid` is the reason
/// where fields of the request are invalid, each with a reason of its own.
///
/// It says what the caller can act on. The cause of a failure is left to the log.
pub(crate) fn from_error(error: &Error, invalid: wire::Reason, max_bytes: usize) -> Status {
    let reason = match error {
        Error::Invalid(_) => invalid,
        error => reason(error),
    };
    let mut details = ErrorDetails::with_error_info(
        reason.as_str(),
        wire::ERROR_DOMAIN,
        error_info_metadata(error),
    );
    if let Some(violations) = error.violations() {
        details.set_bad_request(field_violations::first_that_fit(violations, max_bytes));
    }
    let retry_delay = retry_delay::of(error);
    if retry_delay.is_some() {
        details.set_retry_info(retry_delay);
    }
    let mut status = Status::with_error_details(reason.code(), error.to_string(), details);
    state(&mut status, reason);
    if let Some(delay) = retry_delay {
        // Clients that follow gRPC's retry design (A6) prefer it to their own backoff.
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        status.metadata_mut().insert(header::GRPC_RETRY_PUSHBACK.as_str(), millis.into());
    }
    status
}

/// Returns the status for an error that a layer found, without regard to the call. It has no field
/// violations, so it is small.
pub(crate) fn of_layer(error: &Error) -> Status {
    from_error(error, wire::Reason::InvalidRequest, limits::STATUS_BYTES)
}

/// The most bytes of a message that is not the server's own, and may quote the request.
const MAX_MESSAGE_BYTES: usize = 256;

/// Returns a status that only has a reason and a message, which is shortened if it is long: tonic
/// quotes headers in its own.
pub(crate) fn with_reason(reason: wire::Reason, message: &str) -> Status {
    let message = &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)];
    let details = ErrorDetails::with_error_info(reason.as_str(), wire::ERROR_DOMAIN, []);
    let mut status = Status::with_error_details(reason.code(), message, details);
    state(&mut status, reason);
    status
}

/// Returns the status of a message whose lists have too many items.
pub(crate) fn too_many_items(error: &TooManyItems) -> Status {
    let description = format!("the lists have more than {} items in all", limits::LIST_ITEMS);
    let metadata = [(wire::VIOLATION_COUNT.to_owned(), "1".to_owned())];
    let reason = wire::Reason::InvalidBatch;
    let mut details = ErrorDetails::with_error_info(reason.as_str(), wire::ERROR_DOMAIN, metadata);
    details.set_bad_request(vec![FieldViolation {
        field: error.path.clone(),
        description,
        reason: wire::FieldReason::TooMany.as_str().to_owned(),
        localized_message: None,
    }]);
    let message = "1 field violation; nothing was changed";
    let mut status = Status::with_error_details(reason.code(), message, details);
    state(&mut status, reason);
    status
}

/// The reason of a status as its source, where it is found without decoding the details.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.as_str())]
struct Stated(wire::Reason);

fn state(status: &mut Status, reason: wire::Reason) {
    status.set_source(Arc::new(Stated(reason)));
}

/// Returns the reason of a status of this crate, from the extensions of its response.
pub(crate) fn reason_of<B>(response: &http::Response<B>) -> Option<wire::Reason> {
    let status = response.extensions().get::<Status>()?;
    status.source()?.downcast_ref().map(|Stated(reason)| *reason)
}

/// The reason on the wire for each error.
const fn reason(error: &Error) -> wire::Reason {
    match error {
        Error::Unauthenticated(AuthError::Missing) => wire::Reason::KeyRequired,
        Error::Unauthenticated(AuthError::Repeated) => wire::Reason::KeyRepeated,
        Error::Unauthenticated(AuthError::Malformed) => wire::Reason::AuthorizationMalformed,
        Error::Unauthenticated(AuthError::InvalidKey) => wire::Reason::KeyInvalid,
        Error::AddressNotAllowed => wire::Reason::AddressNotAllowed,
        Error::MissingScope(_) => wire::Reason::ScopeRequired,
        Error::Invalid(_) => wire::Reason::InvalidRequest,
        Error::IdempotencyKeyReused => wire::Reason::IdempotencyKeyReused,
        Error::NotFound(Resource::User) => wire::Reason::UserNotFound,
        Error::NotFound(Resource::Case(_) | Resource::ExternalCase) => wire::Reason::CaseNotFound,
        Error::NotFound(Resource::Task(_)) | Error::TasksNotFound(_) => wire::Reason::TaskNotFound,
        Error::NotFound(Resource::IdempotencyRecord) => wire::Reason::IdempotencyKeyUnknown,
        Error::Stale(_) => wire::Reason::EtagMismatch,
        Error::Overloaded => wire::Reason::Overloaded,
        Error::TenantOverloaded => wire::Reason::TenantOverloaded,
        Error::AddressOverloaded => wire::Reason::AddressOverloaded,
        Error::RateLimited { .. } => wire::Reason::RateLimited,
        Error::DeadlineExceeded => wire::Reason::DeadlineExceeded,
        Error::Unavailable(_) => wire::Reason::DatabaseUnavailable,
        Error::OutcomeUnknown(_) => wire::Reason::OutcomeUnknown,
        Error::Internal(_) => wire::Reason::Internal,
    }
}

/// What programs may want to know beyond the reason.
fn error_info_metadata(error: &Error) -> HashMap<String, String> {
    let entry = match error {
        Error::MissingScope(one_of) => {
            let names: Vec<_> = one_of.iter().map(|scope| scope.as_str()).collect();
            Some((wire::MISSING_SCOPE, names.join(" ")))
        }
        Error::Invalid(violations)
        | Error::TasksNotFound(violations)
        | Error::Stale(violations) => {
            Some((wire::VIOLATION_COUNT, violations.as_slice().len().to_string()))
        }
        Error::Unauthenticated(_)
        | Error::AddressNotAllowed
        | Error::IdempotencyKeyReused
        | Error::NotFound(_)
        | Error::Overloaded
        | Error::TenantOverloaded
        | Error::AddressOverloaded
        | Error::RateLimited { .. }
        | Error::DeadlineExceeded
        | Error::Unavailable(_)
        | Error::OutcomeUnknown(_)
        | Error::Internal(_) => None,
    };
    entry.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use domain::{TaskBatch, TaskDraft, Violations};

    use super::*;

    /// 25 tasks of 50 invalid emails, no description, and one email too many.
    fn worst_case() -> Violations {
        let draft =
            TaskDraft { description: String::new(), assignee_emails: vec![String::new(); 51] };
        TaskBatch::parse(0, vec![draft; 26].into_iter(), "\u{7f}".repeat(255)).unwrap_err()
    }

    /// The metadata of a status, in bytes as HTTP/2 counts them (RFC 9113, 6.5.2).
    fn metadata_len(violations: &Violations, max_bytes: usize) -> (usize, usize) {
        let status =
            from_error(&Error::Invalid(violations.clone()), wire::Reason::InvalidBatch, max_bytes);
        let listed = status.get_details_bad_request().unwrap().field_violations.len();
        let headers = status.into_http::<()>().into_parts().0.headers;
        let sizes = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32);
        (sizes.sum(), listed)
    }

    #[test]
    fn a_status_stays_below_the_limit_and_uses_most_of_it() {
        let violations = worst_case();
        for max_bytes in [limits::STATUS_BYTES, 16 * 1024, 64 * 1024] {
            let (len, listed) = metadata_len(&violations, max_bytes);
            assert!(len <= max_bytes - 1024, "{len} of {max_bytes}");
            assert!(len >= max_bytes - 2048, "{len} of {max_bytes}");
            assert!(listed > 50, "{listed}");
        }
    }

    #[test]
    fn a_message_that_quotes_the_request_is_shortened() {
        let status = with_reason(wire::Reason::NotSupported, &"é".repeat(10_000));
        assert_eq!(status.message(), "é".repeat(128));
    }

    #[test]
    fn the_largest_status_lists_every_violation() {
        let violations = worst_case();
        let (len, listed) = metadata_len(&violations, limits::MAX_STATUS_BYTES);
        assert_eq!(listed, violations.as_slice().len());
        assert!(len < limits::MAX_STATUS_BYTES / 2, "{len}");
    }

    #[test]
    fn a_status_says_how_many_violations_there_are_in_all() {
        let violations = worst_case();
        let total = violations.as_slice().len();
        let status = from_error(
            &Error::Invalid(violations),
            wire::Reason::InvalidBatch,
            limits::STATUS_BYTES,
        );
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata["violation_count"], total.to_string());
        assert!(status.get_details_bad_request().unwrap().field_violations.len() < total);
    }
}
