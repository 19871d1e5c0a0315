//! What can go wrong with the database, distinguished by what the caller can do about it.

use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// The error that caused another one. It is shared, so that one failure can be reported to several
/// callers.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a query failed. A clone has the same cause.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// What was to be created exists already.
    #[error("{0} exists already")]
    Exists(String),
    /// What the query names does not exist.
    #[error("{0} does not exist")]
    Missing(String),
    /// A value breaks a rule of the schema, or the database itself a rule for databases.
    #[error("{0}")]
    Invalid(String),
    /// The database can't be reached, or has no connection free in time. Nothing was changed.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// The connection was lost while a statement ran that may have changed something: whether it
    /// did is unknown.
    #[error("the connection to the database was lost")]
    ConnectionLost(#[source] Cause),
    /// The caller's deadline passed before the change was begun, or before its result was known.
    #[error("the deadline passed before the result was known")]
    DeadlineExceeded,
    /// An unexpected failure.
    #[error("the database refused a statement")]
    Internal(#[source] Cause),
}

/// Names the query that failed.
#[derive(Debug, thiserror::Error)]
#[error("query {name} failed")]
struct QueryFailed {
    name: &'static str,
    source: Cause,
}

impl Error {
    /// [`Self::Unavailable`] with this cause, an error or a text.
    pub(crate) fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into().into())
    }

    /// [`Self::ConnectionLost`] with this cause, an error or a text.
    pub(crate) fn connection_lost(
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::ConnectionLost(cause.into().into())
    }

    /// [`Self::Internal`] with this cause, an error or a text.
    pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into().into())
    }

    /// Adds the name of the query to the causes of a failure.
    pub(crate) fn in_query(self, name: &'static str) -> Self {
        let failed = |source| QueryFailed { name, source };
        match self {
            Self::Unavailable(cause) => Self::unavailable(failed(cause)),
            Self::ConnectionLost(cause) => Self::connection_lost(failed(cause)),
            Self::Internal(cause) => Self::internal(failed(cause)),
            Self::Exists(_) | Self::Missing(_) | Self::Invalid(_) | Self::DeadlineExceeded => self,
        }
    }

    /// Translates an error of a query that changes nothing: a lost connection leaves nothing in
    /// doubt.
    pub(crate) fn without_effect(self) -> Self {
        match self {
            Self::ConnectionLost(cause) => Self::Unavailable(cause),
            Self::Exists(_)
            | Self::Missing(_)
            | Self::Invalid(_)
            | Self::Unavailable(_)
            | Self::DeadlineExceeded
            | Self::Internal(_) => self,
        }
    }

    /// Translates the violation of a constraint into what it means for this query.
    pub(crate) fn on_constraint(
        error: DieselError,
        meaning: impl FnOnce(&str) -> Option<Self>,
    ) -> Self {
        let meaning = match &error {
            DieselError::DatabaseError(_, info) => info.constraint_name().and_then(meaning),
            _ => None,
        };
        meaning.unwrap_or_else(|| error.into())
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match &error {
            // That there is nothing to roll back says nothing about the commit.
            DieselError::RollbackErrorOnCommit { .. } => Self::connection_lost(error),
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, info) => {
                if is_session_terminated(info.message()) {
                    Self::unavailable(error)
                } else {
                    Self::connection_lost(error)
                }
            }
            // There was no connection to send the statement or the commit over; or the server is read-only.
            DieselError::DatabaseError(
                DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | DieselError::BrokenTransactionManager => Self::unavailable(error),
            DieselError::DatabaseError(_, info) if is_statement_cancelled(info.message()) => {
                Self::unavailable(error)
            }
            _ => Self::internal(error),
        }
    }
}

/// Whether Postgres itself ended the session, as it does in a shutdown. It does so only while no
/// commit is under way: a backend that commits holds interrupts back until the commit is done. The
/// message is received on an idle connection; with a statement in flight libpq may report only that
/// the connection is lost, and the message may be in another language. Both err on the safe side.
fn is_session_terminated(message: &str) -> bool {
    message.starts_with("terminating connection due to administrator command")
}

/// Whether Postgres cancelled the statement and rolled it back for a reason that may pass: a
/// timeout, or a deadlock. Diesel doesn't pass the SQLSTATE on; in another language this is
/// [`Error::Internal`].
fn is_statement_cancelled(message: &str) -> bool {
    message.starts_with("canceling statement due to") || message.starts_with("deadlock detected")
}

/// Whether the statement was rolled back because it waited too long for a lock that another session
/// holds. Diesel doesn't pass the SQLSTATE on, so this goes by the message, which sessions have in
/// English as far as they may choose.
pub(crate) fn is_lock_timeout(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, info) => {
            info.message().starts_with("canceling statement due to lock timeout")
        }
        _ => false,
    }
}

/// The only translation of the store's errors into those of calls.
impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(cause) => Self::Unavailable(Box::new(cause)),
            Error::ConnectionLost(cause) => Self::OutcomeUnknown(Box::new(cause)),
            Error::DeadlineExceeded => Self::DeadlineExceeded,
            // No call creates what the first three are about; the commands that do handle them.
            Error::Exists(_) | Error::Missing(_) | Error::Invalid(_) | Error::Internal(_) => {
                Self::Internal(Box::new(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Effect;

    use super::*;

    #[test]
    fn a_lost_connection_leaves_only_a_write_in_doubt() {
        let lost = Error::connection_lost("cut");
        let read = domain::Error::from(lost.clone().without_effect());
        assert!(matches!(read, domain::Error::Unavailable(_)), "{read:?}");
        assert_eq!(read.effect(), Effect::None);
        let write = domain::Error::from(lost);
        assert!(matches!(write, domain::Error::OutcomeUnknown(_)), "{write:?}");
        assert_eq!(write.effect(), Effect::Unknown);
    }

    #[test]
    fn a_lost_commit_leaves_a_write_in_doubt() {
        let closed = || {
            let info = Box::new("server closed the connection unexpectedly".to_owned());
            Box::new(DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, info))
        };
        let lost =
            DieselError::RollbackErrorOnCommit { rollback_error: closed(), commit_error: closed() };
        let error = domain::Error::from(Error::from(lost));
        assert!(matches!(error, domain::Error::OutcomeUnknown(_)), "{error:?}");
    }

    #[test]
    fn every_clone_of_an_error_has_its_cause() {
        let cause = std::io::Error::other("the disk is full");
        let error = Error::unavailable(cause);
        for error in [error.clone(), error] {
            let error = domain::Error::from(error);
            assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is full");
        }
    }
}
