//! Goes on with erasures of users whose calls have ended early.

use std::{collections::BTreeMap, time::Duration};

use domain::{Error, TenantId, UserId};
use runtime::CancellationToken;
use store::{Database, PendingErasure, ScrubStep};
use telemetry::Throttle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::causes;

/// How often such users are looked for.
const INTERVAL: Duration = Duration::from_secs(60);

/// How much one look does.
#[derive(Clone, Copy)]
struct Limits {
    /// How long it waits for transactions that may write names.
    wait: Duration,
    /// After how long it leaves the rest of a tenant's records to the next look. A step is always made.
    scrub: Duration,
    /// The most users.
    users: u32,
    /// The records of one step.
    records: u32,
}

impl Limits {
    const USUAL: Self = Self {
        wait: Duration::from_secs(60),
        scrub: Duration::from_secs(60),
        users: 100,
        records: ScrubStep::RECORDS,
    };
}

/// Completes erasures until the token is cancelled. Several servers may do the same work.
pub(crate) async fn run(database: Database, shutdown: CancellationToken) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut erasures = Erasures::new(database, Limits::USUAL);
    let completing = async {
        loop {
            ticks.tick().await;
            if let Err(error) = erasures.look().await {
                log_failure(&error);
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = completing => {}
    }
}

/// The erasures that are pending.
struct Erasures {
    database: Database,
    limits: Limits,
    /// The user behind whom the next look begins, so that those who can't be completed do not keep it from
    /// others.
    after: Option<(TenantId, UserId)>,
}

/// Users of each tenant.
type Users = BTreeMap<TenantId, Vec<UserId>>;

impl Erasures {
    const fn new(database: Database, limits: Limits) -> Self {
        Self { database, limits, after: None }
    }

    /// Goes on with some of the erasures that are pending, each tenant by itself: what fails, or takes long,
    /// does not keep the others from it.
    async fn look(&mut self) -> Result<(), Error> {
        let most = self.limits.users;
        let pending = self.database.pending_erasures(self.after, most).await?;
        let is_rest = u32::try_from(pending.len()).is_ok_and(|count| count < most);
        let last = pending.last().map(|last| (last.tenant, last.user));
        self.after = last.filter(|_| !is_rest);
        let (mut all, mut new) = (Users::new(), Users::new());
        for PendingErasure { tenant, user, has_begun } in pending {
            all.entry(tenant).or_default().push(user);
            if !has_begun {
                new.entry(tenant).or_default().push(user);
            }
        }
        self.begin(new).await;
        for (tenant, users) in all {
            self.go_on(tenant, users).await;
        }
        Ok(())
    }

    /// Begins with users for whom the removal of names has not begun, once all transactions that may write
    /// their names are over.
    async fn begin(&self, new: Users) {
        // These are the transactions of all tenants.
        let Some(tenant) = new.keys().next().copied() else { return };
        if !self.writers_to_end(tenant).await {
            return;
        }
        for (tenant, users) in new {
            if let Err(error) = self.database.begin_scrubbing(tenant, users).await {
                log_failure(&error);
            }
        }
    }

    /// Waits for all transactions that may write names. Returns whether they are over.
    async fn writers_to_end(&self, tenant: TenantId) -> bool {
        let ended = self.database.writers_of_records_to_end(tenant);
        match timeout(self.limits.wait, ended).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => log_failure(&error),
            Err(_) => tracing::warn!(%tenant, "erasures wait for a transaction that does not end"),
        }
        false
    }

    /// Goes on with the records of a tenant, as far as that has begun.
    async fn go_on(&self, tenant: TenantId, users: Vec<UserId>) {
        let end = Instant::now() + self.limits.scrub;
        loop {
            let step = self.database.scrub_records(tenant, users.clone(), self.limits.records);
            match step.await {
                Ok(ScrubStep::Done | ScrubStep::NotBegun) => return,
                Ok(ScrubStep::Made) if Instant::now() < end => {}
                Ok(ScrubStep::Made) => {
                    tracing::info!(%tenant, "erasures are not complete yet: going on with the next look");
                    return;
                }
                Err(error) => return log_failure(&error),
            }
        }
    }
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

    /// Users who are erased, but for the records that have their names: two of the first tenant, and one
    /// of the second one.
    const PENDING: &str = "
        INSERT INTO tenants (id, name) VALUES (1, 'a'), (2, 'b');
        INSERT INTO users
            (tenant_id, id, email, first_name, last_name, deactivated_at, erased_at)
            SELECT (n + 1) / 2, n, 'erased-' || n || '@erased.invalid', '', '', now(), now()
            FROM generate_series(1, 3) AS n;
        INSERT INTO idempotency_keys
            (tenant_id, key, operation, fingerprint, user_ids, first_names, last_names)
            SELECT 1, n, 'create_task', sha256(''), '{1,2}', '{A,B}', '{A,B}'
            FROM generate_series(1, 5) AS n;
        INSERT INTO idempotency_keys
            (tenant_id, key, operation, fingerprint, user_ids, first_names, last_names)
            VALUES (2, 'a', 'create_task', sha256(''), '{3}', '{C}', '{C}')";

    /// One step at a time, of two records.
    const SMALL: Limits = Limits { scrub: Duration::ZERO, records: 2, ..Limits::USUAL };

    /// A database with such users.
    struct Fixture {
        cluster: Cluster,
        database: Database,
    }

    impl Fixture {
        async fn start() -> Self {
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
                lock_timeout: Duration::from_millis(100),
            };
            let database = Database::open(&cluster.url("erasures").parse().unwrap(), &settings);
            database.migrate().await.unwrap();
            let fixture = Self { cluster, database };
            fixture.query(PENDING);
            fixture
        }

        /// Runs SQL with psql, as a Postgres client is no dependency of this crate.
        fn query(&self, sql: &str) -> String {
            let output = Command::new(self.cluster.bin_dir().join("psql"))
                .args(["-XAtqv", "ON_ERROR_STOP=1", "-c", sql, "-d", &self.cluster.url("erasures")])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        }

        fn erasures(&self, limits: Limits) -> Erasures {
            Erasures::new(self.database.clone(), limits)
        }

        /// Returns the ids of the users whose erasure is pending.
        async fn pending(&self) -> Vec<i64> {
            let pending = self.database.pending_erasures(None, 100).await.unwrap();
            pending.into_iter().map(|pending| pending.user.get()).collect()
        }

        /// Returns how many records have names.
        fn named(&self) -> String {
            let named = "SELECT count(*) FROM idempotency_keys \
                WHERE array_to_string(first_names || last_names, '') <> ''";
            self.query(named)
        }
    }

    #[tokio::test]
    async fn a_look_ends_in_time_while_a_transaction_does_not_end() {
        let fixture = Fixture::start().await;
        let endless = "BEGIN; LOCK TABLE idempotency_keys IN ROW EXCLUSIVE MODE; \
             PREPARE TRANSACTION 'endless'";
        fixture.query(endless);
        let limits = Limits { wait: Duration::from_millis(100), ..Limits::USUAL };
        let mut erasures = fixture.erasures(limits);
        timeout(Duration::from_secs(60), erasures.look()).await.expect("it has a limit").unwrap();
        assert_eq!((fixture.pending().await, fixture.named()), (vec![1, 2, 3], "6".to_owned()));

        fixture.query("COMMIT PREPARED 'endless'");
        fixture.erasures(Limits::USUAL).look().await.unwrap();
        assert_eq!((fixture.pending().await, fixture.named()), (vec![], "0".to_owned()));
    }

    /// However many records a tenant has: the limit ends a look, but not what has been done. Nor does the end of
    /// a server: each look is one of another server.
    #[tokio::test]
    async fn each_look_goes_on_where_the_one_before_has_ended() {
        let fixture = Fixture::start().await;
        for named in ["3", "1", "0"] {
            fixture.erasures(SMALL).look().await.unwrap();
            assert_eq!(fixture.named(), named);
        }
        // The last step finds no more records.
        assert_eq!(fixture.pending().await, [1, 2]);
        fixture.erasures(SMALL).look().await.unwrap();
        assert!(fixture.pending().await.is_empty());
        let kept = "SELECT count(scrubbed_up_to) FROM users";
        assert_eq!(fixture.query(kept), "0", "keys of records are not kept");
    }

    /// A user is erased while the records of the tenant are scrubbed of others.
    #[tokio::test]
    async fn who_is_erased_meanwhile_is_next() {
        let fixture = Fixture::start().await;
        fixture.query("UPDATE users SET scrubbed_at = now() WHERE id <> 1");
        let mut erasures = fixture.erasures(SMALL);
        erasures.look().await.unwrap();
        fixture.query("UPDATE users SET scrubbed_at = NULL WHERE id = 2");
        for _ in 0..3 {
            assert_eq!(fixture.pending().await, [1, 2]);
            erasures.look().await.unwrap();
        }
        assert_eq!((fixture.pending().await, fixture.named()), (vec![2], "6".to_owned()));
        for _ in 0..4 {
            erasures.look().await.unwrap();
        }
        assert_eq!((fixture.pending().await, fixture.named()), (vec![], "1".to_owned()));
    }

    /// What a step has failed to do is done by the next one, and no more than that: a name that somebody has put
    /// back before it stays.
    #[tokio::test]
    async fn after_a_failure_a_look_goes_on_behind_the_last_step() {
        let fixture = Fixture::start().await;
        fixture.erasures(SMALL).look().await.unwrap();
        fixture.query("UPDATE idempotency_keys SET first_names = '{A,B}' WHERE key = '1'");
        let holding = "BEGIN; SELECT FROM idempotency_keys WHERE key = '3' FOR UPDATE; \
             PREPARE TRANSACTION 'holding'";
        fixture.query(holding);
        fixture.erasures(SMALL).look().await.unwrap();
        assert_eq!(fixture.pending().await, [1, 2]);
        fixture.query("COMMIT PREPARED 'holding'");
        while fixture.pending().await == [1, 2] {
            fixture.erasures(SMALL).look().await.unwrap();
        }
        assert_eq!((fixture.pending().await, fixture.named()), (vec![], "1".to_owned()));
    }

    /// A standby that has taken over may lack the last steps: what it has of them is what counts.
    #[tokio::test]
    async fn after_a_failover_a_look_goes_on_with_what_the_database_has() {
        let fixture = Fixture::start().await;
        let mut erasures = fixture.erasures(SMALL);
        erasures.look().await.unwrap();
        fixture.query(
            "UPDATE idempotency_keys SET first_names = '{A,B}' WHERE tenant_id = 1; \
             UPDATE users SET scrubbed_up_to = NULL WHERE id = 1; \
             UPDATE users SET scrubbed_up_to = '' WHERE id = 2",
        );
        while fixture.pending().await != [0; 0] {
            erasures.look().await.unwrap();
        }
        assert_eq!(fixture.named(), "0");
    }

    /// A repeat reads all records, and writes those only that have names.
    #[tokio::test]
    async fn what_was_done_is_not_done_again() {
        let fixture = Fixture::start().await;
        fixture.erasures(Limits::USUAL).look().await.unwrap();
        fixture.query("UPDATE users SET scrubbed_at = NULL");
        let versions =
            "SELECT string_agg(xmin::text, ',' ORDER BY tenant_id, key) FROM idempotency_keys";
        let before = fixture.query(versions);
        fixture.erasures(Limits::USUAL).look().await.unwrap();
        assert_eq!((fixture.pending().await, fixture.query(versions)), (vec![], before));
    }

    #[tokio::test]
    async fn users_whose_erasure_fails_do_not_keep_others_from_it() {
        let fixture = Fixture::start().await;
        // Not the lock of one who writes records: it is not waited for.
        let holding = "BEGIN; SELECT FROM idempotency_keys WHERE tenant_id = 1 FOR UPDATE; \
             PREPARE TRANSACTION 'holding'";
        fixture.query(holding);
        let mut erasures = fixture.erasures(Limits { users: 2, ..Limits::USUAL });
        erasures.look().await.unwrap();
        assert_eq!(fixture.pending().await, [1, 2, 3]);
        erasures.look().await.unwrap();
        assert_eq!(fixture.pending().await, [1, 2]);

        fixture.query("COMMIT PREPARED 'holding'");
        fixture.erasures(Limits::USUAL).look().await.unwrap();
        assert_eq!((fixture.pending().await, fixture.named()), (vec![], "0".to_owned()));
    }
}
