//! How a batch ends.

use diesel::{PgConnection, QueryResult};
use domain::{CreatedTasks, Error, Idempotent as _, TaskBatch, TenantId};

use super::{
    creation::Creation,
    idempotency::{self, IdempotencyRecord, Match},
    statement::{Verdict, mismatch},
};

/// The result of a batch, as its caller receives it.
pub(super) type Outcome = Result<CreatedTasks, Error>;

/// Turns what the statement reports of a batch into its outcome. A batch that was not created may
/// repeat one that was: it gets the result of that one, whatever has become of its case and its
/// users since.
///
/// # Errors
/// Those of looking up the idempotency key, which changes nothing.
pub(super) fn resolve(
    connection: &mut PgConnection,
    tenant: TenantId,
    batch: TaskBatch,
    verdict: Verdict,
) -> QueryResult<Outcome> {
    let refusal = match verdict {
        Verdict::Created(creation) => return Ok(created(batch, creation, false)),
        Verdict::Refused(error) => error,
        // It is found below, unless it was swept between the statement and the look-up.
        Verdict::KeyTaken => Error::Unavailable("the idempotency key has just expired".into()),
    };
    Ok(match find_record(connection, tenant, &batch)? {
        Some(record) => repeated(batch, record),
        None => Err(refusal),
    })
}

/// Returns the record of a batch's idempotency key, if it has a key that was used.
///
/// # Errors
/// Those of the look-up, which changes nothing.
pub(super) fn find_record(
    connection: &mut PgConnection,
    tenant: TenantId,
    batch: &TaskBatch,
) -> QueryResult<Option<IdempotencyRecord>> {
    match batch.idempotency_key() {
        Some(key) => idempotency::find(connection, tenant, key),
        None => Ok(None),
    }
}

/// Returns the outcome of a batch whose idempotency key was used.
pub(super) fn repeated(batch: TaskBatch, record: IdempotencyRecord) -> Outcome {
    match record.compare(&batch) {
        Match::Same => created(batch, record.creation, true),
        Match::Other => Err(Error::IdempotencyKeyReused),
        // A server of that release can tell.
        Match::Unknown => Err(Error::Unavailable(
            "a newer release has written the record of the idempotency key".into(),
        )),
    }
}

fn created(batch: TaskBatch, creation: Creation, is_replay: bool) -> Outcome {
    let case = batch.case();
    let tasks = creation.tasks(case, batch.into_tasks()).ok_or_else(|| mismatch(case))?;
    Ok(CreatedTasks { tasks, is_replay })
}
