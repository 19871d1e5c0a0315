//! Why a call was refused or failed.

use std::{fmt, time::Duration};

use crate::{CaseId, Faults, Scope};

/// Why a call was refused or failed, without a word about how the caller is told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is nobody we know.
    #[error(transparent)]
    Unauthenticated(#[from] AuthFault),
    /// The caller's key lacks the scope.
    #[error("the key lacks the scope {0}")]
    MissingScope(Scope),
    /// The input is at fault.
    #[error("{0}; no task was created")]
    Invalid(Faults),
    /// The tenant has made another request under this id.
    #[error("another request was made under this id; no task was created")]
    RequestIdReused,
    /// What the call names doesn't exist, or is another tenant's.
    #[error("{0} does not exist")]
    NotFound(Resource),
    /// The service has as much waiting work as it takes. Nothing was done.
    #[error("the service is busy; nothing was created")]
    Overloaded,
    /// The tenant has as much waiting work as it may have. Nothing was done.
    #[error("the tenant has too many requests waiting; nothing was created")]
    OverShare,
    /// One of the caller's shares of the service is used up for now. Nothing was done.
    #[error("the rate of this {share} is used up; nothing was created")]
    RateLimited {
        /// Whose.
        share: Share,
        /// When there is room for one more.
        wait: Duration,
    },
    /// The time that the caller gave was over before the answer was there.
    #[error("the deadline passed before the answer was there")]
    DeadlineExceeded,
    /// The database is away. Nothing was done.
    #[error("the database is not available; nothing was created")]
    Unavailable(#[source] Cause),
    /// The database was lost while it may have been committing.
    #[error("the database was lost while it committed; the tasks may or may not have been created")]
    OutcomeUnknown(#[source] Cause),
    /// Something broke that should not. The cause is for the log alone.
    #[error("an internal error occurred")]
    Internal(#[source] Cause),
}

/// What an error came from. For logs; no caller sees it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a caller is nobody we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthFault {
    /// No key was given.
    #[error("an API key is required, as `authorization: Bearer KEY`")]
    Missing,
    /// More than one key was given.
    #[error("exactly one API key is required; more were given")]
    Repeated,
    /// What was given is not of the form `Bearer KEY`.
    #[error("the authorization is not of the form `Bearer KEY`")]
    Malformed,
    /// The key is unknown, revoked or expired: which one is not told.
    #[error("the API key is not valid")]
    InvalidKey,
}

/// What has a share of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// An API key.
    Key,
    /// A tenant, with all of its keys.
    Tenant,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Key => "key",
            Self::Tenant => "tenant",
        })
    }
}

/// A thing that a call names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A case.
    Case(CaseId),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case(id) => write!(f, "case {id}"),
        }
    }
}
