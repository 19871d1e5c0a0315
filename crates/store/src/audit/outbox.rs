//! Moves changes from the outbox to the log.
//!
//! The statements that change cases and users write to the outbox, which waits for nobody, and in the same
//! transaction, so that no change lacks its row. Whoever moves rows locks the head of the tenant's log first: nobody
//! else deletes rows of the tenant meanwhile.

use diesel::{PgConnection, pg::data_types::PgTimestamp, prelude::*};
use domain::{AuditDetails, AuditEntry, TenantId};

use super::append::{lock_head, logged, write};
use crate::{
    connections::{lane::Lane, presence::Presence},
    database::Database,
    error::Error,
    schema::audit_outbox::{self, dsl},
    time::to_micros,
};

/// The most rows that are moved in one transaction.
const BATCH: usize = 1000;

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_outbox)]
struct Row {
    id: i64,
    created_at: PgTimestamp,
    event: String,
    api_key_id: i64,
    address: Option<String>,
    request_id: String,
    subject_id: Option<i64>,
    created_ids: Option<Vec<i64>>,
    updated_ids: Option<Vec<i64>>,
    details: String,
}

impl Row {
    /// Returns the entry for the log, without a number.
    fn into_entry(self, tenant: TenantId) -> AuditEntry {
        let details = match (self.created_ids, self.updated_ids) {
            (None, None) => self.details,
            (created, updated) => {
                let (created, updated) = (created.unwrap_or_default(), updated.unwrap_or_default());
                AuditDetails::of_fed(&created, &updated).into_string()
            }
        };
        AuditEntry {
            tenant,
            number: 0,
            micros: to_micros(self.created_at),
            event: self.event,
            key: Some(self.api_key_id),
            role: None,
            address: self.address,
            request_id: Some(self.request_id),
            subject: self.subject_id,
            details,
        }
    }
}

impl Database {
    /// Returns the tenants of whom changes are in the outbox.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn tenants_in_audit_outbox(&self) -> Result<Vec<TenantId>, Error> {
        self.read("tenants_in_audit_outbox", |connection| {
            let tenants = audit_outbox::table.select(dsl::tenant_id).distinct();
            let tenants: Vec<i64> = tenants.order(dsl::tenant_id).load(connection)?;
            Ok(tenants.into_iter().filter_map(TenantId::new).collect())
        })
        .await
    }

    /// Moves the oldest changes of a tenant from the outbox to the log. Returns whether there may be more.
    ///
    /// # Errors
    /// [`domain::Error::Unavailable`], [`domain::Error::OutcomeUnknown`] and [`domain::Error::Internal`];
    /// [`domain::Error::TenantOverloaded`] if too much of the tenant waits for the same connections.
    pub async fn move_audit_outbox(&self, tenant: TenantId) -> Result<bool, domain::Error> {
        let move_some = move |connection: &mut PgConnection, _: &Presence| {
            logged(connection, |connection| {
                let last = lock_head(connection, tenant)?;
                let rows = take_oldest(connection, tenant)?;
                let may_be_more = rows.len() == BATCH;
                let entries = rows.into_iter().map(|row| row.into_entry(tenant));
                Ok((may_be_more, write(connection, tenant, last, entries)?))
            })
        };
        self.write_for(tenant, Lane::Directory, "move_audit_outbox", move_some).await
    }
}

/// Deletes the oldest rows, and returns them in their order.
fn take_oldest(connection: &mut PgConnection, tenant: TenantId) -> QueryResult<Vec<Row>> {
    let of_tenant = audit_outbox::table.filter(dsl::tenant_id.eq(tenant.get()));
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let oldest: Vec<i64> =
        of_tenant.select(dsl::id).order(dsl::id).limit(limit).load(connection)?;
    let mut rows: Vec<Row> = diesel::delete(of_tenant.filter(dsl::id.eq_any(oldest)))
        .returning(Row::as_returning())
        .get_results(connection)?;
    rows.sort_unstable_by_key(|row| row.id);
    Ok(rows)
}
