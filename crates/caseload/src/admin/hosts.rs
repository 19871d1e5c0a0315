//! `caseload admin tenant host`.

use std::collections::{HashMap, HashSet};

use domain::TenantId;
use serde::Serialize;
use store::{Database, TenantHost};

use super::{
    output::Output,
    record::{Record, rfc3339},
};
use crate::{
    cli::{HostCommand, Switch},
    failure::Failure,
};

pub(super) async fn run(
    database: &Database,
    output: Output,
    command: HostCommand,
) -> Result<(), Failure> {
    let hosts = match command {
        HostCommand::Add(change) => {
            let tenant = change.tenant.find(database).await?;
            database.add_tenant_hosts(tenant, change.hosts).await?
        }
        HostCommand::Remove(change) => {
            let tenant = change.tenant.find(database).await?;
            database.remove_tenant_hosts(tenant, change.hosts).await?
        }
        HostCommand::Exclusive { tenant, exclusive } => {
            let tenant = tenant.find(database).await?;
            database.set_tenant_hosts_exclusive(tenant, exclusive == Switch::On).await?
        }
        HostCommand::List(tenant) => {
            let tenants: HashSet<_> =
                tenant.find(database).await?.into_iter().map(|tenant| tenant.id).collect();
            let mut hosts = database.list_tenant_hosts().await?;
            hosts.retain(|host| tenants.contains(&host.tenant));
            hosts
        }
    };
    let tenants = database.list_tenants().await?.into_iter();
    let names: HashMap<_, _> = tenants.map(|tenant| (tenant.id, tenant.name)).collect();
    let records = hosts.into_iter().map(|host| HostRecord::new(&names, host)).collect();
    output.all::<HostRecord>(records)
}

/// A host that is listed.
#[derive(Serialize)]
struct HostRecord {
    host: String,
    tenant: String,
    exclusive: bool,
    created_at: String,
}

impl Record for HostRecord {
    const COLUMNS: &'static [&'static str] = &["host", "tenant", "exclusive", "created_at"];
}

impl HostRecord {
    fn new(tenants: &HashMap<TenantId, String>, host: TenantHost) -> Self {
        Self {
            host: host.host.to_string(),
            tenant: tenants.get(&host.tenant).cloned().unwrap_or_default(),
            exclusive: host.exclusive,
            created_at: rfc3339(host.created_at),
        }
    }
}
