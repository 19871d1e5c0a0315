//! Changes to tasks that other transactions may be changing, too.

use std::sync::Arc;

use diesel::{Connection as _, PgConnection, prelude::*};
use domain::{Error, TenantId};

use crate::{
    connections::pool::{Lane, Presence},
    database::Database,
    error::is_lock_timeout,
    schema::tasks::{self, dsl},
};

/// A statement that changes tasks of a case, and that finds out whether it was raced: whether one of
/// them is locked by another transaction, or was changed by one since the statement began. Then it
/// has changed nothing.
pub(super) trait Change: Send + Sync + 'static {
    /// What it returns of each task.
    type Row: Send + 'static;

    /// The name of the query in logs.
    const NAME: &'static str;

    /// Returns the tenant, the case and the tasks.
    fn tasks(&self) -> (i64, i64, &[i64]);

    /// Runs the statement.
    fn run(&self, connection: &mut PgConnection) -> QueryResult<Vec<Self::Row>>;

    /// Whether a row says that the statement was raced.
    fn is_raced(row: &Self::Row) -> bool;
}

impl Database {
    /// Makes a change.
    ///
    /// The statement runs once by itself, which waits for nobody, takes one round trip, and is almost
    /// always enough. If it was raced, it runs again in a transaction that has locked the tasks, so
    /// that it sees everything as it is. That may wait, and is done on the connections for it, so
    /// that tasks which somebody else has locked delay nobody but their callers. It is tried until
    /// the caller's time is over.
    pub(super) async fn change_tasks<C: Change>(
        &self,
        tenant: TenantId,
        change: C,
    ) -> Result<Vec<C::Row>, Error> {
        let change = Arc::new(change);
        let mut lane = Lane::Changes;
        loop {
            let change = Arc::clone(&change);
            let attempt = move |connection: &mut PgConnection, caller: &Presence| {
                let result = match lane {
                    Lane::Contended => run_locked(connection, &*change, caller),
                    Lane::Changes | Lane::Queries | Lane::Lists | Lane::Checks => {
                        change.run(connection)
                    }
                };
                match result {
                    Ok(rows) if !rows.iter().any(C::is_raced) => Ok(Some(rows)),
                    Ok(_) => Ok(None),
                    Err(error) if is_lock_timeout(&error) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            };
            if let Some(rows) = self.write_for(tenant, lane, C::NAME, attempt).await? {
                return Ok(rows);
            }
            lane = Lane::Contended;
        }
    }
}

/// Runs the statement in a transaction that has locked the tasks, in the order of their ids; not if
/// the caller has gone meanwhile.
fn run_locked<C: Change>(
    connection: &mut PgConnection,
    change: &C,
    caller: &Presence,
) -> QueryResult<Vec<C::Row>> {
    let (tenant, case, tasks) = change.tasks();
    connection.transaction(|connection| {
        tasks::table
            .filter(dsl::tenant_id.eq(tenant).and(dsl::case_id.eq(case)))
            .filter(dsl::id.eq_any(tasks))
            .order(dsl::id)
            .select(dsl::id)
            .for_update()
            .load::<i64>(connection)?;
        if caller.is_gone() {
            return Err(diesel::result::Error::RollbackTransaction);
        }
        change.run(connection)
    })
}
