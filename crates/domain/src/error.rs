//! Why a call failed.

use std::{fmt, time::Duration};

use crate::{CaseId, Scope, TaskId, Violations};

/// Why a call failed. It knows neither gRPC nor HTTP, and fits every call.
///
/// `Display` writes the sentence for the caller. The sources are for logs alone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller could not be authenticated.
    #[error(transparent)]
    Unauthenticated(#[from] AuthError),
    /// The caller's key is not accepted from the caller's address. Neither that address nor those that are allowed
    /// are told.
    #[error("the API key is not accepted from this address")]
    AddressNotAllowed,
    /// The caller's key has none of the scopes of which the call needs one.
    #[error("the key lacks the scope {}", one_of(.0))]
    MissingScope(&'static [Scope]),
    /// Fields of the request are invalid.
    #[error("{0}; nothing was changed")]
    Invalid(Violations),
    /// The tenant has used the idempotency key for another request.
    #[error("the idempotency key was used for another request; nothing was changed")]
    IdempotencyKeyReused,
    /// Tasks that the request names do not exist.
    #[error("{0}; nothing was changed")]
    TasksNotFound(Violations),
    /// Tasks, or the case, are in other states than the caller named.
    #[error("{0}; nothing was changed")]
    Stale(Violations),
    /// What the request names does not exist, or belongs to another tenant.
    #[error("{0} does not exist")]
    NotFound(Resource),
    /// The service has as many waiting calls as it takes.
    #[error("the service is overloaded; nothing was changed")]
    Overloaded,
    /// The tenant has as many waiting calls as one tenant may have.
    #[error("the tenant has too many calls waiting; nothing was changed")]
    TenantOverloaded,
    /// The client's address has as many calls in flight as one address may have.
    #[error("too many calls from one address are in flight; nothing was changed")]
    AddressOverloaded,
    /// A rate limit was reached.
    #[error("the rate limit of the {quota} was reached; nothing was changed")]
    RateLimited {
        /// The quota that is used up.
        quota: Quota,
        /// How long it takes until the quota allows one more call.
        retry_after: Duration,
    },
    /// The caller's deadline passed before the result was known.
    #[error("the deadline passed before the result was known")]
    DeadlineExceeded,
    /// The database is not available.
    #[error("the database is not available; nothing was changed")]
    Unavailable(#[source] Cause),
    /// The connection to the database was lost while a change may have been committed.
    #[error("the database connection was lost; the change may or may not have been made")]
    OutcomeUnknown(#[source] Cause),
    /// An unexpected failure.
    #[error("an internal error occurred")]
    Internal(#[source] Cause),
}

/// Returns the names of scopes of which one is needed.
fn one_of(scopes: &[Scope]) -> String {
    let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    names.join(" or ")
}

/// The error that caused another one. It is for logs: no caller sees it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a failed call may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Everything that it asked for, or nothing: which of the two is unknown.
    Unknown,
}

impl Error {
    /// Returns the error of a request about one task, which was made as one about several.
    #[must_use]
    pub fn of_one_task(self) -> Self {
        self.with_violations(Violations::of_one_task)
    }

    /// Returns the error of a request to create a case, whose tasks were checked as a batch.
    #[must_use]
    pub fn of_new_case(self) -> Self {
        self.with_violations(Violations::of_new_case)
    }

    fn with_violations(self, convert: impl FnOnce(Violations) -> Violations) -> Self {
        match self {
            Self::Invalid(violations) => Self::Invalid(convert(violations)),
            Self::TasksNotFound(violations) => Self::TasksNotFound(convert(violations)),
            Self::Stale(violations) => Self::Stale(convert(violations)),
            other => other,
        }
    }

    /// Returns the fields at which the request is wrong, if that is why it failed.
    #[must_use]
    pub const fn violations(&self) -> Option<&Violations> {
        match self {
            Self::Invalid(violations)
            | Self::TasksNotFound(violations)
            | Self::Stale(violations) => Some(violations),
            Self::Unauthenticated(_)
            | Self::AddressNotAllowed
            | Self::MissingScope(_)
            | Self::IdempotencyKeyReused
            | Self::NotFound(_)
            | Self::Overloaded
            | Self::TenantOverloaded
            | Self::AddressOverloaded
            | Self::RateLimited { .. }
            | Self::DeadlineExceeded
            | Self::Unavailable(_)
            | Self::OutcomeUnknown(_)
            | Self::Internal(_) => None,
        }
    }

    /// Returns what the failed call may have changed, if it is a call that changes something.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::Unauthenticated(_)
            | Self::AddressNotAllowed
            | Self::MissingScope(_)
            | Self::Invalid(_)
            | Self::IdempotencyKeyReused
            | Self::TasksNotFound(_)
            | Self::Stale(_)
            | Self::NotFound(_)
            | Self::Overloaded
            | Self::TenantOverloaded
            | Self::AddressOverloaded
            | Self::RateLimited { .. }
            | Self::Unavailable(_) => Effect::None,
            Self::DeadlineExceeded | Self::OutcomeUnknown(_) | Self::Internal(_) => Effect::Unknown,
        }
    }
}

/// Why a caller could not be authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No key was given.
    #[error("an API key is required, as `authorization: Bearer KEY`")]
    Missing,
    /// More than one key was given.
    #[error("exactly one API key is required; more were given")]
    Repeated,
    /// The value is not of the form `Bearer KEY`.
    #[error("the authorization is not of the form `Bearer KEY`")]
    Malformed,
    /// The key is unknown, revoked or expired, or the call came to a host on which it is not accepted. Callers are
    /// not told which.
    #[error("the API key is not valid")]
    InvalidKey,
}

/// Whose rate is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// That of an API key.
    Key,
    /// That of a tenant, with all of its keys.
    Tenant,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Key => "key",
            Self::Tenant => "tenant",
        })
    }
}

/// A resource that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A case.
    Case(CaseId),
    /// A task of a case.
    Task(TaskId),
    /// A user of the tenant.
    User,
    /// A case, by the caller's own id.
    ExternalCase,
    /// The record of an idempotency key.
    IdempotencyRecord,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case(id) => write!(f, "case {id}"),
            Self::User => f.write_str("the user"),
            Self::ExternalCase => f.write_str("the case"),
            Self::IdempotencyRecord => f.write_str("a record of the idempotency key"),
            Self::Task(id) => write!(f, "task {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_scope_is_named_and_so_is_each_that_would_do() {
        for (scopes, text) in [
            (&[Scope::Admin][..], "the key lacks the scope admin"),
            (
                &[Scope::TasksWrite, Scope::CasesWrite],
                "the key lacks the scope tasks:write or cases:write",
            ),
        ] {
            assert_eq!(Error::MissingScope(scopes).to_string(), text);
        }
    }
}
