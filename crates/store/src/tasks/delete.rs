//! The deletion of tasks.

use std::sync::LazyLock;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl as _,
    pg::{Pg, data_types::PgTimestamp},
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz},
};
use domain::{
    Actor, Error, FieldPath, Resource, TaskId, TaskIds, TaskUpdates, Violation, Violations,
};

use super::change::Change;
use crate::{
    database::Database,
    sql::{Parameters, Sql, Statement, bind},
    time::allowed_times,
};

/// Deletes tasks.
pub(super) struct Delete;

impl Statement for Delete {
    type Columns = (Bool, Bool, Bool, Bool);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(include_str!("delete.sql")));
        &TEXT
    }
}

/// The parameters, as delete.sql describes them.
struct Doomed {
    tenant: i64,
    case: i64,
    tasks: Vec<i64>,
    times: Option<Vec<PgTimestamp>>,
    key: i64,
    request_id: String,
}

impl Change for Doomed {
    type Row = State;

    const NAME: &'static str = "delete_tasks";

    fn tasks(&self) -> (i64, i64, &[i64]) {
        (self.tenant, self.case, &self.tasks)
    }

    fn run(&self, connection: &mut PgConnection) -> QueryResult<Vec<State>> {
        bind(Delete, self).load(connection)
    }

    fn is_raced((.., is_raced): &State) -> bool {
        *is_raced
    }
}

impl Parameters for &Doomed {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<BigInt, _>(&self.case),
            3 => out.push_bind_param::<Array<BigInt>, _>(&self.tasks),
            4 => out.push_bind_param::<Nullable<Array<Timestamptz>>, _>(&self.times),
            5 => out.push_bind_param::<BigInt, _>(&self.key),
            _ => out.push_bind_param::<Text, _>(&self.request_id),
        }
    }
}

/// Whether the case and the task exist, whether the task is stale, and whether the statement was
/// raced.
type State = (bool, bool, bool, bool);

impl Database {
    /// Deletes tasks of a case: all of them or none.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, then [`Error::TasksNotFound`], then
    /// [`Error::Stale`]; [`Error::Unavailable`], [`Error::OutcomeUnknown`] and
    /// [`Error::Internal`].
    pub async fn delete_tasks(&self, actor: &Actor, tasks: &TaskIds) -> Result<(), Error> {
        let doomed = Doomed {
            tenant: actor.tenant.get(),
            case: tasks.case.get(),
            tasks: tasks.tasks.iter().copied().map(TaskId::get).collect(),
            times: allowed_times(&tasks.precondition),
            key: actor.key.get(),
            request_id: actor.request_id.clone(),
        };
        let states = self.change_tasks(actor.tenant, doomed).await?;
        conclude(tasks, &states)
    }
}

fn conclude(tasks: &TaskIds, states: &[State]) -> Result<(), Error> {
    if states.iter().any(|(case_exists, ..)| !case_exists) {
        return Err(Error::NotFound(Resource::Case(tasks.case)));
    }
    let missing = states.iter().enumerate().filter(|(_, (_, task_exists, ..))| !task_exists);
    let missing = missing.map(|(index, _)| Violation {
        path: FieldPath::at("task_ids[*]", index),
        rule: &TaskUpdates::NOT_FOUND,
    });
    if let Some(missing) = Violations::new(missing.collect()) {
        return Err(Error::TasksNotFound(missing));
    }
    // Only one task is deleted under a precondition.
    if states.iter().any(|(_, _, is_stale, _)| *is_stale) {
        let path = FieldPath::new("etag");
        return Err(Error::Stale(Violation { path, rule: &TaskUpdates::STALE }.into()));
    }
    Ok(())
}
