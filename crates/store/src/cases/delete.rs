//! The deletion of cases.

use std::sync::LazyLock;

use diesel::{
    Connection as _, PgConnection, QueryResult, RunQueryDsl as _,
    connection::SimpleConnection as _,
    pg::{Pg, data_types::PgTimestamp},
    prelude::*,
    query_builder::AstPass,
    result::Error as DieselError,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz},
};
use domain::{Actor, CaseId, CaseUpdate, Error, FieldPath, Precondition, Resource, Violation};

use crate::{
    apart::{Attempt, MOMENT},
    connections::pool::Presence,
    database::Database,
    schema::{
        cases,
        tasks::{self, dsl},
    },
    sql::{Parameters, Sql, Statement, bind},
    time::allowed_times,
};

/// The most tasks of a case that is deleted where others wait for the connection.
const SMALL: i64 = 1000;

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
    key: i64,
    request_id: String,
}

impl Parameters for &Doomed {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<BigInt, _>(&self.case),
            3 => out.push_bind_param::<Nullable<Array<Timestamptz>>, _>(&self.times),
            4 => out.push_bind_param::<BigInt, _>(&self.key),
            _ => out.push_bind_param::<Text, _>(&self.request_id),
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

    /// Locks the case first, so that no more tasks are created in it, then its tasks in the order of
    /// their ids, as everybody does who changes tasks.
    fn lock(&self, connection: &mut PgConnection) -> QueryResult<()> {
        let case = cases::table.find((self.tenant, self.case)).select(cases::id);
        case.for_update().load::<i64>(connection)?;
        bind(LockTasks, self).get_result::<i64>(connection)?;
        Ok(())
    }
}

impl Attempt for Doomed {
    type Outcome = State;

    const NAME: &'static str = "delete_case";

    /// A case may have any number of tasks.
    const IS_LONG: bool = true;

    /// Deletes a small case.
    fn at_once(&self, connection: &mut PgConnection) -> QueryResult<Option<State>> {
        connection.transaction(|connection| {
            connection.batch_execute(&format!("SET LOCAL lock_timeout = '{MOMENT}'"))?;
            if self.is_large(connection)? {
                return Ok(None);
            }
            self.lock(connection)?;
            bind(Delete, self).get_result(connection).map(Some)
        })
    }

    fn waiting(
        &self,
        connection: &mut PgConnection,
        caller: &Presence,
    ) -> QueryResult<Option<State>> {
        connection.transaction(|connection| {
            self.lock(connection)?;
            if caller.is_gone() {
                return Err(DieselError::RollbackTransaction);
            }
            bind(Delete, self).get_result(connection).map(Some)
        })
    }
}

impl Database {
    /// Deletes a case with its tasks: all of it or nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, then [`Error::Stale`];
    /// [`Error::Unavailable`], [`Error::OutcomeUnknown`] and [`Error::Internal`].
    pub async fn delete_case(
        &self,
        actor: &Actor,
        case: CaseId,
        precondition: &Precondition,
    ) -> Result<(), Error> {
        let doomed = Doomed {
            tenant: actor.tenant.get(),
            case: case.get(),
            times: allowed_times(precondition),
            key: actor.key.get(),
            request_id: actor.request_id.clone(),
        };
        let (case_exists, is_stale) = self.attempt(actor.tenant, doomed).await?;
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
