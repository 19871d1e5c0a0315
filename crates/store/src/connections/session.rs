//! What each session is set to when it is opened.

use std::{
    hash::{BuildHasher as _, RandomState},
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use diesel::{
    ConnectionError::BadConnection,
    PgConnection, PgExpressionMethods as _, RunQueryDsl as _,
    connection::SimpleConnection as _,
    define_sql_function,
    dsl::sql,
    r2d2::{self, CustomizeConnection},
    result::Error::DatabaseError,
    select,
    sql_types::{Bool, Text},
};

use crate::{
    error::Error,
    scope::{Access, ROLE, Scope},
};

/// The write path's statement is planned once a connection, not for each call. That plan must not depend
/// on how full the tables were when it was made, so the look-ups are made to use their indexes, and no
/// statement is given to parallel workers: with these, a list that needs 21 rows reads thousands, in no
/// order, to sort them. Nor is a statement compiled to machine code: that takes tens of milliseconds each
/// time, also where only the estimate is high, as for a page of a long list.
pub(crate) const PLANS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET max_parallel_workers_per_gather = 0; SET jit = off;";

/// What the statements rely on: a database or a role may have others as its defaults.
///
/// - No default ends a session or a transaction that this program wants to keep. Not every version of
///   Postgres has all of these limits.
/// - A commit is on disk, and on the synchronous standbys, when its caller is told so. `remote_apply`
///   asks for more than that.
/// - Constraints are checked. Only a superuser can change this, so another role can't connect where
///   they are not.
/// - Policies are applied. Without that, Postgres refuses every statement on a table that has policies for the role.
/// - The tables are those of the schema `public`, unless the URL says otherwise.
/// - Errors are known by their messages, as Diesel doesn't pass the SQLSTATE on, so these are in English,
///   where the role may choose that.
///
/// `default_transaction_read_only` stays: it is how a server, or a database, is closed to writes.
const DEFAULTS: &str = "
    SET default_transaction_isolation = 'read committed';
    SET client_encoding = 'UTF8';
    SET DateStyle = 'ISO, MDY';
    SET row_security = on;
    SET idle_in_transaction_session_timeout = '10s';
    SELECT set_config(name, '0', false) FROM pg_settings
        WHERE name IN ('idle_session_timeout', 'transaction_timeout');
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') <> 'remote_apply';
    SELECT set_config('session_replication_role', 'origin', false)
        WHERE current_setting('session_replication_role') <> 'origin';
    SELECT set_config('search_path', 'public', false) FROM pg_settings
        WHERE name = 'search_path' AND source <> 'client';
    SELECT set_config('lc_messages', 'C', false) FROM pg_roles
        WHERE rolname = current_user AND rolsuper";

/// The message of [`mark`] where the session has another connection's mark.
const USED: &str = "another connection has used this session";

/// Returns statements that fail in a session that another connection has marked, and mark it. Behind a pooler in
/// transaction mode, connections share sessions: what one sets, others have, and it may itself lose it with its next
/// transaction. A pooler in session mode resets a session before it gives it to another connection.
fn mark(token: &str) -> String {
    let statement = marking_statement(token);
    format!(
        "DO $$ BEGIN
            IF current_setting('{MARK}', true) <> '' THEN
                RAISE EXCEPTION '{USED}';
            END IF;
        END $$;
        SET {MARK} = '{token}';
        PREPARE {statement} AS SELECT;"
    )
}

/// Returns the name of a prepared statement that only a session with the mark of this connection has. To execute it costs
/// a quarter of what it costs to read the setting, and fails elsewhere.
fn marking_statement(token: &str) -> String {
    format!("caseload_session_{token}")
}

/// The setting that has the token of the connection that the session belongs to.
const MARK: &str = "caseload.session";

define_sql_function! {
    /// Returns a setting of the session, or NULL if it is missing and may be.
    fn current_setting(name: Text, may_be_missing: Bool) -> Nullable<Text>;
}

/// Why connections can't be used while sessions are shared.
const SHARED_SESSIONS: &str = "the pooler before the database gives one session to several \
    connections: use its session mode, with a server_reset_query, or connect directly";

/// How long no connection is used after sessions were seen to be shared. Attempts to connect don't stop, and far more
/// than one of them is made in this time. A pooler that closes its connections, and opens others, makes some of
/// these attempts look good.
const REMEMBERED: Duration = Duration::from_mins(1);

/// When connections were last seen to share sessions. Clones share what they have seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Sharing(Arc<Mutex<Option<Instant>>>);

impl Sharing {
    /// Returns whether connections were seen to share sessions within the last minute.
    pub(super) fn is_seen(&self) -> bool {
        self.last().is_some_and(|last| last.elapsed() < REMEMBERED)
    }

    fn record(&self) {
        *self.last() = Some(Instant::now());
    }

    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, the token by which it knows its session, and what its session may see.
pub(crate) struct Tokened {
    connection: PgConnection,
    token: String,
    sharing: Sharing,
    /// Whether the role of the session is [`ROLE`].
    is_restricted: bool,
    /// The session's setting `caseload.tenants`, which has an effect while it is restricted.
    tenants: Option<Scope>,
}

impl Tokened {
    /// Returns a connection with a random token, which [`Session`] stores in its session.
    pub(super) fn new(connection: PgConnection, sharing: Sharing) -> Self {
        let token = format!("{:016x}", RandomState::new().hash_one(()));
        Self { connection, token, sharing, is_restricted: false, tenants: None }
    }

    /// Sets what the session may see or change: in one round trip, or none if it is set already.
    ///
    /// Nothing is set in a session of another connection, as a pooler in transaction mode may give this one: that
    /// connection would go on with this role and these tenants.
    ///
    /// Where there is nothing to set, the mark of the session is not looked at, which would take a round trip for
    /// each query: [`Self::check`] does that when the connection is taken from the pool.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the session is that of another connection, or the connection is lost;
    /// [`Error::Internal`] as where the role of the connection may not become [`ROLE`]. The session stays as it was.
    pub(super) fn enter(&mut self, access: &Access) -> Result<(), Error> {
        let (is_restricted, tenants) = match access {
            Access::All if !self.is_restricted => return Ok(()),
            Access::All => (false, self.tenants.clone()),
            Access::Tenants(tenants) => (true, Some(tenants.clone())),
            Access::OfStatements => (true, None),
        };
        let mut statements = String::new();
        match (self.is_restricted, is_restricted) {
            (false, true) => statements += &format!("SET ROLE {ROLE};"),
            (true, false) => statements += "RESET ROLE;",
            (false, false) | (true, true) => {}
        }
        if tenants != self.tenants {
            let tenants = tenants.as_ref().map_or("", Scope::as_str);
            statements += &format!("SET caseload.tenants = '{tenants}';");
        }
        if !statements.is_empty() {
            // One transaction for all of them.
            let statements = format!("EXECUTE {}; {statements}", marking_statement(&self.token));
            let entered = self.connection.batch_execute(&statements);
            entered.map_err(|error| self.refused(error))?;
            (self.is_restricted, self.tenants) = (is_restricted, tenants);
        }
        Ok(())
    }

    /// Translates an error of [`Self::enter`]. That another connection has used the session is remembered, as nothing
    /// may use this pooler any more.
    fn refused(&self, error: diesel::result::Error) -> Error {
        match error {
            // There is no such prepared statement.
            DatabaseError(_, information)
                if information.message().contains(&marking_statement(&self.token)) =>
            {
                self.sharing.record();
                Error::unavailable(SHARED_SESSIONS)
            }
            error => Error::from(error).without_effect(),
        }
    }

    /// Checks that the session is still that of this connection and meets a condition, in one round trip unless
    /// there is a condition. Returns whether it meets the condition.
    ///
    /// # Errors
    /// [`SHARED_SESSIONS`] if it is another session, or if others were seen to be shared; those of the query.
    pub(super) fn check(&mut self, condition: Option<&str>) -> Result<bool, r2d2::Error> {
        let is_same = current_setting(MARK, true).is_not_distinct_from(&self.token);
        let (is_same, is_met): (bool, bool) = match condition {
            Some(condition) => {
                select((is_same, sql::<Bool>(condition))).get_result(&mut self.connection)?
            }
            None => (select(is_same).get_result(&mut self.connection)?, true),
        };
        if !is_same {
            self.sharing.record();
        }
        if self.sharing.is_seen() { Err(shared_sessions()) } else { Ok(is_met) }
    }
}

impl Deref for Tokened {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Tokened {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Prepares each new session.
#[derive(Debug)]
pub(super) struct Session {
    /// How long a statement waits for a lock that another session holds.
    pub(super) lock_timeout: Duration,
}

impl CustomizeConnection<Tokened, r2d2::Error> for Session {
    fn on_acquire(&self, connection: &mut Tokened) -> Result<(), r2d2::Error> {
        let mark = mark(&connection.token);
        let lock_timeout = self.lock_timeout.as_millis().max(1);
        let statements = format!(
            "{mark} {PLANS} SET statement_timeout = '10s'; SET lock_timeout = '{lock_timeout}ms'; {DEFAULTS}"
        );
        match connection.batch_execute(&statements) {
            Err(DatabaseError(_, information)) if information.message() == USED => {
                connection.sharing.record();
                Err(shared_sessions())
            }
            result => result.map_err(r2d2::Error::QueryError),
        }
    }
}

fn shared_sessions() -> r2d2::Error {
    r2d2::Error::ConnectionError(BadConnection(SHARED_SESSIONS.to_owned()))
}

#[cfg(test)]
mod tests {
    use localdb::Cluster;

    use super::*;
    use diesel::Connection as _;

    const ROLES: &str = "CREATE ROLE caseload_tenant";

    /// Returns the role and the tenants of a session.
    fn state(connection: &mut Tokened) -> (Option<String>, Option<String>) {
        let settings = (current_setting("role", true), current_setting("caseload.tenants", true));
        select(settings).get_result(&mut **connection).unwrap()
    }

    #[test]
    fn access_is_set_in_the_session_of_the_connection_and_in_no_other() {
        let cluster = Cluster::temporary().setting("shared_buffers", "4MB").start().unwrap();
        let connection = PgConnection::establish(&cluster.url("postgres")).unwrap();
        let sharing = Sharing::default();
        let mut connection = Tokened::new(connection, sharing.clone());
        connection.batch_execute(ROLES).unwrap();
        let session = Session { lock_timeout: Duration::from_secs(1) };
        session.on_acquire(&mut connection).unwrap();
        let of = |tenant| Access::Tenants(Scope::of([domain::TenantId::new(tenant).unwrap()]));

        connection.enter(&of(7)).unwrap();
        let restricted = (Some(ROLE.to_owned()), Some("{7}".to_owned()));
        assert_eq!(state(&mut connection), restricted);
        // As if a pooler had given this session to another connection meanwhile.
        let name = marking_statement(&connection.token);
        connection.batch_execute(&format!("DEALLOCATE {name}")).unwrap();
        for access in [of(8), Access::OfStatements, Access::All] {
            let error = connection.enter(&access).unwrap_err();
            assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
            assert!(format!("{error:?}").contains(SHARED_SESSIONS), "{error:?}");
            assert_eq!(state(&mut connection), restricted);
        }
        assert!(sharing.is_seen());
        let mark = format!("PREPARE {name} AS SELECT");
        connection.batch_execute(&mark).unwrap();
        connection.enter(&Access::OfStatements).unwrap();
        assert_eq!(state(&mut connection), (Some(ROLE.to_owned()), Some(String::new())));
        connection.enter(&Access::All).unwrap();
        assert_eq!(state(&mut connection).0.as_deref(), Some("none"));
        // Nothing is sent where nothing is to be set, as for all queries without row-level security.
        connection.batch_execute(&format!("DEALLOCATE {name}")).unwrap();
        connection.enter(&Access::All).unwrap();
    }
}
