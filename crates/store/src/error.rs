//! What can go wrong with the database, told apart by what the caller can do about it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use domain::Cause;

/// Why a query had no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was to be made is there already.
    #[error("{0} exists already")]
    Exists(String),
    /// What the query names is not there.
    #[error("{0} does not exist")]
    Missing(String),
    /// A value breaks a rule of the schema.
    #[error("{0}")]
    Invalid(String),
    /// The database is away, or has no connection free in time. Nothing was done.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// The connection was lost while the statement ran: it may or may not have been done.
    #[error("the connection to the database was lost")]
    ConnectionLost(#[source] Cause),
    /// Something that should not happen.
    #[error("the database refused a statement")]
    Internal(#[source] Cause),
}

impl Error {
    /// Gives a broken constraint the meaning that it has in this query.
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
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, info) => {
                if was_told_to_go(info.message()) {
                    Self::Unavailable(error.into())
                } else {
                    Self::ConnectionLost(error.into())
                }
            }
            // libpq had no connection to send it over; or the server takes no writes.
            DieselError::DatabaseError(
                DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            )
            | DieselError::BrokenTransactionManager => Self::Unavailable(error.into()),
            DieselError::DatabaseError(_, info) if was_given_up(info.message()) => {
                Self::Unavailable(error.into())
            }
            _ => Self::Internal(error.into()),
        }
    }
}

/// Whether Postgres itself ended the session, as it does in a shutdown. It does so only where no
/// commit is under way: a backend that commits holds interrupts back until it is done. It is
/// recognised on an idle connection; with a statement in flight libpq may tell only that the
/// connection is lost, and a message may be in another language. Both err on the safe side.
fn was_told_to_go(message: &str) -> bool {
    message.starts_with("terminating connection due to administrator command")
}

/// Whether Postgres gave the statement up and undid it, which may pass: it took too long, or stood
/// in another's way. Diesel doesn't hand the SQLSTATE on; in another language this is Internal.
fn was_given_up(message: &str) -> bool {
    message.starts_with("canceling statement due to") || message.starts_with("deadlock detected")
}

impl From<Error> for domain::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(cause) => Self::Unavailable(cause),
            Error::ConnectionLost(cause) => Self::OutcomeUnknown(cause),
            Error::Exists(_) | Error::Missing(_) | Error::Invalid(_) | Error::Internal(_) => {
                Self::Internal(error.into())
            }
        }
    }
}
