//! Upserts of users or cases that other transactions may be changing, too.

use std::{sync::Arc, time::Duration};

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _,
    connection::SimpleConnection as _,
    result::{DatabaseErrorKind, Error as DieselError},
    sql_query,
    sql_types::Integer,
};
use domain::{Error, TenantId};
use tokio::time::sleep;

use crate::{
    connections::{lane::Lane, presence::Presence},
    database::Database,
    error::is_lock_timeout,
    transaction::in_transaction,
};

/// A statement that upserts all or none of its items. Where `waits` is false it waits for nobody: it finds
/// out whether it was raced, that is whether another transaction upserts for the tenant, has locked one of
/// the rows, or has changed one since the statement began. Then it has changed nothing.
pub(super) trait Upsert: Send + Sync + 'static {
    /// What it returns of each item.
    type Row: Send + 'static;

    /// The name of the query in logs.
    const NAME: &'static str;

    /// Runs the statement.
    fn run(&self, connection: &mut PgConnection, waits: bool) -> QueryResult<Vec<Self::Row>>;

    /// Whether a row says that the statement was raced.
    fn is_raced(row: &Self::Row) -> bool;
}

/// The advisory lock by which a tenant's upserts exclude each other, so that none waits for a new row of
/// another one, which might wait for a new row of its own: a class of its own ("dire" in ASCII), and
/// the tenant. Tenants whose ids have the same remainder share one, and take turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnLock {
    pub(super) class: i32,
    pub(super) tenant: i32,
}

impl TurnLock {
    pub(super) fn of(tenant: TenantId) -> Self {
        let tenant = i32::try_from(tenant.get() % i64::from(i32::MAX)).unwrap_or_default();
        Self { class: 0x6469_7265, tenant }
    }
}

/// How long an attempt waits for each lock: those that it holds meanwhile keep others waiting.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '50ms'";

/// How long to wait before the next attempt: others come between two.
const PAUSE: Duration = Duration::from_millis(20);

/// How often new rows may collide with those of others. Each collision has another cause, as a command
/// that creates a user; more in a row mean a defect, which no further attempt mends.
const MOST_COLLISIONS: u32 = 10;

/// What became of an attempt.
enum Attempt<T> {
    Made(T),
    Raced,
    Collided,
}

fn is_collision(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}

impl Database {
    /// Runs an upsert.
    ///
    /// The statement runs once by itself, which waits for nobody, takes one round trip, and is almost
    /// always enough. If it was raced, it runs again in a transaction that waits for its turn, and for
    /// locked rows, each time for a moment only. It is tried until the caller's time is over.
    pub(super) async fn upsert<U: Upsert>(
        &self,
        tenant: TenantId,
        upsert: U,
    ) -> Result<Vec<U::Row>, Error> {
        let upsert = Arc::new(upsert);
        let mut waits = false;
        let mut collisions = 0;
        loop {
            let upsert = Arc::clone(&upsert);
            let attempt = move |connection: &mut PgConnection, caller: &Presence| {
                let result = match waits {
                    true => run_waiting(connection, TurnLock::of(tenant), &*upsert, caller),
                    false => upsert.run(connection, false),
                };
                match result {
                    Ok(rows) if !rows.iter().any(U::is_raced) => Ok(Attempt::Made(rows)),
                    Ok(_) => Ok(Attempt::Raced),
                    Err(error) if is_lock_timeout(&error) => Ok(Attempt::Raced),
                    // The statement did not see what another transaction has committed meanwhile.
                    Err(error) if is_collision(&error) && collisions < MOST_COLLISIONS => {
                        Ok(Attempt::Collided)
                    }
                    Err(error) => Err(error.into()),
                }
            };
            match self.write_for(tenant, Lane::Directory, U::NAME, attempt).await? {
                Attempt::Made(rows) => return Ok(rows),
                Attempt::Raced => {}
                Attempt::Collided => collisions += 1,
            }
            waits = true;
            sleep(PAUSE).await;
        }
    }
}

/// Runs the statement in a transaction that has the tenant's turn; not if the caller has gone meanwhile.
fn run_waiting<U: Upsert>(
    connection: &mut PgConnection,
    lock: TurnLock,
    upsert: &U,
    caller: &Presence,
) -> QueryResult<Vec<U::Row>> {
    in_transaction(connection, |connection| {
        connection.batch_execute(LOCK_TIMEOUT)?;
        sql_query("SELECT pg_advisory_xact_lock($1, $2)")
            .bind::<Integer, _>(lock.class)
            .bind::<Integer, _>(lock.tenant)
            .execute(connection)?;
        if caller.is_gone() {
            return Err(DieselError::RollbackTransaction);
        }
        upsert.run(connection, true)
    })
}
