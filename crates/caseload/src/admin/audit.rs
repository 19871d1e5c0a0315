//! `caseload admin audit`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{AuditEntry, AuditRecord, Tenant};
use humantime::format_rfc3339_micros;
use serde::Serialize;
use store::{Database, Verification};

use super::{output::Output, record::Record};
use crate::{
    cli::{AuditCommand, OptionalTenant},
    failure::Failure,
};

pub(super) async fn run(
    database: &Database,
    output: Output,
    command: AuditCommand,
) -> Result<(), Failure> {
    match command {
        AuditCommand::List { tenant, since, limit } => {
            list(database, output, &tenant.find(database).await?, since, limit).await
        }
        AuditCommand::Verify { tenant, expect } => {
            let tenants = tenant.find(database).await?;
            let mut records = Vec::new();
            for tenant in tenants {
                let found = database.verify_audit_log(tenant.id, expect.clone()).await?;
                records.push(VerificationRecord::new(tenant, &found));
            }
            let faulty: Vec<_> = records.iter().filter_map(VerificationRecord::fault).collect();
            output.all::<VerificationRecord>(records)?;
            match faulty.is_empty() {
                true => Ok(()),
                false => Err(faulty.join("\nerror: ").into()),
            }
        }
        AuditCommand::Prune { tenant, older_than } => {
            let before =
                SystemTime::now().checked_sub(older_than).ok_or("--older-than is too long")?;
            let mut records = Vec::new();
            for Tenant { id, name, .. } in tenant.find(database).await? {
                let pruned = database.prune_audit_log(id, before).await?;
                records.push(PrunedRecord { tenant: name, pruned });
            }
            output.all::<PrunedRecord>(records)
        }
    }
}

async fn list(
    database: &Database,
    output: Output,
    tenants: &[Tenant],
    since: SystemTime,
    limit: u32,
) -> Result<(), Failure> {
    let mut records = Vec::new();
    for tenant in tenants {
        // One more than is listed, to know whether there are more.
        let mut found = database.list_audit_entries(tenant.id, since, limit + 1).await?;
        if found.len() > limit as usize {
            found.pop();
            let last = found.last().map(|record| time(record.entry.micros)).unwrap_or_default();
            eprintln!("Tenant {:?} has more entries: go on with --since {last}.", tenant.name);
        }
        records.extend(found.into_iter().map(|record| EntryRecord::new(&tenant.name, record)));
    }
    records.sort_by(|a, b| a.time.cmp(&b.time));
    output.all::<EntryRecord>(records)
}

impl OptionalTenant {
    /// Returns the tenant with this name, or all of them.
    pub(super) async fn find(self, database: &Database) -> Result<Vec<Tenant>, Failure> {
        let tenants = database.list_tenants().await?;
        let Some(name) = self.tenant else { return Ok(tenants) };
        match tenants.into_iter().find(|tenant| tenant.name == name) {
            Some(tenant) => Ok(vec![tenant]),
            None => Err(format!("tenant {name:?} does not exist").into()),
        }
    }
}

/// An entry that is listed.
#[derive(Serialize)]
struct EntryRecord {
    time: String,
    tenant: String,
    number: i64,
    event: String,
    /// `key 3`, or `role caseload_admin`.
    by: String,
    address: Option<String>,
    request_id: Option<String>,
    subject: Option<i64>,
    details: String,
    hash: String,
}

impl Record for EntryRecord {
    const COLUMNS: &'static [&'static str] =
        &["time", "tenant", "number", "event", "subject", "details", "by", "address", "request_id"];
}

impl EntryRecord {
    fn new(tenant: &str, AuditRecord { entry, hash }: AuditRecord) -> Self {
        let AuditEntry {
            number,
            micros,
            event,
            key,
            role,
            address,
            request_id,
            subject,
            details,
            ..
        } = entry;
        let by = match (key, role) {
            (Some(key), _) => format!("key {key}"),
            (None, Some(role)) => format!("role {role}"),
            (None, None) => String::new(),
        };
        let (time, tenant, hash) = (time(micros), tenant.to_owned(), hash.to_string());
        Self { time, tenant, number, event, by, address, request_id, subject, details, hash }
    }
}

/// What was found about a log.
#[derive(Serialize)]
struct VerificationRecord {
    tenant: String,
    /// The number of the last entry that was pruned.
    pruned: i64,
    /// The number of the last entry.
    last: i64,
    anchor: String,
    intact: bool,
    faults: Vec<String>,
}

impl Record for VerificationRecord {
    const COLUMNS: &'static [&'static str] = &["tenant", "pruned", "last", "intact", "anchor"];
}

impl VerificationRecord {
    fn new(tenant: Tenant, Verification { pruned, last, faults }: &Verification) -> Self {
        Self {
            tenant: tenant.name,
            pruned: pruned.number,
            last: last.number,
            anchor: last.to_string(),
            intact: faults.is_empty(),
            faults: faults.iter().map(ToString::to_string).collect(),
        }
    }

    /// Returns what is wrong in one sentence; `None` if nothing is.
    fn fault(&self) -> Option<String> {
        let faults = self.faults.join("; ");
        (!self.intact)
            .then(|| format!("the log of tenant {:?} is not intact: {faults}", self.tenant))
    }
}

/// How many entries of a log were pruned.
#[derive(Serialize)]
struct PrunedRecord {
    tenant: String,
    pruned: usize,
}

impl Record for PrunedRecord {
    const COLUMNS: &'static [&'static str] = &["tenant", "pruned"];
}

/// The last microsecond that RFC 3339 can express, since 1970.
const LAST_MICROSECOND: u64 = 253_402_300_799_999_999;

/// Returns the time in the format of RFC 3339. A time out of its range becomes the nearest in it.
fn time(micros: i64) -> String {
    let micros = u64::try_from(micros).unwrap_or(0).min(LAST_MICROSECOND);
    format_rfc3339_micros(UNIX_EPOCH + Duration::from_micros(micros)).to_string()
}
