//! The calls of the busiest tenants.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::TenantId;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter},
};

/// After this time, what a tenant has done counts half for who is busy.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// The most tenants that are counted. Further ones take the places of those that are idle.
const MOST_COUNTED: usize = 10_000;

/// Counts the calls of tenants, and shows those of the busiest. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct TenantMetrics {
    shown: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    tenants: HashMap<TenantId, Calls>,
    halved: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    total: u64,
    /// Those of the last minutes, the older ones counting less.
    recent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tenant {
    tenant: i64,
}

impl TenantMetrics {
    /// Returns a count that shows so many tenants.
    pub(super) fn new(shown: usize) -> Self {
        let state = State { tenants: HashMap::new(), halved: Instant::now() };
        Self { shown, state: Arc::new(Mutex::new(state)) }
    }

    /// Counts a call of an authenticated caller.
    pub(crate) fn called(&self, tenant: TenantId) {
        self.called_at(tenant, Instant::now());
    }

    fn called_at(&self, tenant: TenantId, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.age(now);
        if state.tenants.len() >= MOST_COUNTED && !state.tenants.contains_key(&tenant) {
            return;
        }
        let calls = state.tenants.entry(tenant).or_default();
        calls.total += 1;
        calls.recent += 1;
    }

    /// Returns the busiest tenants, the busiest first, and how many calls each has made.
    fn busiest(&self, now: Instant) -> Vec<(TenantId, u64)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.age(now);
        let mut tenants: Vec<_> = state.tenants.iter().map(|(id, calls)| (*id, *calls)).collect();
        drop(state);
        tenants.sort_unstable_by_key(|(id, calls)| (std::cmp::Reverse(calls.recent), id.get()));
        tenants.truncate(self.shown);
        tenants.into_iter().map(|(id, calls)| (id, calls.total)).collect()
    }
}

impl State {
    /// Halves what counts as recent, once a minute. Forgets idle tenants once there are too many.
    fn age(&mut self, now: Instant) {
        if now.saturating_duration_since(self.halved) < HALF_LIFE {
            return;
        }
        self.halved = now;
        self.tenants.values_mut().for_each(|calls| calls.recent /= 2);
        if self.tenants.len() >= MOST_COUNTED {
            self.tenants.retain(|_, calls| calls.recent > 0);
        }
    }
}

impl Collector for TenantMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Calls of the busiest tenants whose keys were valid.";
        let mut calls =
            encoder.encode_descriptor("tenant_calls", help, None, MetricType::Counter)?;
        for (tenant, count) in self.busiest(Instant::now()) {
            let labels = Tenant { tenant: tenant.get() };
            ConstCounter::new(count).encode(calls.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    #[test]
    fn the_busiest_of_the_last_minutes_are_shown_with_all_of_their_calls() {
        let metrics = TenantMetrics::new(2);
        let start = Instant::now();
        for (id, calls) in [(1, 5), (2, 3), (3, 4)] {
            (0..calls).for_each(|_| metrics.called_at(tenant(id), start));
        }
        assert_eq!(metrics.busiest(start), [(tenant(1), 5), (tenant(3), 4)]);

        let later = start + HALF_LIFE;
        (0..3).for_each(|_| metrics.called_at(tenant(2), later));
        assert_eq!(metrics.busiest(later), [(tenant(2), 6), (tenant(1), 5)]);
    }

    #[test]
    fn however_many_tenants_there_are_a_limited_number_is_counted() {
        let metrics = TenantMetrics::new(1);
        let start = Instant::now();
        let most = i64::try_from(MOST_COUNTED).unwrap();
        (1..=most + 10).for_each(|id| metrics.called_at(tenant(id), start));
        assert_eq!(metrics.state.lock().unwrap().tenants.len(), MOST_COUNTED);

        // Those that are idle make room.
        let later = start + HALF_LIFE;
        (0..2).for_each(|_| metrics.called_at(tenant(most + 1), later));
        assert_eq!(metrics.busiest(later), [(tenant(most + 1), 2)]);
        assert_eq!(metrics.state.lock().unwrap().tenants.len(), 1);
    }
}
