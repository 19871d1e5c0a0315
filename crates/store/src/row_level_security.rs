//! Whether row-level security does what the service relies on.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{Nullable, Text},
};

use crate::error::Error;

#[derive(QueryableByName)]
struct Flaw {
    #[diesel(sql_type = Nullable<Text>)]
    flaw: Option<String>,
}

/// Requires that the tables restrict the role of tenants, and that the role of this session may become it, and is
/// not restricted itself.
///
/// # Errors
/// [`Error::Invalid`] with what is wrong.
pub(crate) fn require(connection: &mut PgConnection) -> Result<(), Error> {
    let found: Flaw = sql_query(include_str!("row_level_security.sql")).get_result(connection)?;
    match found.flaw {
        None => Ok(()),
        Some(flaw) => Err(Error::Invalid(format!("row-level security does not work: {flaw}"))),
    }
}
