//! The statement that creates batches, and its answer.

use std::{sync::LazyLock, time::SystemTime, vec};

use diesel::{
    RunQueryDsl,
    pg::{Pg, PgConnection, data_types::PgTimestamp},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz},
};
use domain::{
    Assignment, CaseId, Email, Error, Fault, Faults, Place, Reason, Resource, Task, TaskBatch,
    TaskId, TenantId, User, UserId,
};

use crate::time::from_postgres;

const SQL: &str = include_str!("create.sql");

/// The statement's text around its parameters, without its comments.
static PIECES: LazyLock<Vec<String>> = LazyLock::new(|| pieces(SQL));

fn pieces(sql: &str) -> Vec<String> {
    let lines =
        sql.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split('$')
        .enumerate()
        // Every piece but the first begins with the number of the parameter before it.
        .map(|(index, piece)| {
            if index == 0 { piece } else { piece.trim_start_matches(|c: char| c.is_ascii_digit()) }
        })
        .map(str::to_owned)
        .collect()
}

/// The statement of `create.sql` with its parameters: parallel arrays over all batches.
#[derive(Debug, Default)]
pub(super) struct Statement<'a> {
    batch_tenants: Vec<i64>,
    batch_cases: Vec<i64>,
    task_batches: Vec<i32>,
    task_descriptions: Vec<&'a str>,
    email_tenants: Vec<i64>,
    email_batches: Vec<i32>,
    email_tasks: Vec<i32>,
    email_positions: Vec<i16>,
    email_addresses: Vec<&'a str>,
}

impl<'a> Statement<'a> {
    /// The statement that creates these batches.
    pub(super) fn new(batches: impl Iterator<Item = (TenantId, &'a TaskBatch)>) -> Self {
        let mut statement = Self::default();
        for (tenant, batch) in batches {
            statement.add(tenant, batch);
        }
        statement
    }

    fn add(&mut self, tenant: TenantId, batch: &'a TaskBatch) {
        self.batch_tenants.push(tenant.get());
        self.batch_cases.push(batch.case().get());
        let batch_no = number(&self.batch_tenants);
        for task in batch.tasks() {
            self.task_batches.push(batch_no);
            self.task_descriptions.push(task.description.as_str());
            let task_no = number(&self.task_batches);
            for (position, Assignment { email, .. }) in (0..).zip(&task.assignments) {
                self.email_tenants.push(tenant.get());
                self.email_batches.push(batch_no);
                self.email_tasks.push(task_no);
                self.email_positions.push(position);
                self.email_addresses.push(email.as_str());
            }
        }
    }

    /// Runs it, as one transaction of its own.
    pub(super) fn run(&self, connection: &mut PgConnection) -> QueryResult<Answer> {
        self.get_result::<Row>(connection).map(Answer::from)
    }
}

/// The number of the last item. A statement has some thousand items at the most.
fn number<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX)
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut pieces = PIECES.iter();
        let mut text = |out: &mut AstPass<'_, 'b, Pg>| {
            out.push_sql(pieces.next().map_or("", String::as_str));
        };
        text(&mut out);
        out.push_bind_param::<Array<BigInt>, _>(&self.batch_tenants)?;
        text(&mut out);
        out.push_bind_param::<Array<BigInt>, _>(&self.batch_cases)?;
        text(&mut out);
        out.push_bind_param::<Array<Integer>, _>(&self.task_batches)?;
        text(&mut out);
        out.push_bind_param::<Array<Text>, _>(&self.task_descriptions)?;
        text(&mut out);
        out.push_bind_param::<Array<BigInt>, _>(&self.email_tenants)?;
        text(&mut out);
        out.push_bind_param::<Array<Integer>, _>(&self.email_batches)?;
        text(&mut out);
        out.push_bind_param::<Array<Integer>, _>(&self.email_tasks)?;
        text(&mut out);
        out.push_bind_param::<Array<SmallInt>, _>(&self.email_positions)?;
        text(&mut out);
        out.push_bind_param::<Array<Text>, _>(&self.email_addresses)?;
        text(&mut out);
        Ok(())
    }
}

/// One text for every call, however many batches it carries: Diesel prepares it once a
/// connection.
impl QueryId for Statement<'_> {
    type QueryId = Statement<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Statement<'_> {
    type SqlType = (
        Timestamptz,
        Array<Bool>,
        Array<Nullable<BigInt>>,
        Array<Nullable<BigInt>>,
        Array<Nullable<Text>>,
        Array<Nullable<Text>>,
    );
}

impl RunQueryDsl<PgConnection> for &Statement<'_> {}

type Row = (
    PgTimestamp,
    Vec<bool>,
    Vec<Option<i64>>,
    Vec<Option<i64>>,
    Vec<Option<String>>,
    Vec<Option<String>>,
);

/// What the statement answered, to be read batch by batch in the order of the statement.
#[derive(Debug)]
pub(super) struct Answer {
    created_at: SystemTime,
    case_exists: vec::IntoIter<bool>,
    task_ids: vec::IntoIter<Option<i64>>,
    user_ids: vec::IntoIter<Option<i64>>,
    first_names: vec::IntoIter<Option<String>>,
    last_names: vec::IntoIter<Option<String>>,
}

impl From<Row> for Answer {
    fn from((created_at, case_exists, task_ids, user_ids, first_names, last_names): Row) -> Self {
        Self {
            created_at: from_postgres(created_at),
            case_exists: case_exists.into_iter(),
            task_ids: task_ids.into_iter(),
            user_ids: user_ids.into_iter(),
            first_names: first_names.into_iter(),
            last_names: last_names.into_iter(),
        }
    }
}

impl Answer {
    /// The outcome of the next batch: its tasks, or why none was created.
    pub(super) fn next(&mut self, batch: TaskBatch) -> Result<Vec<Task>, Error> {
        let case = batch.case();
        let case_exists = self.case_exists.next();
        let mut faults = Vec::new();
        // Read to its end also where it has faults: the next batch's part begins there.
        let tasks: Vec<Option<Task>> = batch
            .into_tasks()
            .into_iter()
            .enumerate()
            .map(|(index, task)| {
                let id = self.task_ids.next().flatten().and_then(TaskId::new);
                let assignees = self.next_users(index, task.assignments, &mut faults);
                Some(Task {
                    id: id?,
                    description: task.description,
                    completed: false,
                    assignees,
                    created_at: self.created_at,
                    updated_at: self.created_at,
                })
            })
            .collect();
        if case_exists == Some(false) {
            return Err(Error::NotFound(Resource::Case(case)));
        }
        if let Some(faults) = Faults::new(faults) {
            return Err(Error::Invalid(faults));
        }
        tasks.into_iter().collect::<Option<_>>().ok_or_else(|| misfit(case))
    }

    fn next_users(
        &mut self,
        task: usize,
        assignments: Vec<Assignment>,
        faults: &mut Vec<Fault>,
    ) -> Vec<User> {
        let mut users = Vec::with_capacity(assignments.len());
        for Assignment { email, index } in assignments {
            match self.next_user(email) {
                Some(user) => users.push(user),
                None => faults.push(Fault {
                    place: Place::AssigneeEmail { task, email: index },
                    reason: Reason::UnknownUser,
                }),
            }
        }
        users
    }

    fn next_user(&mut self, email: Email) -> Option<User> {
        let (id, first_name, last_name) =
            (self.user_ids.next()?, self.first_names.next()?, self.last_names.next()?);
        Some(User { id: UserId::new(id?)?, email, first_name: first_name?, last_name: last_name? })
    }
}

/// The statement and this reading of it disagree.
fn misfit(case: CaseId) -> Error {
    Error::Internal(format!("the batch for case {case} has no fault and no task").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_its_parameters_once_and_in_order() {
        let code: String = SQL.lines().filter(|line| !line.starts_with("--")).collect();
        let numbers: Vec<String> = code
            .split('$')
            .skip(1)
            .map(|piece| piece.chars().take_while(char::is_ascii_digit).collect())
            .collect();
        assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        let pieces = pieces(SQL);
        assert_eq!(pieces.len(), 10);
        assert!(pieces[1].starts_with("::bigint[],"), "{}", pieces[1]);
        assert!(!pieces.concat().contains("--"));
    }
}
