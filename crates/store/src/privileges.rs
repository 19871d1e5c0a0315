//! Whether the role of a server may write what its calls write.

use diesel::{
    OptionalExtension as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{Array, Text},
};

use crate::{database::Database, error::Error};

/// The tables that calls insert rows into.
const WRITTEN: [&str; 10] = [
    "audit_entries",
    "audit_heads",
    "audit_outbox",
    "cases",
    "creation_events",
    "idempotency_keys",
    "task_assignees",
    "task_events",
    "tasks",
    "users",
];

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

impl Database {
    /// Checks that this role may insert rows into the tables that calls write to. Changes nothing, and has a connection
    /// of its own, so it does not wait for other queries. The schema must exist.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`]; [`Error::Invalid`] if it may not.
    pub async fn check_privileges(&self) -> Result<(), Error> {
        self.check("check_privileges", require).await
    }
}

fn require(connection: &mut PgConnection) -> Result<(), Error> {
    let missing = "SELECT name FROM unnest($1) AS name
        WHERE NOT has_any_column_privilege(name, 'INSERT') ORDER BY name LIMIT 1";
    let missing: Option<Table> = sql_query(missing)
        .bind::<Array<Text>, _>(&WRITTEN[..])
        .get_result(connection)
        .optional()?;
    match missing {
        None => Ok(()),
        Some(Table { name }) => Err(Error::Invalid(format!(
            "the server's role may not insert rows into {name}: run deploy/roles.sql"
        ))),
    }
}
