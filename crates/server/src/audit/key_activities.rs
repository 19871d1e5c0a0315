//! How API keys are used, also while they are not in the cache.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use domain::{KeyId, Principal, TenantId};

use super::key_activity::KeyActivity;

/// How many keys there are before those are forgotten that were not used today.
const MANY_KEYS: usize = 10_000;

/// How many are remembered at most.
const MOST_KEYS: usize = 20_000;

/// How keys are used. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyActivities(Arc<Mutex<Keys>>);

type Keys = HashMap<(TenantId, KeyId), Arc<KeyActivity>>;

impl KeyActivities {
    /// Returns how a key is used.
    pub(crate) fn of(&self, key: &Principal) -> Arc<KeyActivity> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = (key.tenant, key.key);
        if keys.len() >= MANY_KEYS && !keys.contains_key(&id) {
            let now = SystemTime::now();
            keys.retain(|_, key| Arc::strong_count(key) > 1 || !key.is_old(now));
        }
        if keys.len() >= MOST_KEYS && !keys.contains_key(&id) {
            // It is forgotten when the cache of keys forgets the key.
            return Arc::default();
        }
        Arc::clone(keys.entry(id).or_default())
    }
}
