//! What became of requests with idempotency keys.

use diesel::{
    Connection as _, connection::SimpleConnection as _, insert_into, pg::data_types::PgTimestamp,
    prelude::*, result::Error as DieselError,
};
use domain::{
    CaseId, Error, Fingerprint, IdempotencyKey, IdempotencyRecord, Operation, Resource, TaskId,
    TenantId,
};

use crate::{
    connections::{lane::Lane, presence::Presence},
    database::Database,
    error::is_lock_timeout,
    schema::idempotency_keys,
    time::from_postgres,
};

type Row = (String, Option<i64>, Vec<i64>, PgTimestamp);

impl Database {
    /// Returns what a request with this idempotency key created.
    ///
    /// Waits for a transaction that is about to write the key, so that after
    /// [`Error::NotFound`] none that had begun before can still write it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no request with the key created anything; [`Error::Unavailable`] and
    /// [`Error::Internal`].
    pub async fn get_idempotency_record(
        &self,
        tenant: TenantId,
        key: IdempotencyKey,
    ) -> Result<IdempotencyRecord, Error> {
        let known = {
            let key = key.clone();
            move |connection: &mut PgConnection| Ok(find(connection, tenant, &key)?)
        };
        let mut found = self.read_for(tenant, "get_idempotency_record", known).await?;
        let mut is_known = found.is_some();
        let mut lane = Lane::Changes;
        while !is_known {
            let key = key.clone();
            // It writes, but keeps nothing of that.
            let confirm = move |connection: &mut PgConnection, _: &Presence| {
                match is_new(connection, tenant, &key, lane) {
                    Ok(true) => Ok((true, None)),
                    // It was written meanwhile.
                    Ok(false) => Ok((true, find(connection, tenant, &key)?)),
                    Err(error) if is_lock_timeout(&error) => Ok((false, None)),
                    Err(error) => Err(error.into()),
                }
            };
            let name = "confirm_idempotency_key_is_unused";
            let confirmed = self.write_for(tenant, lane, name, confirm).await;
            (is_known, found) = confirmed.map_err(without_effect)?;
            lane = Lane::Contended;
        }
        let found = found.ok_or(Error::NotFound(Resource::IdempotencyRecord))?;
        let (operation, case, task_ids, created_at) = found;
        let operation = Operation::from_name(&operation);
        let tasks = task_ids.into_iter().filter_map(TaskId::new).collect();
        let case = case.and_then(CaseId::new);
        Ok(IdempotencyRecord { operation, case, tasks, created_at: from_postgres(created_at) })
    }
}

fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    key: &IdempotencyKey,
) -> QueryResult<Option<Row>> {
    idempotency_keys::table
        .find((tenant.get(), key.as_str()))
        .select((
            idempotency_keys::operation,
            idempotency_keys::case_id,
            idempotency_keys::task_ids,
            idempotency_keys::created_at,
        ))
        .first(connection)
        .optional()
}

/// A look-up whose connection is lost leaves nothing in doubt.
fn without_effect(error: Error) -> Error {
    match error {
        Error::OutcomeUnknown(cause) => Error::Unavailable(cause),
        error => error,
    }
}

/// Whether a transaction could write the key. It is written, which waits for any other transaction
/// that does, and then taken back. Where others wait for their turn, it waits for a moment only.
fn is_new(
    connection: &mut PgConnection,
    tenant: TenantId,
    key: &IdempotencyKey,
    lane: Lane,
) -> QueryResult<bool> {
    let mut is_new = false;
    let result = connection.transaction(|connection| {
        if matches!(lane, Lane::Changes) {
            connection.batch_execute("SET LOCAL lock_timeout = '50ms'")?;
        }
        let written = insert_into(idempotency_keys::table)
            .values((
                idempotency_keys::tenant_id.eq(tenant.get()),
                idempotency_keys::key.eq(key.as_str()),
                idempotency_keys::operation.eq("none"),
                idempotency_keys::fingerprint.eq(&Fingerprint::default()[..]),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
        is_new = written > 0;
        Err(DieselError::RollbackTransaction)
    });
    match result {
        Ok(()) | Err(DieselError::RollbackTransaction) => Ok(is_new),
        Err(error) => Err(error),
    }
}
