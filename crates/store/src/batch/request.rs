//! The requests that bore an id: looked up when one is repeated, and forgotten in the end.

use std::time::Duration;

use diesel::{
    pg::data_types::PgTimestamp,
    prelude::*,
    sql_types::{BigInt, Bool, Double},
};
use domain::{Fingerprint, IdempotencyKey, TenantId};

use super::creation::Creation;
use crate::{Database, Error, schema::task_batch_requests, time::from_postgres};

/// What is known of a request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) fingerprint: Vec<u8>,
    pub(super) creation: Creation,
}

impl Made {
    pub(super) fn is_of(&self, fingerprint: &Fingerprint) -> bool {
        self.fingerprint == fingerprint
    }
}

type Row = (Vec<u8>, PgTimestamp, Vec<i64>, Vec<i64>, Vec<String>, Vec<String>);

/// The tenant's request that bore this id.
pub(super) fn find(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: &IdempotencyKey,
) -> QueryResult<Option<Made>> {
    let row: Option<Row> = task_batch_requests::table
        .find((tenant.get(), id.as_str()))
        .select((
            task_batch_requests::fingerprint,
            task_batch_requests::created_at,
            task_batch_requests::task_ids,
            task_batch_requests::user_ids,
            task_batch_requests::first_names,
            task_batch_requests::last_names,
        ))
        .first(connection)
        .optional()?;
    Ok(row.map(|(fingerprint, created_at, task_ids, user_ids, first_names, last_names)| {
        let names = first_names.into_iter().zip(last_names);
        let users = user_ids.into_iter().zip(names).map(|(id, (first, last))| (id, first, last));
        let created_at = from_postgres(created_at);
        Made { fingerprint, creation: Creation { created_at, task_ids, users: users.collect() } }
    }))
}

/// Programs that sweep at the same time take turns by this advisory lock: "casereqs" in ASCII.
const SWEEP_LOCK: i64 = 0x6361_7365_7265_7173;

/// One step of the sweep. It goes tenant by tenant, along the index that the tenant leads.
const SWEEP: &str = "\
    DELETE FROM task_batch_requests AS r
    USING (
        SELECT old.tenant_id, old.request_id
        FROM tenants AS t
        CROSS JOIN LATERAL (
            SELECT o.tenant_id, o.request_id
            FROM task_batch_requests AS o
            WHERE o.tenant_id = t.id AND o.created_at < now() - make_interval(secs => $1)
            ORDER BY o.created_at
            LIMIT $2
        ) AS old
        LIMIT $2
    ) AS old
    WHERE r.tenant_id = old.tenant_id AND r.request_id = old.request_id";

impl Database {
    /// Forgets up to `most` requests that were made longer ago than `age`, and tells how many it
    /// forgot; none where another program is at it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn forget_requests(&self, age: Duration, most: u32) -> Result<usize, Error> {
        self.run(move |connection| {
            connection.transaction(|connection| {
                let is_ours = diesel::select(diesel::dsl::sql::<Bool>(&format!(
                    "pg_try_advisory_xact_lock({SWEEP_LOCK})"
                )))
                .get_result::<bool>(connection)?;
                if !is_ours {
                    return Ok(0);
                }
                let forgotten = diesel::sql_query(SWEEP)
                    .bind::<Double, _>(age.as_secs_f64())
                    .bind::<BigInt, _>(i64::from(most))
                    .execute(connection)?;
                Ok(forgotten)
            })
        })
        .await
    }
}
