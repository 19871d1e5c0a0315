//! What the failure of a statement says about its batches and its connection.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::error::Error;

/// Whether the connection can't be used after this error.
pub(super) fn is_fatal(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(kind, _) => {
            let is_unusable = matches!(
                kind,
                DatabaseErrorKind::ClosedConnection
                    | DatabaseErrorKind::UnableToSendCommand
                    // The server has become a standby since the connection was opened.
                    | DatabaseErrorKind::ReadOnlyTransaction
            );
            is_unusable || is_of_libpq(error)
        }
        // Whatever it was, it did not come from the server.
        _ => true,
    }
}

/// Whether libpq made this error itself, as when its memory is exhausted or it can't read what it
/// receives. Diesel doesn't say so: it passes on neither the SQLSTATE, which only the database gives, nor
/// whether there is a primary message. But where there is none its `message()` is libpq's whole text, which ends
/// in a newline (`PQresultErrorMessage`). A primary message has none, unless a function raises one that
/// does; then its batches are in doubt for nothing.
fn is_of_libpq(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, info) => {
            let message = info.message();
            message.is_empty() || message.ends_with('\n')
        }
        _ => false,
    }
}

/// Returns the error of jobs whose statement failed.
///
/// Only an error that the database itself reported proves that the statement was rolled back. Any
/// other one, as of a result that can't be read, may come after the commit.
pub(super) fn failure(error: DieselError) -> Error {
    match error {
        _ if is_of_libpq(&error) => Error::connection_lost(error),
        DieselError::DatabaseError(..) | DieselError::BrokenTransactionManager => error.into(),
        // Parameters are written before anything is sent.
        DieselError::SerializationError(_) => Error::internal(error),
        _ => Error::connection_lost(error),
    }
}

/// The error of jobs that were not begun.
pub(super) fn not_sent() -> Error {
    Error::unavailable("the connection was lost before the batch was sent")
}

/// The error of jobs whose result does not count: another server may have taken over before the
/// statement was committed, and know nothing of it.
pub(super) fn abandoned() -> Error {
    Error::connection_lost("the server was replaced by another one before it answered")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::is_lock_timeout;

    #[test]
    fn a_lock_timeout_is_told_from_other_reasons_to_cancel_a_statement() {
        let reported = |message: &str| {
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
        };
        assert!(is_lock_timeout(&reported("canceling statement due to lock timeout")));
        for other in ["canceling statement due to statement timeout", "deadlock detected"] {
            assert!(!is_lock_timeout(&reported(other)), "{other}");
        }
        assert!(!is_lock_timeout(&DieselError::NotFound));
    }

    #[test]
    fn only_an_error_that_the_database_reported_proves_a_rollback() {
        let error = |kind, text: &str| DieselError::DatabaseError(kind, Box::new(text.to_owned()));
        let reported = |kind| error(kind, "a message");
        let made_by_libpq = |text| error(DatabaseErrorKind::Unknown, text);
        for (error, is_in_doubt, is_unusable) in [
            (reported(DatabaseErrorKind::ForeignKeyViolation), false, false),
            (reported(DatabaseErrorKind::Unknown), false, false),
            (reported(DatabaseErrorKind::SerializationFailure), false, false),
            (reported(DatabaseErrorKind::ReadOnlyTransaction), false, true),
            // libpq did not send the statement.
            (reported(DatabaseErrorKind::UnableToSendCommand), false, true),
            (reported(DatabaseErrorKind::ClosedConnection), true, true),
            // It can't read, or keep, the result that the database sent.
            (made_by_libpq("out of memory for query result\n"), true, true),
            (made_by_libpq(""), true, true),
            (DieselError::BrokenTransactionManager, false, true),
            (DieselError::DeserializationError("no UTF-8".into()), true, true),
            (DieselError::NotFound, true, true),
            (DieselError::SerializationError("too large".into()), false, true),
        ] {
            let name = format!("{error:?}");
            assert_eq!(is_fatal(&error), is_unusable, "{name}");
            assert_eq!(matches!(failure(error), Error::ConnectionLost(_)), is_in_doubt, "{name}");
        }
    }
}
