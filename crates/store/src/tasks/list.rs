//! Lists of tasks.

use std::sync::LazyLock;

use diesel::{
    QueryResult,
    pg::{Pg, data_types::PgTimestamp},
    query_builder::AstPass,
    sql_types::{BigInt, Bool, Nullable, Text, Timestamptz},
};
use domain::{
    CaseId, Email, Error, FieldPath, Resource, Task, TaskFilter, TaskId, TaskPage, TaskQuery,
    TenantId, Violation,
};

use super::row::{self, Columns, Row};
use crate::{
    database::Database,
    sql::{Parameters, Sql, Statement, bind},
    time::to_postgres,
};

/// Returns the text of a list from a source, which has the ids of its tasks in `id`.
fn text(source: &str, id: &str) -> Sql {
    Sql::new(&include_str!("list.sql").replace("{source}", source).replace("{id}", id))
}

/// All tasks of a case. Without filters, the index alone has what it takes to count them.
const CASE: &str = "tasks AS t WHERE t.tenant_id = $1 AND t.case_id = $2";

/// The tasks of a case that pass the filters.
const CASE_FILTERED: &str = "\
    tasks AS t
    WHERE t.tenant_id = $1 AND t.case_id = $2
        AND ($4::boolean IS NULL OR t.completed = $4)
        AND ($5::timestamptz IS NULL OR t.updated_at > $5)";

/// All tasks of a user. The index alone has what it takes to count them and to skip some, as every
/// assignment is that of a task.
const ASSIGNEE: &str = "\
    task_assignees AS mine
    WHERE mine.tenant_id = $1
        AND mine.user_id = (SELECT u.id FROM users AS u WHERE u.tenant_id = $1 AND u.email = $3)";

/// The tasks of a user that pass the filters, in one case or in all. Each task is looked up by itself,
/// so that a page reads no more of them than it takes, and a count no more than the user has. As a join, the
/// count could be planned to read all tasks: there is one plan for all users.
const ASSIGNEE_FILTERED: &str = "\
    task_assignees AS mine
    CROSS JOIN LATERAL (
        SELECT t.id, t.case_id, t.completed, t.updated_at
        FROM tasks AS t
        WHERE t.tenant_id = mine.tenant_id AND t.id = mine.task_id
        LIMIT 1
    ) AS t
    WHERE mine.tenant_id = $1
        AND mine.user_id = (SELECT u.id FROM users AS u WHERE u.tenant_id = $1 AND u.email = $3)
        AND ($2::bigint IS NULL OR t.case_id = $2)
        AND ($4::boolean IS NULL OR t.completed = $4)
        AND ($5::timestamptz IS NULL OR t.updated_at > $5)";

/// Whether the case and the user exist, and the number of tasks in all.
type Head = (Bool, Bool, Nullable<BigInt>);

/// Lists all tasks of a case.
pub(super) struct ListCase;

/// Lists some tasks of a case.
pub(super) struct ListCaseFiltered;

/// Lists all tasks of a user.
pub(super) struct ListAssignee;

/// Lists some tasks of a user.
pub(super) struct ListAssigneeFiltered;

impl Statement for ListCase {
    type Columns = (Head, Columns);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| text(CASE, "t.id"));
        &TEXT
    }
}

impl Statement for ListCaseFiltered {
    type Columns = (Head, Columns);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| text(CASE_FILTERED, "t.id"));
        &TEXT
    }
}

impl Statement for ListAssignee {
    type Columns = (Head, Columns);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| text(ASSIGNEE, "mine.task_id"));
        &TEXT
    }
}

impl Statement for ListAssigneeFiltered {
    type Columns = (Head, Columns);

    fn text() -> &'static Sql {
        static TEXT: LazyLock<Sql> = LazyLock::new(|| text(ASSIGNEE_FILTERED, "mine.task_id"));
        &TEXT
    }
}

/// The parameters, as list.sql describes them.
struct Wanted {
    tenant: i64,
    case: Option<i64>,
    assignee: Option<String>,
    completed: Option<bool>,
    updated_after: Option<PgTimestamp>,
    after: i64,
    skip: i64,
    limit: i64,
    count_total: bool,
}

impl Parameters for &Wanted {
    fn bind<'b>(&'b self, number: usize, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match number {
            1 => out.push_bind_param::<BigInt, _>(&self.tenant),
            2 => out.push_bind_param::<Nullable<BigInt>, _>(&self.case),
            3 => out.push_bind_param::<Nullable<Text>, _>(&self.assignee),
            4 => out.push_bind_param::<Nullable<Bool>, _>(&self.completed),
            5 => out.push_bind_param::<Nullable<Timestamptz>, _>(&self.updated_after),
            6 => out.push_bind_param::<BigInt, _>(&self.after),
            7 => out.push_bind_param::<BigInt, _>(&self.skip),
            8 => out.push_bind_param::<BigInt, _>(&self.limit),
            _ => out.push_bind_param::<Bool, _>(&self.count_total),
        }
    }
}

impl Database {
    /// Returns a page of a list of tasks.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, then [`Error::Invalid`] if it has no
    /// such user; [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_tasks(&self, tenant: TenantId, query: &TaskQuery) -> Result<TaskPage, Error> {
        let TaskQuery { filter, after, skip, page_size, count_total } = query;
        let TaskFilter { completed, updated_after, .. } = filter;
        let wanted = Wanted {
            tenant: tenant.get(),
            case: filter.case().map(CaseId::get),
            assignee: filter.assignee().map(|email| email.as_str().to_owned()),
            completed: *completed,
            updated_after: updated_after.map(to_postgres),
            after: after.map_or(0, TaskId::get),
            skip: *skip,
            // One more, to know whether there are more.
            limit: page_size + 1,
            count_total: *count_total,
        };
        let is_filtered = completed.is_some() || updated_after.is_some();
        let has_assignee = filter.assignee().is_some();
        let is_of_all_cases = filter.case().is_none();
        let rows = self
            .list_scoped(tenant, "list_tasks", move |connection| {
                let rows: Vec<(HeadValues, Row)> = match (has_assignee, is_filtered) {
                    (true, false) if is_of_all_cases => {
                        connection.load(bind(ListAssignee, &wanted))?
                    }
                    (true, _) => connection.load(bind(ListAssigneeFiltered, &wanted))?,
                    (false, true) => connection.load(bind(ListCaseFiltered, &wanted))?,
                    (false, false) => connection.load(bind(ListCase, &wanted))?,
                };
                rows.into_iter().map(|(head, row)| Ok((head, row::to_task(row)?))).collect::<Result<
                    Vec<_>,
                    crate::Error,
                >>(
                )
            })
            .await?;
        to_page(query, rows)
    }
}

/// The values of [`Head`].
type HeadValues = (bool, bool, Option<i64>);

/// The head, and a task, if there is one.
type Listed = (HeadValues, Option<Task>);

fn to_page(query: &TaskQuery, rows: Vec<Listed>) -> Result<TaskPage, Error> {
    let (case_exists, user_exists, total) =
        rows.first().map_or((true, true, None), |(head, _)| *head);
    if let (false, Some(case)) = (case_exists, query.filter.case()) {
        return Err(Error::NotFound(Resource::Case(case)));
    }
    if !user_exists {
        let path = FieldPath::new("assignee_email");
        return Err(Error::Invalid(Violation { path, rule: &Email::UNKNOWN_USER }.into()));
    }
    let mut tasks: Vec<Task> = rows.into_iter().filter_map(|(_, task)| task).collect();
    let page_size = usize::try_from(query.page_size).unwrap_or(usize::MAX);
    let has_more = tasks.len() > page_size;
    tasks.truncate(page_size);
    Ok(TaskPage { tasks, has_more, total })
}
