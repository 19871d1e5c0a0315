//! Writes down when keys were used, off the way of calls.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use domain::{KeyId, Principal, TenantId};
use runtime::CancellationToken;
use store::{Database, KeyUse};
use telemetry::Throttle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How often uses are written. What a process that crashes has not written is lost.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long it may take to write them: a server is not kept from its end for longer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

/// The most keys whose uses wait to be written, while the database is away.
const MOST: usize = 100_000;

/// The keys that were used and of which that is not written yet, each with the last time. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyUses(Arc<Mutex<HashMap<(TenantId, KeyId), SystemTime>>>);

impl KeyUses {
    /// Notes that a key was used. It is called once a minute for each key, or when the key was looked up again.
    pub(super) fn note(&self, caller: &Principal, time: SystemTime) {
        let mut uses = self.lock();
        let key = (caller.tenant, caller.key);
        if uses.len() < MOST || uses.contains_key(&key) {
            uses.insert(key, time);
        }
    }

    /// Writes uses down until the token is cancelled, and then what is left.
    pub(super) async fn run(self, database: Database, ended: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !ended.is_cancelled() {
            tokio::select! {
                () = ended.cancelled() => {}
                _ = ticks.tick() => {}
            }
            // What hangs is given up, and its uses are lost.
            let _in_time = timeout(WRITE_TIMEOUT, self.write(&database)).await;
        }
    }

    /// Writes down what is not written yet.
    async fn write(&self, database: &Database) {
        let uses = std::mem::take(&mut *self.lock());
        if uses.is_empty() {
            return;
        }
        let uses: Vec<_> =
            uses.into_iter().map(|((tenant, key), time)| KeyUse { tenant, key, time }).collect();
        if let Err(error) = database.store_key_uses(&uses).await {
            self.requeue(uses);
            if let Some(suppressed) = FAILURES.allow(Instant::now().into_std()) {
                tracing::warn!(%error, suppressed, "failed to write when keys were used");
            }
        }
    }

    /// Keeps for the next time what could not be written.
    fn requeue(&self, uses: Vec<KeyUse>) {
        let mut later = self.lock();
        for KeyUse { tenant, key, time } in uses {
            later.entry((tenant, key)).or_insert(time);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(TenantId, KeyId), SystemTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The least time between two log lines about uses that are not written.
static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));
