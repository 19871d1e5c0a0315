//! Appends entries, in the transaction of the change that they are about.
//!
//! Whoever appends locks the head of the tenant's log, after all other locks and in one transaction for one
//! tenant. So nobody who has it waits for anything, and there is no deadlock.

use diesel::{
    Connection as _, PgConnection,
    dsl::sql,
    pg::data_types::PgTimestamp,
    prelude::*,
    select,
    sql_types::{Nullable, Text, Timestamptz},
};
use domain::{Agent, Anchor, AuditEntry, AuditRecord, CallAgent, NewAuditEntry, TenantId};

use super::row::{Head, Row};
use crate::{
    connections::{lane::Lane, presence::Presence},
    database::Database,
    error::Error,
    schema::{audit_entries, audit_heads},
    time::{to_micros, to_postgres},
};

/// The target of the lines about entries, by which a filter of logs selects them.
const TARGET: &str = "caseload::audit";

/// The most entries of one INSERT.
const ENTRIES: usize = 1000;

/// What a change returns, and what is to be appended to the log of a tenant.
pub(crate) type Audited<T> = (T, TenantId, Vec<NewAuditEntry>);

/// Runs a change and appends the entries that it returns, in one transaction. Once they are committed, they are
/// logged, too. Only if the connection is lost during the commit it is unknown whether anything was changed.
pub(crate) fn audited<T>(
    connection: &mut PgConnection,
    change: impl FnOnce(&mut PgConnection) -> Result<Audited<T>, Error>,
) -> Result<T, Error> {
    logged(connection, |connection| {
        let (result, tenant, entries) = change(connection)?;
        Ok((result, append(connection, tenant, entries)?))
    })
}

/// Runs a change that appends entries, in a transaction, and logs the entries once they are committed.
pub(super) fn logged<T>(
    connection: &mut PgConnection,
    change: impl FnOnce(&mut PgConnection) -> Result<(T, Vec<AuditRecord>), Error>,
) -> Result<T, Error> {
    let mut is_complete = false;
    let committed = connection.transaction(|connection| {
        let result = change(connection)?;
        is_complete = true;
        Ok::<_, Error>(result)
    });
    let (result, records) = match committed {
        // The commit was not sent.
        Err(error) if !is_complete => return Err(error.without_effect()),
        committed => committed?,
    };
    records.iter().for_each(log);
    Ok(result)
}

impl Database {
    /// Appends entries that are about no change in the database, as those about the use of keys.
    ///
    /// # Errors
    /// [`domain::Error::Unavailable`], [`domain::Error::OutcomeUnknown`] and [`domain::Error::Internal`];
    /// [`domain::Error::TenantOverloaded`] if too much of the tenant waits for the same connections.
    pub async fn append_to_audit_log(
        &self,
        tenant: TenantId,
        entries: Vec<NewAuditEntry>,
    ) -> Result<(), domain::Error> {
        let append = move |connection: &mut PgConnection, _: &Presence| {
            audited(connection, |_| Ok(((), tenant, entries)))
        };
        self.write_for(tenant, Lane::Audit, "append_to_audit_log", append).await
    }
}

fn append(
    connection: &mut PgConnection,
    tenant: TenantId,
    entries: Vec<NewAuditEntry>,
) -> Result<Vec<AuditRecord>, Error> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let last = lock_head(connection, tenant)?;
    let session = Session::find(connection)?;
    let entries = entries.into_iter().map(|entry| session.complete(tenant, entry));
    write(connection, tenant, last, entries)
}

/// Numbers entries and writes them behind the last one, whose head is locked.
pub(super) fn write(
    connection: &mut PgConnection,
    tenant: TenantId,
    mut last: Anchor,
    entries: impl Iterator<Item = AuditEntry>,
) -> Result<Vec<AuditRecord>, Error> {
    let numbered = entries.map(|entry| {
        let entry = AuditEntry { number: last.number + 1, ..entry };
        last = Anchor { number: entry.number, hash: last.hash.then(&entry) };
        AuditRecord { entry, hash: last.hash }
    });
    let records: Vec<_> = numbered.collect();
    for records in records.chunks(ENTRIES) {
        let rows: Vec<Row> = records.iter().map(Row::from).collect();
        diesel::insert_into(audit_entries::table).values(rows).execute(connection)?;
    }
    diesel::update(audit_heads::table.find(tenant.get()))
        .set((
            audit_heads::last_number.eq(last.number),
            audit_heads::last_hash.eq(last.hash.as_bytes().as_slice()),
        ))
        .execute(connection)?;
    Ok(records)
}

/// Locks the head of the tenant's log, which is created with the first entry. Returns the last entry.
pub(super) fn lock_head(connection: &mut PgConnection, tenant: TenantId) -> Result<Anchor, Error> {
    let head = audit_heads::table.find(tenant.get()).select(Head::as_select());
    let locked: Option<Head> = head.for_no_key_update().first(connection).optional()?;
    if let Some(locked) = locked {
        return locked.last();
    }
    diesel::insert_into(audit_heads::table)
        .values(audit_heads::tenant_id.eq(tenant.get()))
        .on_conflict_do_nothing()
        .execute(connection)?;
    head.for_no_key_update().first::<Head>(connection)?.last()
}

/// Locks the head of the tenant's log, which is created with the first entry, unless somebody else has it locked.
/// Returns the last entry.
pub(super) fn try_lock_head(
    connection: &mut PgConnection,
    tenant: TenantId,
) -> Result<Option<Anchor>, Error> {
    let head = audit_heads::table.find(tenant.get()).select(Head::as_select());
    let free = head.for_no_key_update().skip_locked();
    let mut locked: Option<Head> = free.first(connection).optional()?;
    if locked.is_none() {
        diesel::insert_into(audit_heads::table)
            .values(audit_heads::tenant_id.eq(tenant.get()))
            .on_conflict_do_nothing()
            .execute(connection)?;
        locked = free.first(connection).optional()?;
    }
    locked.map(|head| head.last()).transpose()
}

/// What the database says about a session.
struct Session {
    time: PgTimestamp,
    role: String,
    address: Option<String>,
}

impl Session {
    fn find(connection: &mut PgConnection) -> QueryResult<Self> {
        let (time, role, address) = select((
            sql::<Timestamptz>("clock_timestamp()"),
            sql::<Text>("session_user::text"),
            // None for a Unix socket.
            sql::<Nullable<Text>>("host(inet_client_addr())"),
        ))
        .get_result(connection)?;
        Ok(Self { time, role, address })
    }

    /// Returns an entry with what the session says, and without a number.
    fn complete(&self, tenant: TenantId, entry: NewAuditEntry) -> AuditEntry {
        let (key, role, address, request_id) = match entry.agent {
            Agent::Call(CallAgent { key, address, request_id }) => {
                (Some(key.get()), None, address.map(|it| it.to_string()), Some(request_id))
            }
            Agent::Session => (None, Some(self.role.clone()), self.address.clone(), None),
        };
        AuditEntry {
            tenant,
            number: 0,
            micros: to_micros(entry.time.map_or(self.time, to_postgres)),
            event: entry.event.as_str().to_owned(),
            key,
            role,
            address,
            request_id,
            subject: entry.subject,
            details: entry.details.as_str().to_owned(),
        }
    }
}

fn log(AuditRecord { entry, hash }: &AuditRecord) {
    tracing::info!(
        target: TARGET,
        tenant = entry.tenant.get(),
        number = entry.number,
        micros = entry.micros,
        event = entry.event,
        by_key = entry.key,
        by_role = entry.role,
        address = entry.address,
        request_id = entry.request_id,
        subject = entry.subject,
        details = entry.details,
        %hash,
        "audit"
    );
}
