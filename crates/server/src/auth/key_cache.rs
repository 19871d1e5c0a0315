//! The API keys that were looked up, for a while.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::KeyDigest;
use moka::future::Cache;
use runtime::CancellationToken;
use store::{ApiKeyRecord, KeyChange};
use tokio::sync::mpsc;

use super::tenant_hosts::TenantHosts;
use crate::audit::{KeyActivities, KeyActivity};

/// The most keys of each cache. Each takes some hundred bytes.
const CACHED_KEYS: u64 = 10_000;

/// A key that exists.
#[derive(Debug)]
pub(super) struct KnownKey {
    /// As it is stored.
    pub(super) record: ApiKeyRecord,
    /// How it is used.
    pub(super) activity: Arc<KeyActivity>,
    /// When its look-up began.
    looked_up: Instant,
}

/// Keys that exist and keys that don't are kept apart, so that made-up keys displace made-up keys
/// only. Clones share the cache.
#[derive(Clone, Debug)]
pub(crate) struct KeyCache {
    known: Cache<KeyDigest, Arc<KnownKey>>,
    unknown: Cache<KeyDigest, ()>,
    changes: Arc<Changes>,
    activities: KeyActivities,
}

/// What is known of changes of keys.
#[derive(Debug, Default)]
struct Changes {
    /// How many changes of one key there were.
    of_one: AtomicU64,
    /// How often changes may have been missed.
    of_any: AtomicU64,
    /// Until when they may have been.
    until: Mutex<Option<Instant>>,
}

impl Changes {
    /// Whether changes may have been missed since a look-up began.
    fn may_be_missed_since(&self, looked_up: Instant) -> bool {
        self.until().is_some_and(|until| looked_up < until)
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many changes there were when a look-up began: what it finds may be as old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version {
    of_one: u64,
    of_any: u64,
}

impl KeyCache {
    /// Creates a cache that keeps known keys for `key_ttl` and unknown ones for `unknown_key_ttl`.
    pub(crate) fn new(key_ttl: Duration, unknown_key_ttl: Duration) -> Self {
        let known = Cache::builder().max_capacity(CACHED_KEYS).time_to_live(key_ttl).build();
        let unknown =
            Cache::builder().max_capacity(CACHED_KEYS).time_to_live(unknown_key_ttl).build();
        Self { known, unknown, changes: Arc::default(), activities: KeyActivities::default() }
    }

    /// Returns the key if it is kept, `Some(None)` if it is kept that it doesn't exist.
    pub(super) async fn get(&self, digest: &KeyDigest) -> Option<Option<Arc<KnownKey>>> {
        if let Some(key) = self.known.get(digest).await {
            return Some(Some(key));
        }
        self.unknown.get(digest).await.map(|()| None)
    }

    /// Returns what a look-up that begins now passes to [`Self::insert`].
    pub(super) fn version(&self) -> Version {
        Version {
            of_one: self.changes.of_one.load(Ordering::SeqCst),
            of_any: self.changes.of_any.load(Ordering::SeqCst),
        }
    }

    /// Keeps what a look-up has found, unless a key was changed, or may have been, since it began.
    pub(super) async fn insert(
        &self,
        digest: KeyDigest,
        found: Option<ApiKeyRecord>,
        (version, looked_up): (Version, Instant),
    ) -> Option<Arc<KnownKey>> {
        let Some(record) = found else {
            self.unknown.insert(digest, ()).await;
            return None;
        };
        let activity = self.activities.of(&record.principal);
        let key = Arc::new(KnownKey { record, activity, looked_up });
        self.known.insert(digest, Arc::clone(&key)).await;
        // Whoever removes entries has noted that before, so one of the two sees the other. What began after changes
        // may have been missed is as good as any other.
        if self.version().of_one != version.of_one || self.changes.may_be_missed_since(looked_up) {
            self.known.invalidate(&digest).await;
        }
        Some(key)
    }

    /// Removes keys that were changed, and has hosts that were changed read again, until the token is cancelled.
    pub(super) async fn follow(
        self,
        hosts: TenantHosts,
        mut changes: mpsc::Receiver<KeyChange>,
        shutdown: CancellationToken,
    ) {
        let following = async {
            while let Some(change) = changes.recv().await {
                if matches!(change, KeyChange::OfHosts | KeyChange::OfAny(_)) {
                    hosts.mark_stale();
                }
                self.apply(change).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = following => {}
        }
    }

    async fn apply(&self, change: KeyChange) {
        match change {
            KeyChange::OfHosts => {}
            KeyChange::Of(digest) => {
                self.changes.of_one.fetch_add(1, Ordering::SeqCst);
                self.known.invalidate(&digest).await;
            }
            KeyChange::OfAny(until) => {
                self.changes.of_any.fetch_add(1, Ordering::SeqCst);
                *self.changes.until() = Some(until);
                let before = self.known.iter().filter(|(_, key)| key.looked_up < until);
                let before: Vec<_> = before.map(|(digest, _)| *digest).collect();
                for digest in before {
                    self.known.invalidate(&digest).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use domain::{ApiKey, KeyId, Networks, Principal, Scopes, TenantId};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn digest(number: u8) -> KeyDigest {
        ApiKey::from_random_bytes([number; 32]).digest()
    }

    fn record() -> ApiKeyRecord {
        ApiKeyRecord {
            principal: Principal {
                tenant: TenantId::new(1).unwrap(),
                key: KeyId::new(1).unwrap(),
                scopes: Scopes::default(),
            },
            name: "ci".to_owned(),
            networks: Networks::default(),
            created_at: UNIX_EPOCH,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            replaced_by: None,
        }
    }

    /// Returns what a look-up has that begins now.
    fn now(cache: &KeyCache) -> (Version, Instant) {
        (cache.version(), Instant::now())
    }

    /// Returns a time after all those before.
    fn later() -> Instant {
        let now = Instant::now();
        loop {
            let later = Instant::now();
            if later > now {
                return later;
            }
        }
    }

    async fn is_kept(cache: &KeyCache, number: u8) -> bool {
        cache.get(&digest(number)).await.is_some()
    }

    #[tokio::test]
    async fn a_key_that_is_changed_is_removed_and_others_stay() {
        let cache = KeyCache::new(HOUR, HOUR);
        for number in 1..=3 {
            cache.insert(digest(number), Some(record()), now(&cache)).await;
        }
        cache.insert(digest(4), None, now(&cache)).await;
        cache.apply(KeyChange::Of(digest(2))).await;
        let kept = [1, 2, 3, 4].map(|number| is_kept(&cache, number));
        let [one, two, three, four] = kept;
        assert_eq!((one.await, two.await, three.await, four.await), (true, false, true, true));

        cache.apply(KeyChange::OfHosts).await;
        assert!(is_kept(&cache, 1).await);
        cache.apply(KeyChange::OfAny(Instant::now())).await;
        assert!(!is_kept(&cache, 1).await && !is_kept(&cache, 3).await);
        assert!(is_kept(&cache, 4).await, "that a key does not exist");
    }

    #[tokio::test]
    async fn what_was_looked_up_before_a_change_is_used_once_and_not_kept() {
        let changes: [fn() -> KeyChange; 2] =
            [|| KeyChange::Of(digest(1)), || KeyChange::OfAny(later())];
        for change in changes {
            let cache = KeyCache::new(HOUR, HOUR);
            let before = now(&cache);
            let change = change();
            cache.apply(change).await;
            assert_ne!(cache.version(), before.0, "it is not joined");
            assert!(cache.insert(digest(1), Some(record()), before).await.is_some());
            assert!(!is_kept(&cache, 1).await);
            let after = (cache.version(), later());
            cache.insert(digest(1), Some(record()), after).await;
            assert!(is_kept(&cache, 1).await);
        }
    }

    /// As right after the start of a server: nothing that is known since it listens is looked up again.
    #[tokio::test]
    async fn what_was_looked_up_after_changes_may_have_been_missed_is_kept() {
        let cache = KeyCache::new(HOUR, HOUR);
        let before = now(&cache);
        let until = later();
        let after = (cache.version(), later());
        cache.insert(digest(1), Some(record()), before).await;
        cache.insert(digest(2), Some(record()), after).await;
        cache.apply(KeyChange::OfAny(until)).await;
        assert_eq!((is_kept(&cache, 1).await, is_kept(&cache, 2).await), (false, true));
        // Nor does it matter which of the two is first.
        cache.insert(digest(3), Some(record()), before).await;
        cache.insert(digest(4), Some(record()), after).await;
        assert_eq!((is_kept(&cache, 3).await, is_kept(&cache, 4).await), (false, true));
    }
}
