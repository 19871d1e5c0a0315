//! What each session is set to when it is opened.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel::{
    ConnectionError::BadConnection,
    PgConnection,
    connection::SimpleConnection as _,
    r2d2::{self, CustomizeConnection},
    result::Error::DatabaseError,
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
/// - The tables are those of the schema `public`, unless the URL says otherwise.
/// - Errors are known by their messages, as Diesel doesn't pass the SQLSTATE on, so these are in English,
///   where the role may choose that.
///
/// `default_transaction_read_only` stays: it is how a server, or a database, is closed to writes.
const DEFAULTS: &str = "
    SET default_transaction_isolation = 'read committed';
    SET client_encoding = 'UTF8';
    SET DateStyle = 'ISO, MDY';
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

/// Fails in a session that another connection has marked, and marks it. Behind a pooler in transaction mode,
/// connections share sessions: what one sets, others have, and it may itself lose it with its next
/// transaction. A pooler in session mode resets a session before it gives it to another connection.
const MARK: &str = "
    DO $$ BEGIN
        IF current_setting('caseload.session', true) <> '' THEN
            RAISE EXCEPTION 'another connection has used this session';
        END IF;
    END $$;
    SET caseload.session = 'used';";

/// The message of [`MARK`].
const USED: &str = "another connection has used this session";

/// Why connections can't be used while sessions are shared.
pub(super) const SHARED_SESSIONS: &str = "the pooler before the database gives one session to several \
    connections: use its session mode, with a server_reset_query, or connect directly";

/// Whether connections were seen to share sessions. Clones share what they have seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Sharing(Arc<AtomicBool>);

impl Sharing {
    /// Returns whether the last connection that was opened had the session of another one.
    pub(super) fn is_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn record(&self, is_seen: bool) {
        self.0.store(is_seen, Ordering::Relaxed);
    }
}

/// Prepares each new session.
#[derive(Debug)]
pub(super) struct Session {
    /// How long a statement waits for a lock that another session holds.
    pub(super) lock_timeout: Duration,
    pub(super) sharing: Sharing,
}

impl CustomizeConnection<PgConnection, r2d2::Error> for Session {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), r2d2::Error> {
        let lock_timeout = self.lock_timeout.as_millis().max(1);
        let statements = format!(
            "{MARK} {PLANS} SET statement_timeout = '10s'; SET lock_timeout = '{lock_timeout}ms'; {DEFAULTS}"
        );
        match connection.batch_execute(&statements) {
            Err(DatabaseError(_, information)) if information.message() == USED => {
                self.sharing.record(true);
                Err(r2d2::Error::ConnectionError(BadConnection(SHARED_SESSIONS.to_owned())))
            }
            result => {
                self.sharing.record(false);
                result.map_err(r2d2::Error::QueryError)
            }
        }
    }
}
