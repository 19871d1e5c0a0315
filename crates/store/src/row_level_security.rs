//! Whether the database restricts queries of tenants by row-level security, as the server relies on.

pub(crate) mod checked_policies;
#[cfg(test)]
mod tests;

use checked_policies::CheckedPolicies;
use diesel::{
    Connection as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    dsl::sql,
    select, sql_query,
    sql_types::{Array, Bool, Nullable, Text},
};

use crate::{
    database::Database,
    error::{Error, is_lock_timeout},
};

/// The tables that queries of tenants use.
pub(crate) const TABLES: [&str; 11] = [
    "api_keys",
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

/// What settings.sql returns.
#[derive(QueryableByName)]
struct Settings {
    #[diesel(sql_type = Nullable<Text>)]
    flaw: Option<String>,
    #[diesel(sql_type = Text)]
    policies: String,
}

/// What policies.sql and privileges.sql return.
#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
}

/// Requires that the tables restrict the role of tenants, and that the role of this session may become that role,
/// and is not restricted itself.
///
/// The conditions of the policies are read if they are not those that were checked before. If somebody has locked a
/// table exclusively by then, as a migration does, the last finding holds until they can be read.
///
/// The privileges on columns are compared with those of the service until nothing is wrong for the first time. Later,
/// the files of the next release may have been run in part: that must not stop servers of this one.
///
/// # Errors
/// [`Error::Invalid`] with what is wrong.
pub(crate) fn require(
    connection: &mut PgConnection,
    checked: &CheckedPolicies,
) -> Result<(), Error> {
    let query = sql_query(include_str!("row_level_security/settings.sql"));
    let found: Settings = query.bind::<Array<Text>, _>(&TABLES[..]).get_result(connection)?;
    if let Some(flaw) = found.flaw {
        return Err(ineffective(&flaw));
    }
    let last = checked.get();
    if last.is_none() {
        require_privileges(connection)?;
    }
    if last.as_ref() == Some(&found.policies) {
        return Ok(());
    }
    match altered_table(connection) {
        Ok(None) => {
            checked.set(found.policies);
            Ok(())
        }
        Ok(Some(table)) => Err(ineffective(&format!(
            "the table {table} lacks its policies, as they were changed: run \
             deploy/row_level_security.sql"
        ))),
        Err(error) if last.is_some() && is_lock_timeout(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Requires that the role of tenants has all privileges of the service on these tables.
fn require_privileges(connection: &mut PgConnection) -> Result<(), Error> {
    let query = sql_query(include_str!("row_level_security/privileges.sql"));
    let found: Table = query.bind::<Array<Text>, _>(&TABLES[..]).get_result(connection)?;
    match found.name {
        None => Ok(()),
        Some(name) => Err(ineffective(&format!(
            "the role caseload_tenant lacks a privilege of caseload_service on {name}: run \
             deploy/row_level_security.sql"
        ))),
    }
}

fn ineffective(flaw: &str) -> Error {
    Error::Invalid(format!("row-level security does not work: {flaw}"))
}

/// Returns a table with a policy whose condition was changed. Waits for a lock for a part of the time that a check of
/// readiness may take.
fn altered_table(connection: &mut PgConnection) -> QueryResult<Option<String>> {
    connection.transaction(|connection| {
        connection.batch_execute("SET LOCAL lock_timeout = '250ms'")?;
        let query = sql_query(include_str!("row_level_security/policies.sql"));
        let found: Table = query.get_result(connection)?;
        Ok(found.name)
    })
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
