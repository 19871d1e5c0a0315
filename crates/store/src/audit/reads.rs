//! Lists and verifies the log.

use std::time::SystemTime;

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _, prelude::*};
use domain::{Anchor, AuditFault, AuditRecord, ChainVerifier, TenantId};

use super::row::{Head, Row};
use crate::{
    database::Database,
    error::Error,
    schema::{audit_entries, audit_heads},
    time::to_postgres,
};

/// The entries that one query reads.
const PAGE: i64 = 1000;

/// What the verification of a tenant's log has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The last entry that was pruned.
    pub pruned: Anchor,
    /// The last entry.
    pub last: Anchor,
    /// All that is wrong.
    pub faults: Vec<AuditFault>,
}

impl Database {
    /// Returns the first `most` entries of a tenant that were made at this time or later, in their order.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_audit_entries(
        &self,
        tenant: TenantId,
        since: SystemTime,
        most: u32,
    ) -> Result<Vec<AuditRecord>, Error> {
        self.read("list_audit_entries", move |connection| {
            let rows: Vec<Row> = audit_entries::table
                .filter(audit_entries::tenant_id.eq(tenant.get()))
                .filter(audit_entries::created_at.ge(to_postgres(since)))
                .order((audit_entries::created_at, audit_entries::number))
                .limit(most.into())
                .select(Row::as_select())
                .load(connection)?;
            rows.into_iter().map(TryInto::try_into).collect()
        })
        .await
    }

    /// Compares a tenant's log with its hashes, and with entries that were there once.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn verify_audit_log(
        &self,
        tenant: TenantId,
        expected: Vec<Anchor>,
    ) -> Result<Verification, Error> {
        self.read("verify_audit_log", move |connection| {
            connection.transaction(|connection| {
                // All of it as it is at one time, while others append and prune.
                connection
                    .batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
                verify(connection, tenant, &expected)
            })
        })
        .await
    }
}

fn verify(
    connection: &mut PgConnection,
    tenant: TenantId,
    expected: &[Anchor],
) -> Result<Verification, Error> {
    let head = audit_heads::table.find(tenant.get()).select(Head::as_select());
    let head: Option<Head> = head.first(connection).optional()?;
    let pruned = head.as_ref().map_or(Ok(Anchor::START), Head::pruned)?;
    let mut verifier = ChainVerifier::new(pruned, expected);
    let mut after = 0;
    loop {
        let page: Vec<Row> = audit_entries::table
            .filter(audit_entries::tenant_id.eq(tenant.get()))
            .filter(audit_entries::number.gt(after))
            .order(audit_entries::number)
            .limit(PAGE)
            .select(Row::as_select())
            .load(connection)?;
        if page.is_empty() {
            break;
        }
        for row in page {
            let record = AuditRecord::try_from(row)?;
            verifier.check(&record);
            after = record.entry.number;
        }
    }
    let head = head.as_ref().map(Head::last).transpose()?;
    let (last, faults) = verifier.finish(head);
    Ok(Verification { pruned, last, faults })
}
