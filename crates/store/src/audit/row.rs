//! Entries, and the ends of logs, as they are stored.

use diesel::{pg::data_types::PgTimestamp, prelude::*};
use domain::{Anchor, AuditEntry, AuditRecord, ChainHash, TenantId};

use crate::{
    error::Error,
    schema::{audit_entries, audit_heads},
    time::{from_micros, to_micros},
};

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = audit_entries)]
pub(super) struct Row {
    tenant_id: i64,
    number: i64,
    hash: Vec<u8>,
    created_at: PgTimestamp,
    event: String,
    api_key_id: Option<i64>,
    role: Option<String>,
    address: Option<String>,
    request_id: Option<String>,
    subject_id: Option<i64>,
    details: String,
}

impl From<&AuditRecord> for Row {
    fn from(AuditRecord { entry, hash }: &AuditRecord) -> Self {
        let entry = entry.clone();
        Self {
            tenant_id: entry.tenant.get(),
            number: entry.number,
            hash: hash.as_bytes().to_vec(),
            created_at: from_micros(entry.micros),
            event: entry.event,
            api_key_id: entry.key,
            role: entry.role,
            address: entry.address,
            request_id: entry.request_id,
            subject_id: entry.subject,
            details: entry.details,
        }
    }
}

impl TryFrom<Row> for AuditRecord {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let tenant = TenantId::new(row.tenant_id)
            .ok_or_else(|| Error::internal("an audit entry is stored with an invalid tenant"))?;
        let entry = AuditEntry {
            tenant,
            number: row.number,
            micros: to_micros(row.created_at),
            event: row.event,
            key: row.api_key_id,
            role: row.role,
            address: row.address,
            request_id: row.request_id,
            subject: row.subject_id,
            details: row.details,
        };
        Ok(Self { entry, hash: hash(&row.hash)? })
    }
}

/// The two ends of a tenant's log.
#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_heads)]
pub(super) struct Head {
    last_number: i64,
    last_hash: Vec<u8>,
    pruned_number: i64,
    pruned_hash: Vec<u8>,
}

impl Head {
    /// Returns the last entry.
    pub(super) fn last(&self) -> Result<Anchor, Error> {
        Ok(Anchor { number: self.last_number, hash: hash(&self.last_hash)? })
    }

    /// Returns the last entry that was pruned.
    pub(super) fn pruned(&self) -> Result<Anchor, Error> {
        Ok(Anchor { number: self.pruned_number, hash: hash(&self.pruned_hash)? })
    }
}

fn hash(bytes: &[u8]) -> Result<ChainHash, Error> {
    ChainHash::from_bytes(bytes)
        .ok_or_else(|| Error::internal("a hash of the audit log does not have 32 bytes"))
}
