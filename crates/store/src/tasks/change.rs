//! Changes to tasks that other transactions may be changing, too.

use diesel::{PgConnection, prelude::*};
use domain::{Error, TenantId};

use crate::{
    apart::Attempt,
    connections::presence::Presence,
    database::Database,
    schema::tasks::{self, dsl},
    transaction::in_transaction,
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

/// A change as it is attempted: first the statement by itself, which waits for nobody and takes one
/// round trip; then in a transaction that has locked the tasks, so that it sees everything as it is.
struct Attempted<C>(C);

impl<C: Change> Attempted<C> {
    fn run(&self, connection: &mut PgConnection) -> QueryResult<Option<Vec<C::Row>>> {
        let rows = self.0.run(connection)?;
        Ok(Some(rows).filter(|rows| !rows.iter().any(C::is_raced)))
    }
}

impl<C: Change> Attempt for Attempted<C> {
    type Outcome = Vec<C::Row>;

    const NAME: &'static str = C::NAME;

    fn at_once(
        &self,
        connection: &mut PgConnection,
        _: &Presence,
    ) -> QueryResult<Option<Vec<C::Row>>> {
        self.run(connection)
    }

    /// Locks the tasks in the order of their ids.
    fn waiting(
        &self,
        connection: &mut PgConnection,
        caller: &Presence,
    ) -> QueryResult<Option<Vec<C::Row>>> {
        let (tenant, case, tasks) = self.0.tasks();
        in_transaction(connection, |connection| {
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
            self.run(connection)
        })
    }
}

impl Database {
    /// Makes a change.
    pub(super) async fn change_tasks<C: Change>(
        &self,
        tenant: TenantId,
        change: C,
    ) -> Result<Vec<C::Row>, Error> {
        self.attempt(tenant, Attempted(change)).await
    }
}
