//! The migrations of the schema, embedded in the program.

use diesel::{
    PgConnection, QueryDsl as _, RunQueryDsl as _,
    dsl::sql,
    migration::{Migration, MigrationSource},
    pg::Pg,
    select, sql_query,
    sql_types::{Bool, Text},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use crate::{database::Database, error::Error, row_level_security};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

impl Database {
    /// Runs the pending migrations, and returns their names.
    ///
    /// Several programs may do so at once: each waits for the one before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::ConnectionLost`]; [`Error::Internal`] if a migration fails:
    /// that one is rolled back, those before it are not; [`Error::Invalid`] if the database's encoding
    /// is not UTF8.
    pub async fn migrate(&self) -> Result<Vec<String>, Error> {
        self.write("migrate", |connection| {
            exclusively(connection, |connection| {
                let pending = missing_migrations(connection)?;
                connection.run_pending_migrations(MIGRATIONS).map_err(Error::internal)?;
                Ok(pending)
            })
        })
        .await
    }

    /// Whether the schema exists and all migrations of this program were run. Changes nothing, and
    /// needs no right to. It has a connection of its own, so it does not wait for other queries.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`]; [`Error::Invalid`] if the database's encoding is
    /// not UTF8, if this role gets Postgres' messages in another language than English, or if row-level
    /// security is to restrict what is done for tenants, but would not.
    pub async fn has_current_schema(&self) -> Result<bool, Error> {
        let checked_policies = self.checked_policies();
        self.check("has_current_schema", move |connection| {
            require_english(connection)?;
            let is_current = missing_migrations(connection)?.is_empty();
            if let Some(checked) = checked_policies.filter(|_| is_current) {
                row_level_security::require(connection, &checked)?;
            }
            Ok(is_current)
        })
        .await
    }

    /// Returns the names of the pending migrations. Changes nothing, and needs no right to.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`]; [`Error::Invalid`] if the database's encoding is
    /// not UTF8.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, Error> {
        self.read("pending_migrations", missing_migrations).await
    }

    /// Returns the versions of the migrations that were run and that this program does not know, as those of a
    /// later release. Changes nothing, and needs no right to.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub(crate) async fn unknown_migrations(&self) -> Result<Vec<String>, Error> {
        self.read("unknown_migrations", |connection| {
            if !missing_migrations(connection)?.is_empty() {
                return Ok(Vec::new());
            }
            let known = known_migrations()?;
            let known: Vec<_> =
                known.iter().map(|migration| migration.name().version().to_string()).collect();
            let done: Vec<String> =
                schema_migrations::table.select(schema_migrations::version).load(connection)?;
            Ok(done.into_iter().filter(|version| !known.contains(version)).collect())
        })
        .await
    }

    /// Reverts all migrations, which drops all tables and all data.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub async fn revert_migrations(&self) -> Result<(), Error> {
        self.write("revert_migrations", |connection| {
            exclusively(connection, |connection| {
                connection.revert_all_migrations(MIGRATIONS).map_err(Error::internal)?;
                Ok(())
            })
        })
        .await
    }
}

/// Returns the names of the pending migrations. Diesel's own function would create its table if that
/// does not exist yet.
///
/// # Errors
/// [`Error::Invalid`] if the database's encoding is not UTF8, the only one that holds every text that
/// callers may send. In SQL_ASCII, Postgres would take any bytes, and fail when it reads them.
fn missing_migrations(connection: &mut PgConnection) -> Result<Vec<String>, Error> {
    let (encoding, is_set_up): (String, bool) = select((
        sql::<Text>("current_setting('server_encoding')"),
        sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL"),
    ))
    .get_result(connection)?;
    if encoding != "UTF8" {
        return Err(Error::Invalid(format!(
            "the database's encoding is {encoding}, but must be UTF8: create another database with \
             ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    let done: Vec<String> = if is_set_up {
        schema_migrations::table.select(schema_migrations::version).load(connection)?
    } else {
        Vec::new()
    };
    Ok(known_migrations()?
        .iter()
        .map(|migration| migration.name())
        .filter(|name| !done.contains(&name.version().to_string()))
        .map(ToString::to_string)
        .collect())
}

/// Returns all migrations of this program.
fn known_migrations() -> Result<Vec<Box<dyn Migration<Pg>>>, Error> {
    MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(Error::internal)
}

/// Returns how many migrations this program has.
pub(crate) fn count() -> usize {
    known_migrations().map_or(0, |all| all.len())
}

/// Lock timeouts, cancelled statements and deadlocks are known by Postgres' messages. A locale may have
/// no messages of its own, so this looks at one that every session can read.
///
/// # Errors
/// [`Error::Invalid`] if the session's messages are in another language than English.
fn require_english(connection: &mut PgConnection) -> Result<(), Error> {
    let is_english = sql::<Bool>(
        "current_setting('lc_messages') IN ('C', 'POSIX') OR EXISTS (
            SELECT FROM pg_settings WHERE name = 'lock_timeout' AND short_desc LIKE 'Sets %')",
    );
    if select(is_english).get_result(connection)? {
        return Ok(());
    }
    Err(Error::Invalid(
        "Postgres' messages are in another language than English, by which errors are known: run \
         ALTER ROLE ... SET lc_messages = 'C' for the server's role, as a superuser, and restart the \
         server"
            .to_owned(),
    ))
}

diesel::table! {
    #[sql_name = "__diesel_schema_migrations"]
    schema_migrations (version) {
        version -> Text,
    }
}

/// Runs the work while no other program migrates this database.
fn exclusively<T>(
    connection: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, Error>,
) -> Result<T, Error> {
    // The session's limits are for calls; to build an index, or to wait for another program, may take
    // longer.
    sql_query("SET statement_timeout = 0").execute(connection)?;
    sql_query("SET lock_timeout = 0").execute(connection)?;
    sql_query("SELECT pg_advisory_lock(hashtext('caseload migrations'))").execute(connection)?;
    // A migration locks tables for a moment only. If a long transaction is in the way, it fails rather
    // than have all calls wait behind it, and can be run again.
    sql_query("SET lock_timeout = '2s'").execute(connection)?;
    let outcome = work(connection);
    sql_query("SELECT pg_advisory_unlock(hashtext('caseload migrations'))").execute(connection)?;
    sql_query("RESET statement_timeout").execute(connection)?;
    sql_query("RESET lock_timeout").execute(connection)?;
    outcome
}
