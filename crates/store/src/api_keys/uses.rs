//! When keys were used.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::{
    Connection as _, RunQueryDsl as _,
    connection::SimpleConnection as _,
    sql_query,
    sql_types::{Array, BigInt, Timestamptz},
};
use domain::{KeyId, TenantId};

use crate::{database::Database, error::Error, time::to_postgres};

/// Other servers may write the same rows: they are locked in order, and those that are locked already are left
/// to them. Nobody waits for the disk, or for a standby.
const SESSION: &str = "SET LOCAL lock_timeout = '100ms'; SET LOCAL synchronous_commit = off";
const STATEMENT: &str = "
    UPDATE api_keys AS k SET last_used_at = u.used_at
    FROM (
        SELECT l.tenant_id, l.id, n.used_at
        FROM unnest($1, $2, $3) AS n (tenant_id, id, used_at)
        JOIN api_keys AS l ON l.tenant_id = n.tenant_id AND l.id = n.id
        WHERE l.last_used_at IS NULL OR l.last_used_at < n.used_at
        ORDER BY l.tenant_id, l.id
        FOR NO KEY UPDATE OF l SKIP LOCKED
    ) AS u
    WHERE k.tenant_id = u.tenant_id AND k.id = u.id";

/// That a key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The tenant of the key.
    pub tenant: TenantId,
    /// The key.
    pub key: KeyId,
    /// When. Its minute is kept.
    pub time: SystemTime,
}

impl Database {
    /// Stores the minutes in which keys were used, unless a later one, or the same, is stored. A use whose key
    /// somebody has locked is left out.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::ConnectionLost`] and [`Error::Internal`]. It can be repeated.
    pub async fn store_key_uses(&self, uses: &[KeyUse]) -> Result<(), Error> {
        let tenants: Vec<i64> = uses.iter().map(|it| it.tenant.get()).collect();
        let keys: Vec<i64> = uses.iter().map(|it| it.key.get()).collect();
        let times: Vec<_> = uses.iter().map(|it| to_postgres(minute(it.time))).collect();
        self.write("store_key_uses", move |connection| {
            connection.transaction(|connection| {
                connection.batch_execute(SESSION)?;
                sql_query(STATEMENT)
                    .bind::<Array<BigInt>, _>(tenants)
                    .bind::<Array<BigInt>, _>(keys)
                    .bind::<Array<Timestamptz>, _>(times)
                    .execute(connection)?;
                Ok(())
            })
        })
        .await
    }
}

/// Returns the time without what is less than a minute.
fn minute(time: SystemTime) -> SystemTime {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since_1970.as_secs() / 60 * 60)
}
