//! The problem of each call to the server that failed.

use http::{HeaderMap, HeaderValue, header::RETRY_AFTER};
use proto::wire::Reason;
use tonic::Status;
use tonic_types::{FieldViolation, StatusExt as _};

use super::document::{Item, Place, Problem};
use crate::upstream::{Failure, IntermediaryRejection, rate_limits};

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Status(status) => from_status(&status),
            Failure::TimedOut => Self::deadline_exceeded(),
            Failure::Unreached => Self::upstream_unavailable(),
            Failure::Lost => Self::new(
                Reason::OutcomeUnknown,
                "the service's response was lost; the change may or may not have been made",
            ),
            Failure::Rejected(rejection) => from_intermediary(rejection),
        }
    }
}

impl Problem {
    /// Returns the problem of a call whose deadline passed, wherever.
    pub(super) fn deadline_exceeded() -> Self {
        Self::new(Reason::DeadlineExceeded, "the deadline passed before the result was known")
    }

    fn upstream_unavailable() -> Self {
        Self::new(Reason::UpstreamUnavailable, "the service is not available; nothing was changed")
    }
}

/// The text of an intermediary is not for callers: it may name hosts.
fn from_intermediary(rejection: IntermediaryRejection) -> Problem {
    match rejection {
        IntermediaryRejection::Unauthenticated => Problem::new(
            Reason::UpstreamUnauthenticated,
            "a proxy before the service requires other credentials; nothing was changed",
        ),
        IntermediaryRejection::Forbidden => Problem::new(
            Reason::UpstreamForbidden,
            "a proxy before the service does not allow the call; nothing was changed",
        ),
        IntermediaryRejection::BodyTooLarge => Problem::new(
            Reason::BodyTooLarge,
            "the body is too large for a proxy before the service; nothing was changed",
        ),
        IntermediaryRejection::HeadersTooLarge => Problem::new(
            Reason::HeadersTooLarge,
            "the headers are too large for a proxy before the service; nothing was changed",
        ),
        IntermediaryRejection::RateLimited(retry_after) => Problem::new(
            Reason::RateLimited,
            "a proxy before the service limits the rate of calls; nothing was changed",
        )
        .with_headers(to_header(retry_after)),
        IntermediaryRejection::Unavailable(retry_after) => {
            Problem::upstream_unavailable().with_headers(to_header(retry_after))
        }
    }
}

/// The reasons for which any call to the server fails: the server's, and those of intermediaries.
pub(crate) const OF_CALLS: [Reason; 18] = [
    Reason::KeyRequired,
    Reason::KeyRepeated,
    Reason::AuthorizationMalformed,
    Reason::KeyInvalid,
    Reason::ScopeRequired,
    Reason::AddressNotAllowed,
    Reason::Overloaded,
    Reason::TenantOverloaded,
    Reason::AddressOverloaded,
    Reason::RateLimited,
    Reason::DeadlineExceeded,
    Reason::DatabaseUnavailable,
    Reason::Internal,
    Reason::UpstreamUnavailable,
    Reason::UpstreamUnauthenticated,
    Reason::UpstreamForbidden,
    Reason::BodyTooLarge,
    Reason::HeadersTooLarge,
];

fn to_header(retry_after: Option<HeaderValue>) -> HeaderMap {
    retry_after.map(|time| (RETRY_AFTER, time)).into_iter().collect()
}

fn from_status(status: &Status) -> Problem {
    let info = status.get_details_error_info();
    // A status without ErrorInfo is not taken for the server's.
    let reason = info.as_ref().map_or(Reason::Internal.as_str(), |info| &info.reason);
    let violations = status.get_details_bad_request().map_or(Vec::new(), |b| b.field_violations);
    let problem = if violations.is_empty() {
        Problem::with_word(status.code(), reason, status.message())
    } else {
        let items = violations.into_iter().map(to_item).collect();
        Problem::with_items(status.code(), reason, status.message(), items)
    };
    let problem = problem.with_headers(rate_limits(status.metadata()));
    match status.get_details_retry_info().and_then(|info| info.retry_delay) {
        // In whole seconds (RFC 9110, 10.2.3), rounded up so that no retry comes too early.
        Some(delay) => {
            problem.with_header(RETRY_AFTER, delay.as_millis().div_ceil(1000).to_string())
        }
        None => problem,
    }
}

fn to_item(violation: FieldViolation) -> Item {
    Item {
        message: violation.description,
        details: violation.reason,
        place: to_place(&violation.field),
    }
}

/// Returns the part of the documented request that a field of the gRPC contract is from. A body has
/// members of the same names: `tasks[2].assignee_emails[1]` becomes `/tasks/2/assignee_emails/1`.
/// Ids are in the path, and filters in the query string.
fn to_place(field: &str) -> Place {
    match field {
        // Of one task: the id is in the path, the entity tag in a header.
        "case_id" | "case.id" | "case.etag" | "task_id" | "task.id" | "task.etag" | "etag"
        | "request_id" => Place::Whole {},
        "assignee_email" | "completed" | "updated_after" => Place::Parameter(field.to_owned()),
        _ => {
            // The body about one task, or one case, is the task or the case.
            let of_one = field.strip_prefix("task.").or_else(|| field.strip_prefix("case."));
            let field = of_one.unwrap_or(field);
            let steps = field.split(['.', '[']).map(|step| step.trim_end_matches(']'));
            Place::Pointer(steps.flat_map(|step| ["/", step]).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rejection_of_an_intermediary_is_a_reason_of_calls() {
        for rejection in [
            IntermediaryRejection::Unauthenticated,
            IntermediaryRejection::Forbidden,
            IntermediaryRejection::BodyTooLarge,
            IntermediaryRejection::HeadersTooLarge,
            IntermediaryRejection::RateLimited(None),
            IntermediaryRejection::Unavailable(None),
        ] {
            let problem = from_intermediary(rejection);
            let (status, word) = (problem.status.as_u16(), &problem.errors[0].details);
            let is_listed = |reason: &Reason| {
                reason.as_str() == word.as_str() && reason.http_status() == status
            };
            assert!(OF_CALLS.iter().any(is_listed), "{word}");
        }
    }

    #[test]
    fn field_paths_become_places() {
        let table = [
            ("tasks", "/tasks"),
            ("tasks[0].description", "/tasks/0/description"),
            ("tasks[24].assignee_emails[49]", "/tasks/24/assignee_emails/49"),
            ("task.assignee_emails[1]", "/assignee_emails/1"),
            ("case.priority", "/priority"),
            ("case.tasks[2].description", "/tasks/2/description"),
        ];
        for (field, pointer) in table {
            assert_eq!(to_place(field), Place::Pointer(pointer.to_owned()));
        }
        assert_eq!(to_place("case_id"), Place::Whole {});
        assert_eq!(to_place("assignee_email"), Place::Parameter("assignee_email".to_owned()));
    }
}
