//! How a batch ends.

use diesel::{PgConnection, QueryResult};
use domain::{CreatedTasks, Error, TaskBatch, TenantId};

use super::{
    creation::Creation,
    request,
    statement::{Verdict, misfit},
};

/// What the caller is told.
pub(super) type Outcome = Result<CreatedTasks, Error>;

/// Turns what the statement says of a batch into its outcome. One that was not created may be the
/// repeat of one that was: it is answered as that was then, whatever has become of its case and
/// its users.
///
/// # Errors
/// Those of the look-up. Nothing was changed by it.
pub(super) fn settle(
    connection: &mut PgConnection,
    tenant: TenantId,
    batch: TaskBatch,
    verdict: Verdict,
) -> QueryResult<Outcome> {
    let refusal = match verdict {
        Verdict::Created(creation) => return Ok(created(batch, creation, false)),
        Verdict::Refused(error) => error,
        // Unless it is found below: forgotten between the statement and the look-up.
        Verdict::Taken => Error::Unavailable("the request id was given up just now".into()),
    };
    let made = match batch.idempotency_key() {
        Some(id) => request::find(connection, tenant, id)?,
        None => None,
    };
    Ok(match made {
        Some(made) if made.is_of(&batch.fingerprint()) => created(batch, made.creation, true),
        Some(_) => Err(Error::IdempotencyKeyReused),
        None => Err(refusal),
    })
}

fn created(batch: TaskBatch, creation: Creation, is_replay: bool) -> Outcome {
    let case = batch.case();
    let tasks = creation.tasks(batch).ok_or_else(|| misfit(case))?;
    Ok(CreatedTasks { tasks, is_replay })
}
