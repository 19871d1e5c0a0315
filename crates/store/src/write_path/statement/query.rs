//! The statement that creates batches, with its parameters.

use diesel::{
    RunQueryDsl,
    pg::{Pg, PgConnection},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::{Array, BigInt, Bool, Bytea, Nullable, SmallInt, Text, Timestamptz},
};
use domain::{Actor, Assignment, Fingerprint, FingerprintVersion, Idempotent as _, TaskBatch};

use super::{
    batch::{self, Batch},
    results::{Results, Row},
    text,
};

/// The statement with its parameters: arrays over all batches, as the two .sql files describe them.
#[derive(Debug, Default)]
pub(in crate::write_path) struct Statement<'a> {
    batches: Vec<Batch<'a>>,
    task_batches: Vec<i64>,
    task_descriptions: Vec<&'a str>,
    email_numbers: Vec<i64>,
    email_addresses: Vec<&'a str>,
    key_batches: Vec<i64>,
    keys: Vec<&'a str>,
    key_operations: Vec<&'static str>,
    key_fingerprints: Vec<Fingerprint>,
    fingerprint_version: i16,
}

impl<'a> Statement<'a> {
    /// Returns the statement that creates these batches.
    pub(in crate::write_path) fn new(
        batches: impl Iterator<Item = (&'a Actor, &'a TaskBatch)>,
    ) -> Self {
        let mut statement =
            Self { fingerprint_version: FingerprintVersion::CURRENT.number(), ..Self::default() };
        for (actor, batch) in batches {
            statement.add(actor, batch);
        }
        statement
    }

    fn add(&mut self, actor: &'a Actor, batch: &'a TaskBatch) {
        let tenant = actor.tenant.get();
        let (first_task, first_email) =
            (number(&self.task_descriptions) + 1, number(&self.email_addresses) + 1);
        let batch_no = i64::from(first_task);
        if let Some(key) = batch.idempotency_key() {
            self.key_batches.push(batch_no);
            self.keys.push(key.as_str());
            self.key_operations.push(batch.operation().as_str());
            self.key_fingerprints.push(batch.fingerprint(FingerprintVersion::CURRENT));
        }
        let mut user_ends = Vec::with_capacity(batch.tasks().len());
        let mut user_end = 0;
        for task in batch.tasks() {
            user_end += task.assignments.len();
            // A batch has some thousand assignments at most.
            user_ends.push(i16::try_from(user_end).unwrap_or(i16::MAX));
            self.task_batches.push(batch_no);
            self.task_descriptions.push(task.description.as_str());
            let task_no = i64::from(number(&self.task_descriptions));
            for (position, Assignment { email, .. }) in (0..).zip(&task.assignments) {
                self.email_numbers.extend([tenant, batch_no, task_no, position]);
                self.email_addresses.push(email.as_str());
            }
        }
        self.batches.push(Batch {
            first_task,
            last_task: number(&self.task_descriptions),
            first_email,
            last_email: number(&self.email_addresses),
            tenant,
            case: batch.case().get(),
            key: actor.key.get(),
            request_id: &actor.request_id,
            user_ends,
        });
    }

    /// Runs the statement, which is a transaction of its own unless one is open.
    pub(in crate::write_path) fn run(&self, connection: &mut PgConnection) -> QueryResult<Results> {
        let row: Row = if self.keys.is_empty() {
            Bound::<false>(self).get_result(connection)?
        } else {
            Bound::<true>(self).get_result(connection)?
        };
        Ok(row.into())
    }
}

/// Returns the number of the last item. A statement has some thousand items at most.
fn number<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX)
}

/// The statement with one of its two texts.
struct Bound<'a, const WITH_KEYS: bool>(&'a Statement<'a>);

impl<const WITH_KEYS: bool> QueryFragment<Pg> for Bound<'_, WITH_KEYS> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let statement = self.0;
        let text = if WITH_KEYS { &*text::CREATE_IDEMPOTENT } else { &*text::CREATE };
        let mut pieces = text.iter();
        let mut text = |out: &mut AstPass<'_, 'b, Pg>| {
            out.push_sql(pieces.next().map_or("", String::as_str));
        };
        text(&mut out);
        out.push_bind_param::<Array<batch::SqlType>, _>(&statement.batches)?;
        text(&mut out);
        out.push_bind_param::<Array<BigInt>, _>(&statement.task_batches)?;
        text(&mut out);
        out.push_bind_param::<Array<Text>, _>(&statement.task_descriptions)?;
        text(&mut out);
        out.push_bind_param::<Array<BigInt>, _>(&statement.email_numbers)?;
        text(&mut out);
        out.push_bind_param::<Array<Text>, _>(&statement.email_addresses)?;
        text(&mut out);
        if !WITH_KEYS {
            return Ok(());
        }
        out.push_bind_param::<Array<BigInt>, _>(&statement.key_batches)?;
        text(&mut out);
        out.push_bind_param::<Array<Text>, _>(&statement.keys)?;
        text(&mut out);
        out.push_bind_param::<Array<Text>, _>(&statement.key_operations)?;
        text(&mut out);
        out.push_bind_param::<Array<Bytea>, _>(&statement.key_fingerprints)?;
        text(&mut out);
        out.push_bind_param::<SmallInt, _>(&statement.fingerprint_version)?;
        text(&mut out);
        Ok(())
    }
}

/// Each text is the same for every call, however many batches it has: Diesel prepares it once for
/// each connection.
impl<const WITH_KEYS: bool> QueryId for Bound<'_, WITH_KEYS> {
    type QueryId = Bound<'static, WITH_KEYS>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const WITH_KEYS: bool> Query for Bound<'_, WITH_KEYS> {
    type SqlType = (
        Timestamptz,
        Array<Bool>,
        Array<Nullable<BigInt>>,
        Array<Nullable<BigInt>>,
        Array<Nullable<Text>>,
        Array<Nullable<Text>>,
    );
}

impl<const WITH_KEYS: bool> RunQueryDsl<PgConnection> for Bound<'_, WITH_KEYS> {}
