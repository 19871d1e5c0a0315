//! The host names that belong to tenants. Servers learn of each change by a trigger.

use std::time::SystemTime;

use diesel::{PgConnection, pg::data_types::PgTimestamp, prelude::*};
use domain::{Agent, AuditEvent, HostName, NewAuditEntry, TenantId};

use crate::{
    audit::audited, database::Database, error::Error, schema::tenant_hosts, tenants,
    time::from_postgres,
};

/// A host name that belongs to a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantHost {
    /// The name.
    pub host: HostName,
    /// The tenant.
    pub tenant: TenantId,
    /// Whether the tenant's keys are accepted on its own hosts only.
    pub exclusive: bool,
    /// When it was added.
    pub created_at: SystemTime,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = tenant_hosts)]
struct Row {
    host: String,
    tenant_id: i64,
    exclusive: bool,
    created_at: PgTimestamp,
}

impl TryFrom<Row> for TenantHost {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let invalid =
            || Error::internal(format!("host {} is stored with invalid values", row.host));
        Ok(Self {
            host: row.host.parse().map_err(|_| invalid())?,
            tenant: TenantId::new(row.tenant_id).ok_or_else(invalid)?,
            exclusive: row.exclusive,
            created_at: from_postgres(row.created_at),
        })
    }
}

impl Database {
    /// Returns the hosts of all tenants, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn list_tenant_hosts(&self) -> Result<Vec<TenantHost>, Error> {
        self.read("list_tenant_hosts", |connection| {
            let rows: Vec<Row> = tenant_hosts::table
                .order(tenant_hosts::host)
                .select(Row::as_select())
                .load(connection)?;
            rows.into_iter().map(TryInto::try_into).collect()
        })
        .await
    }

    /// Binds hosts to a tenant. Those that it has already stay as they are. Returns all that it has then.
    ///
    /// # Errors
    /// [`Error::Exists`] if another tenant has one of them, [`Error::Missing`] if the tenant does not exist,
    /// [`Error::Invalid`] if the tenant would have more than [`HostName::MOST`]. Nothing is changed then.
    pub async fn add_tenant_hosts(
        &self,
        tenant: TenantId,
        hosts: Vec<HostName>,
    ) -> Result<Vec<TenantHost>, Error> {
        self.write("add_tenant_hosts", move |connection| {
            audited(connection, |connection| {
                let exclusive = lock(connection, tenant)?.iter().any(|host| host.exclusive);
                let mut entries = Vec::new();
                for host in &in_order(hosts) {
                    if insert(connection, tenant, host, exclusive)? {
                        entries.push(entry(AuditEvent::HostAdded, tenant).with("host", host));
                    }
                }
                let hosts = of_tenant(connection, tenant)?;
                if hosts.len() > HostName::MOST {
                    return Err(Error::Invalid(format!(
                        "a tenant has at most {} hosts",
                        HostName::MOST
                    )));
                }
                Ok((hosts, tenant, entries))
            })
        })
        .await
    }

    /// Takes hosts from a tenant. Returns those that it still has.
    ///
    /// # Errors
    /// [`Error::Missing`] if the tenant has not all of them; [`Error::Invalid`] if it would have none any more while its
    /// keys are accepted on its own hosts only. Nothing is changed then.
    pub async fn remove_tenant_hosts(
        &self,
        tenant: TenantId,
        hosts: Vec<HostName>,
    ) -> Result<Vec<TenantHost>, Error> {
        self.write("remove_tenant_hosts", move |connection| {
            audited(connection, |connection| {
                let is_exclusive = lock(connection, tenant)?.iter().any(|host| host.exclusive);
                let mut entries = Vec::new();
                for host in &in_order(hosts) {
                    let row = tenant_hosts::table.find(host.as_str());
                    let row = row.filter(tenant_hosts::tenant_id.eq(tenant.get()));
                    if diesel::delete(row).execute(connection)? == 0 {
                        return Err(Error::Missing(format!("host {host} of tenant {tenant}")));
                    }
                    entries.push(entry(AuditEvent::HostRemoved, tenant).with("host", host));
                }
                let left = of_tenant(connection, tenant)?;
                match is_exclusive && left.is_empty() {
                    true => Err(Error::Invalid(LAST_HOST.to_owned())),
                    false => Ok((left, tenant, entries)),
                }
            })
        })
        .await
    }

    /// Sets whether a tenant's keys are accepted on its own hosts only. Returns its hosts.
    ///
    /// # Errors
    /// [`Error::Invalid`] if they are to be, and it has no host.
    pub async fn set_tenant_hosts_exclusive(
        &self,
        tenant: TenantId,
        exclusive: bool,
    ) -> Result<Vec<TenantHost>, Error> {
        self.write("set_tenant_hosts_exclusive", move |connection| {
            audited(connection, |connection| {
                let hosts = lock(connection, tenant)?;
                if exclusive && hosts.is_empty() {
                    return Err(Error::Invalid("the tenant has no host".to_owned()));
                }
                let rows = tenant_hosts::table.filter(tenant_hosts::tenant_id.eq(tenant.get()));
                let changed = diesel::update(rows.filter(tenant_hosts::exclusive.ne(exclusive)))
                    .set(tenant_hosts::exclusive.eq(exclusive))
                    .execute(connection)?;
                let entry = entry(AuditEvent::HostsExclusiveSet, tenant);
                let entry = (changed > 0).then(|| entry.with("exclusive", exclusive));
                Ok((of_tenant(connection, tenant)?, tenant, entry.into_iter().collect()))
            })
        })
        .await
    }
}

const LAST_HOST: &str = "the tenant's keys are accepted on its own hosts only, so it needs one; \
     change that first, with `tenant host exclusive`";

/// Returns an entry about a tenant's hosts, made by a command.
fn entry(event: AuditEvent, tenant: TenantId) -> NewAuditEntry {
    NewAuditEntry::now(event, Agent::Session, tenant.get())
}

/// Returns each host once, in an order in which two commands can't wait for each other.
fn in_order(mut hosts: Vec<HostName>) -> Vec<HostName> {
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// Returns a tenant's hosts, locked against other changes.
fn lock(connection: &mut PgConnection, tenant: TenantId) -> Result<Vec<TenantHost>, Error> {
    let rows: Vec<Row> = tenant_hosts::table
        .filter(tenant_hosts::tenant_id.eq(tenant.get()))
        .order(tenant_hosts::host)
        .select(Row::as_select())
        .for_update()
        .load(connection)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

fn of_tenant(connection: &mut PgConnection, tenant: TenantId) -> Result<Vec<TenantHost>, Error> {
    let rows: Vec<Row> = tenant_hosts::table
        .filter(tenant_hosts::tenant_id.eq(tenant.get()))
        .order(tenant_hosts::host)
        .select(Row::as_select())
        .load(connection)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Binds a host to a tenant. Returns whether it was not before.
fn insert(
    connection: &mut PgConnection,
    tenant: TenantId,
    host: &HostName,
    exclusive: bool,
) -> Result<bool, Error> {
    let inserted = diesel::insert_into(tenant_hosts::table)
        .values((
            tenant_hosts::host.eq(host.as_str()),
            tenant_hosts::tenant_id.eq(tenant.get()),
            tenant_hosts::exclusive.eq(exclusive),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .map_err(|error| {
            Error::on_constraint(error, |constraint| match constraint {
                "tenant_hosts_tenant_fkey" => Some(tenants::missing(tenant)),
                _ => None,
            })
        })?;
    if inserted == 0 {
        let owner: Option<i64> = tenant_hosts::table
            .find(host.as_str())
            .select(tenant_hosts::tenant_id)
            .first(connection)
            .optional()?;
        if owner != Some(tenant.get()) {
            return Err(Error::Exists(format!("host {host} of another tenant")));
        }
    }
    Ok(inserted > 0)
}
