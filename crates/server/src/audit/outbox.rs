//! Appends the changes of cases and users that calls have left in the outbox, those of other servers included.

use std::time::Duration;

use domain::{Error, TenantId};
use store::Database;
use tokio::time::timeout;

use super::failure::log_failure;

/// How long it may take for one tenant.
const TENANT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often each tenant has its turn. What is left then comes the next time.
const ROUNDS: usize = 20;

/// Appends what is in the outbox. Tenants take turns.
pub(super) async fn append(database: &Database) {
    let mut tenants = match database.tenants_in_audit_outbox().await {
        Ok(tenants) => tenants,
        Err(error) => return log_failure(&error.into()),
    };
    for _ in 0..ROUNDS {
        let mut unfinished = Vec::new();
        for tenant in tenants {
            if append_of(database, tenant).await {
                unfinished.push(tenant);
            }
        }
        if unfinished.is_empty() {
            return;
        }
        tenants = unfinished;
    }
}

/// Appends the oldest changes of a tenant. Returns whether there may be more.
async fn append_of(database: &Database, tenant: TenantId) -> bool {
    let appended = timeout(TENANT_TIMEOUT, database.move_audit_outbox(tenant)).await;
    appended.unwrap_or(Err(Error::DeadlineExceeded)).unwrap_or_else(|error| {
        log_failure(&error);
        false
    })
}
