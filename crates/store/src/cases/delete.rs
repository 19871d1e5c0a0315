//! The deletion of cases.

use std::{sync::LazyLock, time::Duration};

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _,
    connection::SimpleConnection as _,
    dsl::sql,
    pg::{Pg, data_types::PgTimestamp},
    prelude::*,
    query_builder::AstPass,
    result::Error as DieselError,
    sql_query,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz},
};
use domain::{
    CallAgent, CaseId, CaseUpdate, Error, FieldPath, Precondition, Resource, TenantId, Violation,
};

use crate::{
    apart::{Attempt, MOMENT},
    audit::BoundAgent,
    connections::presence::Presence,
    database::Database,
    schema::{
        cases,
        tasks::{self, dsl},
    },
    sql::{Parameters, Sql, Statement, bind},
    time::allowed_times,
    transaction::{in_transaction, unsent},
};

/// The most tasks of a case that is deleted where others wait for the connection.
const SMALL: i64 = 1000;

/// Until when a case is marked that may be about to be deleted: longer than an attempt takes. A mark that
/// outlives its attempt costs those who create tasks a lock that nobody holds.
const MARKED_UNTIL: &str = "now() + interval '1 minute'";

/// The longest wait for the case itself, or for a task of it, if all who have seen the mark wait meanwhile.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Deletes a case.
pub(super) struct Delete;

impl Statement for Delete {
    type Columns = (Bool, Bool);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(include_str!("delete.sql")));
        &TEXT
    }
}

/// Locks the tasks of a case in the order of their ids, and counts them.
pub(super) struct LockTasks;

impl Statement for LockTasks {
    type Columns = BigInt;

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| {
            Sql::new(
                "SELECT count(*)
                FROM (
                    SELECT FROM tasks AS t
                    WHERE t.tenant_id = $1 AND t.case_id = $2
                    ORDER BY t.id
                    FOR UPDATE OF t
                ) AS locked",
            )
        });
        &TEXT
    }
}

/// Whether the case exists, and whether it is stale.
type State = (bool, bool);

/// The parameters, as delete.sql describes them. The first two are those of [`LockTasks`].
struct Doomed {
    tenant: i64,
    case: i64,
    times: Option<Vec<PgTimestamp>>,
    agent: BoundAgent,
    /// How long a statement waits for a lock.
    lock_timeout: Duration,
}

impl Parameters for &Doomed {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<BigInt, _>(&self.case),
            3 => out.push_bind_param::<Nullable<Array<Timestamptz>>, _>(&self.times),
            4 => out.push_bind_param::<BigInt, _>(&self.agent.key),
            5 => out.push_bind_param::<Text, _>(&self.agent.request_id),
            _ => out.push_bind_param::<Nullable<Text>, _>(&self.agent.address),
        }
    }
}

impl Doomed {
    /// Whether the case has so many tasks that others would wait for long.
    fn is_large(&self, connection: &mut PgConnection) -> QueryResult<bool> {
        let tasks = tasks::table
            .filter(dsl::tenant_id.eq(self.tenant).and(dsl::case_id.eq(self.case)))
            .order(dsl::id)
            .offset(SMALL)
            .select(dsl::id);
        Ok(tasks.first::<i64>(connection).optional()?.is_some())
    }

    /// Locks the case, if it exists, against changes and new tasks.
    fn lock_case(&self, connection: &mut PgConnection) -> QueryResult<()> {
        let case = cases::table.find((self.tenant, self.case)).select(cases::id);
        case.for_update().load::<i64>(connection)?;
        Ok(())
    }

    /// Locks the marked case and its tasks. Those who create tasks and have not seen the mark, or change
    /// tasks, end soon. If one does not, this fails, those who wait behind the mark come first, and it is
    /// tried again.
    fn lock_marked_case(&self, connection: &mut PgConnection) -> QueryResult<()> {
        set_lock_timeout(connection, self.lock_timeout.min(LONGEST_WAIT))?;
        self.lock_case(connection)?;
        self.lock_tasks(connection)
    }

    /// Locks the tasks in the order of their ids, as everybody does who changes tasks.
    fn lock_tasks(&self, connection: &mut PgConnection) -> QueryResult<()> {
        bind(LockTasks, self).get_result::<i64>(connection)?;
        Ok(())
    }

    /// Marks the case as one that may be about to be deleted, unless it is stale. Whoever creates tasks in
    /// it from then on waits for the lock that [`Self::lock_out`] takes. Returns whether it is marked.
    fn mark(&self, connection: &mut PgConnection) -> QueryResult<bool> {
        let marked = diesel::update(cases::table.find((self.tenant, self.case)))
            .set(cases::deletion_until.eq(sql::<Nullable<Timestamptz>>(MARKED_UNTIL)));
        let count = match &self.times {
            Some(times) => marked.filter(cases::updated_at.eq_any(times)).execute(connection)?,
            None => marked.execute(connection)?,
        };
        Ok(count > 0)
    }

    /// Returns the state of a case that was not marked, or `None` if it could be by now. This waits for
    /// nobody.
    fn unmarked_state(&self, connection: &mut PgConnection) -> QueryResult<Option<State>> {
        let case = cases::table.find((self.tenant, self.case)).select(cases::updated_at);
        let updated_at = case.first::<PgTimestamp>(connection).optional()?;
        Ok(match (updated_at, &self.times) {
            (None, _) => Some((false, false)),
            (Some(time), Some(times)) if !times.contains(&time) => Some((true, true)),
            (Some(_), _) => None,
        })
    }

    /// Waits for whoever creates tasks in the marked case, and makes all others wait. Ids of cases are
    /// unique, and far below the other locks of this kind.
    fn lock_out(&self, connection: &mut PgConnection) -> QueryResult<()> {
        sql_query("SELECT pg_advisory_xact_lock($1)")
            .bind::<BigInt, _>(self.case)
            .execute(connection)?;
        Ok(())
    }
}

impl Attempt for Doomed {
    type Outcome = State;

    const NAME: &'static str = "delete_case";

    /// A case may have any number of tasks.
    const IS_LONG: bool = true;

    /// Deletes a small case in which nobody creates tasks for longer than a moment.
    fn at_once(
        &self,
        connection: &mut PgConnection,
        caller: &Presence,
    ) -> QueryResult<Option<State>> {
        in_transaction(connection, |connection| {
            connection.batch_execute(&format!("SET LOCAL lock_timeout = '{MOMENT}'"))?;
            if self.is_large(connection)? {
                return Ok(None);
            }
            self.lock_case(connection)?;
            self.lock_tasks(connection)?;
            if caller.is_gone() {
                return Err(DieselError::RollbackTransaction);
            }
            bind(Delete, self).get_result(connection).map(Some)
        })
    }

    fn waiting(
        &self,
        connection: &mut PgConnection,
        caller: &Presence,
    ) -> QueryResult<Option<State>> {
        // A mark alone deletes nothing.
        if !self.mark(connection).map_err(unsent)? {
            return self.unmarked_state(connection);
        }
        in_transaction(connection, |connection| {
            self.lock_out(connection)?;
            self.lock_marked_case(connection)?;
            if caller.is_gone() {
                return Err(DieselError::RollbackTransaction);
            }
            bind(Delete, self).get_result(connection).map(Some)
        })
    }
}

/// Sets how long each further statement of the transaction waits for a lock.
fn set_lock_timeout(connection: &mut PgConnection, timeout: Duration) -> QueryResult<()> {
    let millis = timeout.as_millis().max(1);
    connection.batch_execute(&format!("SET LOCAL lock_timeout = '{millis}ms'"))
}

impl Database {
    /// Deletes a case with its tasks: all of it or nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, then [`Error::Stale`];
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn delete_case(
        &self,
        tenant: TenantId,
        agent: &CallAgent,
        case: CaseId,
        precondition: &Precondition,
    ) -> Result<(), Error> {
        let doomed = Doomed {
            tenant: tenant.get(),
            case: case.get(),
            times: allowed_times(precondition),
            agent: agent.into(),
            lock_timeout: self.lock_timeout(),
        };
        let (case_exists, is_stale) = self.attempt(tenant, doomed).await?;
        if !case_exists {
            return Err(Error::NotFound(Resource::Case(case)));
        }
        if is_stale {
            let path = FieldPath::new("etag");
            return Err(Error::Stale(Violation { path, rule: &CaseUpdate::STALE }.into()));
        }
        Ok(())
    }
}
