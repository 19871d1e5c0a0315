//! The results of the statement that creates batches.

use std::{iter, time::SystemTime, vec};

use diesel::pg::data_types::PgTimestamp;
use domain::{CaseId, Error, Idempotent as _, Resource, Rule, TaskBatch, Violations};

use crate::{
    time::from_postgres,
    write_path::creation::{Creation, FoundUser, found_user, users_of},
};

/// The row that the statement returns.
pub(super) type Row = (
    PgTimestamp,
    Vec<bool>,
    Vec<Option<i64>>,
    Vec<Option<i64>>,
    Vec<Option<String>>,
    Vec<Option<String>>,
);

/// The results of the statement, read batch by batch in the order of the statement.
#[derive(Debug)]
pub(in crate::write_path) struct Results {
    created_at: SystemTime,
    case_exists: vec::IntoIter<bool>,
    task_ids: vec::IntoIter<Option<i64>>,
    user_ids: vec::IntoIter<Option<i64>>,
    first_names: vec::IntoIter<Option<String>>,
    last_names: vec::IntoIter<Option<String>>,
}

impl From<Row> for Results {
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

/// What the statement reports of a batch.
#[derive(Debug)]
pub(in crate::write_path) enum Verdict {
    /// It was created.
    Created(Creation),
    /// Its case or some of its users don't exist, or users are deactivated.
    Refused(Error),
    /// Its idempotency key was used before: by an earlier request, or by another batch of the same
    /// statement.
    KeyTaken,
}

impl Results {
    /// Returns what the statement reports of the next batch, which must be the batch given.
    pub(in crate::write_path) fn next(&mut self, batch: &TaskBatch) -> Verdict {
        let case_exists = self.case_exists.next();
        // Each list is read to the end of this batch's part, also past nulls: the next batch's part
        // begins there.
        let task_ids: Vec<Option<i64>> = self.task_ids.by_ref().take(batch.tasks().len()).collect();
        let (users, violations) = users_of(batch.tasks(), iter::from_fn(|| self.next_user()));
        let refusal = if case_exists == Some(false) {
            Some(Error::NotFound(Resource::Case(batch.case())))
        } else {
            Violations::new(violations).map(Error::Invalid)
        };
        let is_created = task_ids.iter().any(Option::is_some);
        match (task_ids.into_iter().collect(), refusal) {
            (Some(task_ids), None) if is_created => {
                Verdict::Created(Creation { created_at: self.created_at, task_ids, users })
            }
            (_, Some(refusal)) if !is_created => Verdict::Refused(refusal),
            (_, None) if !is_created && batch.idempotency_key().is_some() => Verdict::KeyTaken,
            _ => Verdict::Refused(mismatch(batch.case())),
        }
    }

    fn next_user(&mut self) -> Option<Result<FoundUser, &'static Rule>> {
        let (id, first_name, last_name) =
            (self.user_ids.next()?, self.first_names.next()?, self.last_names.next()?);
        Some(found_user(id, first_name, last_name))
    }
}

/// The error that the statement's results don't fit the batch: a defect of this program, or of what is
/// stored. The statement is committed, so the batch may have been created.
pub(in crate::write_path) fn mismatch(case: CaseId) -> Error {
    Error::OutcomeUnknown(format!("the result for case {case} does not fit its batch").into())
}
