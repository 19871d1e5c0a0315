//! The records of idempotency keys: looked up when a request is repeated, and deleted in the end.

use std::time::Duration;

use diesel::{pg::data_types::PgTimestamp, prelude::*};
use domain::{FingerprintVersion, IdempotencyKey, Idempotent, TenantId};

use super::creation::Creation;
use crate::{
    database::Database,
    schema::idempotency_keys,
    sweep::{Expiry, Order, Sweep},
    time::from_postgres,
};

/// The record of an idempotency key: the request that used it, and what the database added to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyRecord {
    operation: String,
    fingerprint: Vec<u8>,
    fingerprint_version: i16,
    /// The case, if the request created one.
    pub(crate) case: Option<i64>,
    pub(crate) creation: Creation,
}

/// Whether a record is of a certain request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Same,
    Other,
    /// A newer release has made the fingerprint.
    Unknown,
}

impl IdempotencyRecord {
    /// Compares the record with a request. Any other operation with the same key is another request.
    pub(crate) fn compare(&self, request: &impl Idempotent) -> Match {
        if self.operation != request.operation().as_str() {
            return Match::Other;
        }
        match FingerprintVersion::from_number(self.fingerprint_version) {
            None => Match::Unknown,
            Some(version) if self.fingerprint == request.fingerprint(version) => Match::Same,
            Some(_) => Match::Other,
        }
    }
}

type Row = (String, Vec<u8>, i16, PgTimestamp, Option<i64>, Vec<i64>, Users);

/// The ids, first names and last names of the users.
type Users = (Vec<i64>, Vec<String>, Vec<String>);

/// Returns the record of a tenant's key, if there is one.
pub(crate) fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    key: &IdempotencyKey,
) -> QueryResult<Option<IdempotencyRecord>> {
    let row: Option<Row> = idempotency_keys::table
        .find((tenant.get(), key.as_str()))
        .select((
            idempotency_keys::operation,
            idempotency_keys::fingerprint,
            idempotency_keys::fingerprint_version,
            idempotency_keys::created_at,
            idempotency_keys::case_id,
            idempotency_keys::task_ids,
            (
                idempotency_keys::user_ids,
                idempotency_keys::first_names,
                idempotency_keys::last_names,
            ),
        ))
        .first(connection)
        .optional()?;
    Ok(row.map(|row| {
        let (operation, fingerprint, fingerprint_version, created_at, case, task_ids, users) = row;
        let (user_ids, first_names, last_names) = users;
        let names = first_names.into_iter().zip(last_names);
        let users = user_ids.into_iter().zip(names).map(|(id, (first, last))| (id, first, last));
        let created_at = from_postgres(created_at);
        let creation = Creation { created_at, task_ids, users: users.collect() };
        IdempotencyRecord { operation, fingerprint, fingerprint_version, case, creation }
    }))
}

/// Whether the request's idempotency key was used for another one.
pub(crate) fn is_key_reused(
    connection: &mut PgConnection,
    tenant: TenantId,
    request: &impl Idempotent,
) -> QueryResult<bool> {
    let Some(key) = request.idempotency_key() else { return Ok(false) };
    let record = find(connection, tenant, key)?;
    Ok(record.is_some_and(|record| record.compare(request) == Match::Other))
}

/// Records are gone through along the index by tenant and time.
pub(crate) static EXPIRY: Expiry = Expiry {
    name: "sweep_idempotency_keys",
    // "caseidem" in ASCII, for "Caseload, idempotency".
    lock: 0x6361_7365_6964_656d,
    table: "idempotency_keys",
    order: Order::Time,
    after: None,
};

impl Database {
    /// Returns a sweep of the records of idempotency keys that are older than `age`.
    #[must_use]
    pub fn sweep_of_idempotency_keys(&self, age: Duration) -> Sweep {
        Sweep::new(self, &EXPIRY, age)
    }
}
