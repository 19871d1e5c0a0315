//! Deletes the oldest entries. What is left can still be verified.

use std::time::SystemTime;

use diesel::{PgConnection, prelude::*};
use domain::{Agent, AuditDetails, AuditEvent, NewAuditEntry, TenantId};

use super::append::{Audited, audited};
use crate::{
    database::Database,
    error::Error,
    schema::{audit_entries, audit_heads},
    time::to_postgres,
};

/// The entries that one transaction deletes.
const BATCH: i64 = 10_000;

impl Database {
    /// Deletes the entries of a tenant up to the first one that was made at this time or later, and keeps the number
    /// and the hash of the last one. That is appended to the log, too. Returns how many were deleted. If it
    /// fails, some may have been.
    ///
    /// Only the owner of the tables may do that.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::ConnectionLost`] and [`Error::Internal`].
    pub async fn prune_audit_log(
        &self,
        tenant: TenantId,
        before: SystemTime,
    ) -> Result<usize, Error> {
        let mut deleted = 0;
        loop {
            let batch = self
                .write("prune_audit_log", move |connection| {
                    audited(connection, |connection| prune(connection, tenant, before))
                })
                .await?;
            deleted += batch;
            if batch < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                return Ok(deleted);
            }
        }
    }
}

fn prune(
    connection: &mut PgConnection,
    tenant: TenantId,
    before: SystemTime,
) -> Result<Audited<usize>, Error> {
    // Nobody appends or prunes meanwhile.
    audit_heads::table
        .find(tenant.get())
        .select(audit_heads::last_number)
        .for_update()
        .load::<i64>(connection)?;
    let of_tenant = audit_entries::table.filter(audit_entries::tenant_id.eq(tenant.get()));
    let kept: Option<i64> = of_tenant
        .filter(audit_entries::created_at.ge(to_postgres(before)))
        .select(diesel::dsl::min(audit_entries::number))
        .first(connection)?;
    let mut oldest: Vec<(i64, Vec<u8>)> = of_tenant
        .filter(audit_entries::number.lt(kept.unwrap_or(i64::MAX)))
        .order(audit_entries::number)
        .limit(BATCH)
        .select((audit_entries::number, audit_entries::hash))
        .load(connection)?;
    let Some((number, hash)) = oldest.pop() else { return Ok((0, tenant, Vec::new())) };
    let deleted =
        diesel::delete(of_tenant.filter(audit_entries::number.le(number))).execute(connection)?;
    diesel::update(audit_heads::table.find(tenant.get()))
        .set((audit_heads::pruned_number.eq(number), audit_heads::pruned_hash.eq(&hash)))
        .execute(connection)?;
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let pruned = NewAuditEntry {
        time: None,
        event: AuditEvent::LogPruned,
        agent: Agent::Session,
        subject: None,
        details: AuditDetails::default()
            .with("count", deleted)
            .with(AuditDetails::UP_TO, format_args!("{number}:{hash}")),
    };
    Ok((deleted, tenant, vec![pruned]))
}
