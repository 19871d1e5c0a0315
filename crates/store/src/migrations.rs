//! The schema's history, embedded in the program.

use diesel::{
    PgConnection, QueryDsl as _, RunQueryDsl as _, dsl::sql, migration::MigrationSource, pg::Pg,
    select, sql_query, sql_types::Bool,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::{Database, Error};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

impl Database {
    /// Brings the schema up to date, and returns the names of the migrations that were run.
    ///
    /// Several programs may do so at once: they take turns.
    ///
    /// # Errors
    /// [`Error::Unavailable`], and [`Error::Internal`] where a migration fails: it is undone, those
    /// before it are not.
    pub async fn migrate(&self) -> Result<Vec<String>, Error> {
        self.run(|connection| {
            in_turn(connection, |connection| {
                let pending = missing_migrations(connection)?;
                connection.run_pending_migrations(MIGRATIONS).map_err(Error::Internal)?;
                Ok(pending)
            })
        })
        .await
    }

    /// Whether the schema is there and no migration of this program is missing. It changes
    /// nothing, and needs no right to.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn has_current_schema(&self) -> Result<bool, Error> {
        self.run(|connection| Ok(missing_migrations(connection)?.is_empty())).await
    }

    /// The names of the migrations that are yet to be run. It changes nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        self.run(missing_migrations).await
    }

    /// Takes the whole schema down, and with it all data.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub async fn revert_migrations(&self) -> Result<(), Error> {
        self.run(|connection| {
            in_turn(connection, |connection| {
                connection.revert_all_migrations(MIGRATIONS).map_err(Error::Internal)?;
                Ok(())
            })
        })
        .await
    }
}

/// Diesel's own look at what is pending would create its table where it is missing.
fn missing_migrations(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let is_set_up = select(sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL"))
        .get_result::<bool>(connection)?;
    let done: Vec<String> = if is_set_up {
        schema_migrations::table.select(schema_migrations::version).load(connection)?
    } else {
        Vec::new()
    };
    let all = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(Error::Internal)?;
    Ok(all
        .iter()
        .map(|migration| migration.name())
        .filter(|name| !done.contains(&name.version().to_string()))
        .map(ToString::to_string)
        .collect())
}

diesel::table! {
    #[sql_name = "__diesel_schema_migrations"]
    schema_migrations (version) {
        version -> Text,
    }
}

/// Runs the work while no other program does such work on this database.
fn in_turn<T>(
    connection: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    // The session's own limit is for requests; building an index may take longer.
    sql_query("SET statement_timeout = 0").execute(connection)?;
    sql_query("SELECT pg_advisory_lock(hashtext('caseload migrations'))").execute(connection)?;
    let outcome = work(connection);
    sql_query("SELECT pg_advisory_unlock(hashtext('caseload migrations'))").execute(connection)?;
    sql_query("RESET statement_timeout").execute(connection)?;
    outcome
}
