//! Whether the database restricts queries of tenants by row-level security, as the server relies on.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    dsl::sql,
    select, sql_query,
    sql_types::{Array, Bool, Nullable, Text},
};

use crate::{database::Database, error::Error};

/// The tables that queries of tenants use.
pub(crate) const TABLES: [&str; 10] = [
    "api_keys",
    "audit_entries",
    "audit_heads",
    "audit_outbox",
    "cases",
    "idempotency_keys",
    "task_assignees",
    "task_events",
    "tasks",
    "users",
];

#[derive(QueryableByName)]
struct Flaw {
    #[diesel(sql_type = Nullable<Text>)]
    flaw: Option<String>,
}

/// Requires that the tables restrict the role of tenants, and that the role of this session may become that role,
/// and is not restricted itself.
///
/// # Errors
/// [`Error::Invalid`] with what is wrong.
pub(crate) fn require(connection: &mut PgConnection) -> Result<(), Error> {
    let query = sql_query(include_str!("row_level_security.sql"));
    let found: Flaw = query.bind::<Array<Text>, _>(&TABLES[..]).get_result(connection)?;
    match found.flaw {
        None => Ok(()),
        Some(flaw) => Err(Error::Invalid(format!("row-level security does not work: {flaw}"))),
    }
}

impl Database {
    /// Returns whether `deploy/row_level_security.sql` was run, but this program does not use row-level security.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn has_unused_row_level_security(&self) -> Result<bool, Error> {
        if self.is_row_level_security_on() {
            return Ok(false);
        }
        self.check("has_row_level_security", |connection| {
            let is_set_up = sql::<Bool>("to_regtype('caseload_tenants') IS NOT NULL");
            Ok(select(is_set_up).get_result(connection)?)
        })
        .await
    }
}

/// Sets a migrated database up for row-level security, as `docs/OPERATIONS.md` says.
#[cfg(test)]
pub(crate) fn set_up(cluster: &localdb::Cluster, database: &str) {
    for name in ["roles.sql", "row_level_security.sql"] {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        let status = std::process::Command::new(cluster.bin_dir().join("psql"))
            .args(["--no-psqlrc", "--quiet", "--file"])
            .arg(directory.join(name))
            .arg(cluster.url(database))
            .status();
        assert!(status.unwrap().success(), "{name}");
    }
}
