//! How API keys were found.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// Counts how the keys of calls were found.
#[derive(Clone, Debug)]
pub(crate) struct KeyMetrics {
    family: Family<Found, Counter>,
    /// The key was in the cache.
    pub(crate) cached: Counter,
    /// The cache said that there is no such key.
    pub(crate) cached_unknown: Counter,
    /// The key was looked up in the database, by this call or another one at the same time.
    pub(crate) looked_up: Counter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Found {
    found: &'static str,
}

impl Default for KeyMetrics {
    fn default() -> Self {
        let family = Family::<Found, Counter>::default();
        let counter = |found| family.get_or_create_owned(&Found { found });
        let cached = counter("cached");
        let cached_unknown = counter("cached_unknown");
        let looked_up = counter("looked_up");
        Self { family, cached, cached_unknown, looked_up }
    }
}

impl KeyMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "key_lookups",
            "API keys of calls: cached, cached_unknown (known not to exist), or looked_up in the \
             database",
            self.family.clone(),
        );
    }
}
