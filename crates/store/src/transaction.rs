//! Transactions of several statements.

use diesel::{
    Connection as _, PgConnection, QueryResult,
    result::{DatabaseErrorKind, Error as DieselError},
};

/// Runs statements in a transaction. If one of them fails, nothing is changed, and the error says so, also
/// if the connection was lost: the commit was not sent then. Only if the connection is lost during the
/// commit it is unknown whether anything was changed.
pub(crate) fn in_transaction<T>(
    connection: &mut PgConnection,
    statements: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let mut is_complete = false;
    let result = connection.transaction(|connection| {
        let value = statements(connection)?;
        is_complete = true;
        Ok(value)
    });
    match result {
        Err(error) if !is_complete => Err(unsent(error)),
        result => result,
    }
}

/// Translates the error of a statement that changes nothing by itself: a lost connection leaves nothing in
/// doubt, as if what was to follow could not be sent.
pub(crate) fn unsent(error: DieselError) -> DieselError {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, info) => {
            let message = Box::new(info.message().to_owned());
            DieselError::DatabaseError(DatabaseErrorKind::UnableToSendCommand, message)
        }
        error => error,
    }
}
