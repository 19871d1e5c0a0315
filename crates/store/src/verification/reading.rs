//! Reads all rows of a table, or none.

use diesel::{PgConnection, connection::SimpleConnection as _};

use crate::error::Error;

/// Runs statements that only read, and read all rows or fail.
pub(super) fn reading<T>(
    connection: &mut PgConnection,
    read: impl FnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    connection.build_transaction().read_only().run(|connection| {
        // A page of rows that are not in memory may take longer than a call may.
        connection
            .batch_execute("SET LOCAL row_security = off; SET LOCAL statement_timeout = '10min'")?;
        read(connection)
    })
}
