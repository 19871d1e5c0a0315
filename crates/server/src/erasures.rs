//! Goes on with erasures of users whose calls have ended early.

use std::time::Duration;

use domain::Error;
use runtime::CancellationToken;
use store::Database;
use telemetry::Throttle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::causes;

/// How often such users are looked for.
const INTERVAL: Duration = Duration::from_secs(60);

/// How long an erasure may take before the next one is tried.
const LIMIT: Duration = Duration::from_secs(60);

/// The most users of one look.
const USERS: u32 = 100;

/// Completes erasures until the token is cancelled. Several servers may do the same work.
pub(crate) async fn run(database: Database, shutdown: CancellationToken) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let completing = async {
        loop {
            ticks.tick().await;
            if let Err(error) = complete(&database, LIMIT).await {
                log_failure(&error);
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = completing => {}
    }
}

/// Completes the erasures that are pending, each by itself: one that fails, or waits for a transaction
/// that does not end within the limit, does not keep the others from it.
async fn complete(database: &Database, limit: Duration) -> Result<(), Error> {
    for (tenant, user) in database.pending_erasures(USERS).await? {
        match timeout(limit, database.complete_erasure(tenant, user)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log_failure(&error),
            Err(_) => tracing::warn!(
                %tenant,
                user_id = user.get(),
                "an erasure waits for a transaction that does not end"
            ),
        }
    }
    Ok(())
}

/// The least time between two log lines about erasures that fail.
static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

fn log_failure(error: &Error) {
    let causes = causes::of(error);
    let Some(suppressed) = FAILURES.allow(Instant::now().into_std()) else { return };
    if matches!(error, Error::Unavailable(_) | Error::OutcomeUnknown(_)) {
        // The database is not available, which readiness reports, too.
        tracing::warn!(%error, causes, suppressed, "failed to complete erasures of users");
    } else {
        tracing::error!(%error, causes, suppressed, "failed to complete erasures of users");
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use localdb::Cluster;
    use store::PoolSettings;

    use super::*;

    /// Two users who are erased, but for the records that have their names.
    const PENDING: &str = "
        INSERT INTO tenants (id, name) VALUES (1, 'a');
        INSERT INTO users
            (tenant_id, id, email, first_name, last_name, deactivated_at, erased_at)
            SELECT 1, n, 'erased-' || n || '@erased.invalid', '', '', now(), now()
            FROM generate_series(1, 2) AS n;
        INSERT INTO idempotency_keys
            (tenant_id, key, operation, fingerprint, user_ids, first_names, last_names)
            VALUES (1, 'a', 'create_task', sha256(''), '{1,2}', '{A,B}', '{A,B}')";

    /// Runs SQL with psql, as a Postgres client is no dependency of this crate.
    fn query(cluster: &Cluster, sql: &str) -> String {
        let output = Command::new(cluster.bin_dir().join("psql"))
            .args(["-XAtqv", "ON_ERROR_STOP=1", "-c", sql, "-d", &cluster.url("erasures")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    #[tokio::test]
    async fn each_erasure_is_given_up_in_time_while_a_transaction_does_not_end() {
        let cluster = Cluster::temporary().setting("max_prepared_transactions", "1");
        let cluster = cluster.start().unwrap();
        cluster.create_database("erasures", None).unwrap();
        let settings = PoolSettings {
            // So that there are connections for the directory.
            writers: 1,
            readers: 1,
            changers: 0,
            tenant_queue_length: 1,
            checkout_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
        };
        let database = Database::open(&cluster.url("erasures").parse().unwrap(), &settings);
        database.migrate().await.unwrap();
        query(&cluster, PENDING);
        let endless = "BEGIN; LOCK TABLE idempotency_keys IN ROW EXCLUSIVE MODE; \
             PREPARE TRANSACTION 'endless'";
        query(&cluster, endless);
        let giving_up = complete(&database, Duration::from_millis(100));
        timeout(LIMIT, giving_up).await.expect("each has its limit").unwrap();
        assert_eq!(database.pending_erasures(USERS).await.unwrap().len(), 2);

        query(&cluster, "COMMIT PREPARED 'endless'");
        complete(&database, LIMIT).await.unwrap();
        assert_eq!(database.pending_erasures(USERS).await.unwrap(), []);
        let names = "SELECT first_names, last_names FROM idempotency_keys";
        assert_eq!(query(&cluster, names), r#"{"",""}|{"",""}"#);
    }
}
