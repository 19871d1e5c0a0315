//! The statement that creates batches, and its answer.

use std::{sync::LazyLock, time::SystemTime, vec};

use diesel::{
    RunQueryDsl,
    pg::{Pg, PgConnection, data_types::PgTimestamp},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::{Array, BigInt, Bool, Bytea, Integer, Nullable, SmallInt, Text, Timestamptz},
};
use domain::{
    Assignment, CaseId, Email, Error, Fingerprint, NewTask, Resource, TaskBatch, TenantId,
    Violation, Violations,
};

use super::creation::Creation;
use crate::time::from_postgres;

const SQL: &str = include_str!("create.sql");

/// The statement's texts around their parameters, without comments: without request ids, and with.
static PIECES: LazyLock<[Vec<String>; 2]> =
    LazyLock::new(|| [pieces(SQL, "without"), pieces(SQL, "with")]);

fn pieces(sql: &str, variant: &str) -> Vec<String> {
    let mut is_wanted = true;
    let mut text = String::new();
    for line in sql.lines().map(str::trim) {
        if let Some(variants) = line.strip_prefix("--? ") {
            is_wanted = variants == "both" || variants == variant;
        } else if is_wanted && !line.is_empty() && !line.starts_with("--") {
            text.push_str(line);
            text.push('\n');
        }
    }
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
    request_batches: Vec<i32>,
    request_ids: Vec<&'a str>,
    request_fingerprints: Vec<Fingerprint>,
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
        if let Some(id) = batch.idempotency_key() {
            self.request_batches.push(batch_no);
            self.request_ids.push(id.as_str());
            self.request_fingerprints.push(batch.fingerprint());
        }
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
        let row: Row = if self.request_ids.is_empty() {
            Bound::<false>(self).get_result(connection)?
        } else {
            Bound::<true>(self).get_result(connection)?
        };
        Ok(row.into())
    }
}

/// The number of the last item. A statement has some thousand items at the most.
fn number<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX)
}

/// The statement as one of its two texts.
struct Bound<'a, const WITH_REQUEST_IDS: bool>(&'a Statement<'a>);

impl<const WITH_REQUEST_IDS: bool> QueryFragment<Pg> for Bound<'_, WITH_REQUEST_IDS> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let statement = self.0;
        let mut pieces = PIECES[usize::from(WITH_REQUEST_IDS)].iter();
        let mut text = |out: &mut AstPass<'_, 'b, Pg>| {
            out.push_sql(pieces.next().map_or("", String::as_str));
        };
        text(&mut out);
        out.push_bind_param::<Array<BigInt>, _>(&statement.batch_tenants)?;
        text(&mut out);
        out.push_bind_param::<Array<BigInt>, _>(&statement.batch_cases)?;
        text(&mut out);
        out.push_bind_param::<Array<Integer>, _>(&statement.task_batches)?;
        text(&mut out);
        out.push_bind_param::<Array<Text>, _>(&statement.task_descriptions)?;
        text(&mut out);
        out.push_bind_param::<Array<BigInt>, _>(&statement.email_tenants)?;
        text(&mut out);
        out.push_bind_param::<Array<Integer>, _>(&statement.email_batches)?;
        text(&mut out);
        out.push_bind_param::<Array<Integer>, _>(&statement.email_tasks)?;
        text(&mut out);
        out.push_bind_param::<Array<SmallInt>, _>(&statement.email_positions)?;
        text(&mut out);
        out.push_bind_param::<Array<Text>, _>(&statement.email_addresses)?;
        text(&mut out);
        if !WITH_REQUEST_IDS {
            return Ok(());
        }
        out.push_bind_param::<Array<Integer>, _>(&statement.request_batches)?;
        text(&mut out);
        out.push_bind_param::<Array<Text>, _>(&statement.request_ids)?;
        text(&mut out);
        out.push_bind_param::<Array<Bytea>, _>(&statement.request_fingerprints)?;
        text(&mut out);
        Ok(())
    }
}

/// Either text is one for every call, however many batches that carries: Diesel prepares it once a
/// connection.
impl<const WITH_REQUEST_IDS: bool> QueryId for Bound<'_, WITH_REQUEST_IDS> {
    type QueryId = Bound<'static, WITH_REQUEST_IDS>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const WITH_REQUEST_IDS: bool> Query for Bound<'_, WITH_REQUEST_IDS> {
    type SqlType = (
        Timestamptz,
        Array<Bool>,
        Array<Nullable<BigInt>>,
        Array<Nullable<BigInt>>,
        Array<Nullable<Text>>,
        Array<Nullable<Text>>,
    );
}

impl<const WITH_REQUEST_IDS: bool> RunQueryDsl<PgConnection> for Bound<'_, WITH_REQUEST_IDS> {}

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

/// What the statement says of a batch.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It was created.
    Created(Creation),
    /// It is at fault.
    Refused(Error),
    /// It is not at fault, but its request id was taken: by an earlier request, or by a twin.
    Taken,
}

impl Answer {
    /// What it says of the next batch.
    pub(super) fn next(&mut self, batch: &TaskBatch) -> Verdict {
        let case_exists = self.case_exists.next();
        // Both are read to their ends also where they have gaps: the next batch's part begins there.
        let task_ids: Vec<Option<i64>> = self.task_ids.by_ref().take(batch.tasks().len()).collect();
        let mut users = Vec::new();
        let mut violations = Vec::new();
        for (task, NewTask { assignments, .. }) in batch.tasks().iter().enumerate() {
            for Assignment { index, .. } in assignments {
                match self.next_user() {
                    Some(user) => users.push(user),
                    None => violations.push(Violation {
                        path: Assignment::path(task, *index),
                        rule: &Email::UNKNOWN_USER,
                    }),
                }
            }
        }
        if case_exists == Some(false) {
            return Verdict::Refused(Error::NotFound(Resource::Case(batch.case())));
        }
        if let Some(violations) = Violations::new(violations) {
            return Verdict::Refused(Error::Invalid(violations));
        }
        match task_ids.into_iter().collect() {
            Some(task_ids) => {
                Verdict::Created(Creation { created_at: self.created_at, task_ids, users })
            }
            None if batch.idempotency_key().is_some() => Verdict::Taken,
            None => Verdict::Refused(misfit(batch.case())),
        }
    }

    fn next_user(&mut self) -> Option<(i64, String, String)> {
        let (id, first_name, last_name) =
            (self.user_ids.next()?, self.first_names.next()?, self.last_names.next()?);
        Some((id?, first_name?, last_name?))
    }
}

/// The statement and this reading of it disagree.
pub(super) fn misfit(case: CaseId) -> Error {
    Error::Internal(format!("the answer for case {case} doesn't fit its batch").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_have_their_parameters_once_and_in_order() {
        let code: String = SQL.lines().filter(|line| !line.starts_with("--")).collect();
        let numbers: Vec<String> = code
            .split('$')
            .skip(1)
            .map(|piece| piece.chars().take_while(char::is_ascii_digit).collect())
            .collect();
        assert_eq!(numbers, (1..=12).map(|n: u8| n.to_string()).collect::<Vec<_>>());
        let [without, with] = [pieces(SQL, "without"), pieces(SQL, "with")];
        assert_eq!((without.len(), with.len()), (10, 13));
        assert!(with[1].starts_with("::bigint[],"), "{}", with[1]);
        assert!(!with.concat().contains("--") && !without.concat().contains("request"));
    }
}
