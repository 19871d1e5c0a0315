//! The schema's history, embedded in the program.

use diesel::{PgConnection, RunQueryDsl as _, sql_query};
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
                let run = connection
                    .run_pending_migrations(MIGRATIONS)
                    .map_err(Error::Internal)?;
                Ok(run.iter().map(ToString::to_string).collect())
            })
        })
        .await
    }

    /// The names of the migrations that are yet to be run.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        self.run(|connection| {
            let pending = connection
                .pending_migrations(MIGRATIONS)
                .map_err(Error::Internal)?;
            Ok(pending
                .iter()
                .map(|migration| migration.name().to_string())
                .collect())
        })
        .await
    }

    /// Takes the whole schema down, and with it all data.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub async fn revert_migrations(&self) -> Result<(), Error> {
        self.run(|connection| {
            in_turn(connection, |connection| {
                connection
                    .revert_all_migrations(MIGRATIONS)
                    .map_err(Error::Internal)?;
                Ok(())
            })
        })
        .await
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
