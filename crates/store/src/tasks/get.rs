//! Tasks by their ids.

use std::sync::LazyLock;

use diesel::{
    QueryResult, RunQueryDsl as _,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, BigInt, Bool},
};
use domain::{
    CaseId, Error, FieldPath, Resource, Task, TaskId, TaskIds, TaskKey, TaskUpdates, TenantId,
    Violation, Violations,
};

use super::row::{self, Columns, Row};
use crate::{
    database::Database,
    sql::{Parameters, Sql, Statement, bind},
};

/// Finds tasks.
pub(super) struct Get;

impl Statement for Get {
    type Columns = (Bool, Columns);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| Sql::new(include_str!("get.sql")));
        &TEXT
    }
}

/// The parameters, as get.sql describes them.
struct Wanted {
    tenant: i64,
    case: i64,
    tasks: Vec<i64>,
}

impl Parameters for Wanted {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<BigInt, _>(&self.case),
            _ => out.push_bind_param::<Array<BigInt>, _>(&self.tasks),
        }
    }
}

impl Database {
    /// Returns a task of a case.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, or the case no such task;
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn get_task(
        &self,
        tenant: TenantId,
        TaskKey { case, task }: TaskKey,
    ) -> Result<Task, Error> {
        let found = self.find_tasks("get_task", tenant, case, vec![task.get()]).await?;
        let found = found.into_iter().next().flatten();
        found.ok_or(Error::NotFound(Resource::Task(task)))
    }

    /// Returns tasks of a case, in the order of the request: all of them or none.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, [`Error::TasksNotFound`] if the case
    /// lacks some of the tasks; [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn batch_get_tasks(
        &self,
        tenant: TenantId,
        TaskIds { case, tasks, .. }: TaskIds,
    ) -> Result<Vec<Task>, Error> {
        let ids = tasks.into_iter().map(TaskId::get).collect();
        let found = self.find_tasks("batch_get_tasks", tenant, case, ids).await?;
        let missing = found.iter().enumerate().filter(|(_, task)| task.is_none());
        let missing = missing.map(|(index, _)| Violation {
            path: FieldPath::at("task_ids[*]", index),
            rule: &TaskUpdates::NOT_FOUND,
        });
        match Violations::new(missing.collect()) {
            Some(violations) => Err(Error::TasksNotFound(violations)),
            None => Ok(found.into_iter().flatten().collect()),
        }
    }

    /// Returns each of these tasks that there is.
    async fn find_tasks(
        &self,
        name: &'static str,
        tenant: TenantId,
        case: CaseId,
        tasks: Vec<i64>,
    ) -> Result<Vec<Option<Task>>, Error> {
        let wanted = Wanted { tenant: tenant.get(), case: case.get(), tasks };
        let rows = self
            .read_for(tenant, name, move |connection| {
                let rows: Vec<(bool, Row)> = bind(Get, wanted).load(connection)?;
                rows.into_iter()
                    .map(|(case_exists, row)| Ok((case_exists, row::to_task(row)?)))
                    .collect::<Result<Vec<_>, crate::Error>>()
            })
            .await?;
        match rows.first() {
            Some((false, _)) => Err(Error::NotFound(Resource::Case(case))),
            _ => Ok(rows.into_iter().map(|(_, task)| task).collect()),
        }
    }
}
