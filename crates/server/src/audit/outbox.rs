//! Appends the changes of cases and users that calls have left in the outbox, those of other servers included.

use std::time::Duration;

use domain::{Error, TenantId};
use store::Database;
use tokio::time::timeout;

use super::failure::log_failure;
use crate::metrics::AuditMetrics;

/// How long it may take for one tenant.
const TENANT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often each tenant has its turn. What is left then comes the next time.
const ROUNDS: usize = 20;

/// Appends what is in the outbox. Tenants take turns.
pub(super) async fn append(database: &Database, metrics: &AuditMetrics) {
    let waiting = match database.tenants_in_audit_outbox().await {
        Ok(waiting) => waiting,
        Err(error) => return log_failure(None, &error.into()),
    };
    metrics.waits_since(waiting.iter().map(|(_, oldest)| *oldest).min());
    let mut tenants: Vec<_> = waiting.into_iter().map(|(tenant, _)| tenant).collect();
    let mut has_timed_out = false;
    for _ in 0..ROUNDS {
        let mut unfinished = Vec::new();
        for tenant in tenants {
            match append_of(database, tenant).await {
                Ok(true) => unfinished.push(tenant),
                Ok(false) => {}
                Err(error) => {
                    log_failure(Some(tenant), &error);
                    // That would be so with each of the others, which come the next time.
                    let is_timeout = matches!(error, Error::DeadlineExceeded);
                    if matches!(error, Error::Unavailable(_)) || is_timeout && has_timed_out {
                        return;
                    }
                    has_timed_out |= is_timeout;
                }
            }
        }
        if unfinished.is_empty() {
            return;
        }
        tenants = unfinished;
    }
}

/// Appends the oldest changes of a tenant. Returns whether there may be more.
async fn append_of(database: &Database, tenant: TenantId) -> Result<bool, Error> {
    let appended = timeout(TENANT_TIMEOUT, database.move_audit_outbox(tenant)).await;
    appended.unwrap_or(Err(Error::DeadlineExceeded))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use localdb::Cluster;
    use store::PoolSettings;

    use super::*;

    /// Several rounds, whatever fails for one of the tenants.
    #[tokio::test]
    async fn what_can_not_be_appended_of_one_tenant_keeps_none_of_the_others() {
        let cluster = Cluster::temporary().start().unwrap();
        cluster.create_database("outbox", None).unwrap();
        let settings = PoolSettings {
            writers: 1,
            readers: 2,
            changers: 1,
            tenant_queue_length: 10,
            checkout_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(1),
        };
        let database = Database::open(&cluster.url("outbox").parse().unwrap(), &settings);
        database.migrate().await.unwrap();
        let query = |sql: &str| {
            let output = Command::new(cluster.bin_dir().join("psql"))
                .args(["-XAtqv", "ON_ERROR_STOP=1", "-c", sql, "-d", &cluster.url("outbox")])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        };
        query(
            "INSERT INTO tenants (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c'); \
             INSERT INTO audit_outbox (tenant_id, event, api_key_id, request_id, subject_id) \
             SELECT 1 + n % 3, CASE n WHEN 1 THEN 'no event' ELSE 'case.changed' END, 1, 'r', n \
             FROM generate_series(1, 6300) AS n",
        );
        let metrics = AuditMetrics::default();
        append(&database, &metrics).await;
        let left =
            query("SELECT tenant_id || ':' || count(*) FROM audit_outbox GROUP BY tenant_id");
        assert_eq!(left, "2:2100");
        query("UPDATE audit_outbox SET event = 'case.changed'");
        append(&database, &metrics).await;
        assert_eq!(query("SELECT count(*) FROM audit_outbox"), "0");
        assert_eq!(query("SELECT count(*) FROM audit_entries"), "6300");
    }
}
