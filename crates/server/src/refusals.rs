//! Slows down the tenants whose rejected callers come back sooner than they were asked to.
//!
//! A rejected call is cheap, but a caller who repeats it at once makes thousands a second: the calls of
//! all others would wait behind them for the network threads. So beyond a rate, the rejections of a tenant
//! are held back. Callers who wait for them send nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::TenantId;
use tokio::time::Instant;

/// The time between two rejections of a tenant, in the long run. Callers who wait as long as they are
/// asked to are rejected less often: several hundred of them are, while a tenant has its share.
const INTERVAL: Duration = Duration::from_millis(4);

/// The rejections of a tenant that may come at once.
const BURST: u32 = 32;

/// The longest time for which a rejection is held back: the shortest time that rejected callers are
/// asked to wait. So those who do not wait make no more calls than those who do.
const MAX_DELAY: Duration = Duration::from_millis(500);

/// The tenants that are remembered before those are looked for that need not be.
const MANY_TENANTS: usize = 256;

/// The rejections that are held back. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Refusals(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// The most rejections that are held back at once. A tenant may have as many as are left for others.
    total: usize,
    held: usize,
    tenants: HashMap<TenantId, Tenant>,
}

#[derive(Debug)]
struct Tenant {
    /// When the next rejection is due that is not held back.
    next: Instant,
    held: usize,
}

/// A rejection that is held back. It counts as such until it is dropped.
#[derive(Debug)]
struct Held {
    refusals: Refusals,
    tenant: TenantId,
}

impl Refusals {
    /// Holds back so many rejections at once at most; further ones are passed on at once.
    pub(crate) fn new(total: usize) -> Self {
        Self(Arc::new(Mutex::new(State { total, held: 0, tenants: HashMap::new() })))
    }

    /// Waits until a rejection of a tenant may be sent: at most half a second, and at most half of the
    /// time that is left to the call.
    pub(crate) async fn hold_back(&self, tenant: TenantId, deadline: Option<std::time::Instant>) {
        let now = Instant::now();
        let Some((until, _held)) = self.hold(tenant, now) else { return };
        let left = deadline.map(|deadline| deadline.saturating_duration_since(now.into_std()));
        let delay = until.saturating_duration_since(now);
        tokio::time::sleep(left.map_or(delay, |left| delay.min(left / 2))).await;
    }

    /// Returns until when a rejection is to be held back; `None` if it is not.
    fn hold(&self, id: TenantId, now: Instant) -> Option<(Instant, Held)> {
        let mut state = self.lock();
        let State { total, held, tenants } = &mut *state;
        if tenants.len() >= MANY_TENANTS && !tenants.contains_key(&id) {
            tenants.retain(|_, tenant| tenant.held > 0 || tenant.next > now);
        }
        // What was not used in the time before is a burst at most.
        let earliest = now.checked_sub(BURST * INTERVAL).unwrap_or(now);
        let tenant = tenants.entry(id).or_insert(Tenant { next: earliest, held: 0 });
        let next = tenant.next.max(earliest) + INTERVAL;
        tenant.next = next.min(now + MAX_DELAY);
        if tenant.next <= now || tenant.held >= total.saturating_sub(*held) {
            return None;
        }
        tenant.held += 1;
        *held += 1;
        Some((tenant.next, Held { refusals: self.clone(), tenant: id }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.refusals.lock();
        state.held -= 1;
        if let Some(tenant) = state.tenants.get_mut(&self.tenant) {
            tenant.held -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn rejections_beyond_the_rate_of_a_tenant_wait_for_their_turn() {
        let refusals = Refusals::new(1000);
        let start = Instant::now();
        for _ in 0..BURST {
            refusals.hold_back(tenant(1), None).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        let mut held = Vec::new();
        for count in 1..=200_u32 {
            let (until, permit) = refusals.hold(tenant(1), start).unwrap();
            assert_eq!(until - start, (count * INTERVAL).min(MAX_DELAY));
            held.push(permit);
        }
        assert!(refusals.hold(tenant(2), start).is_none(), "another tenant");

        tokio::time::advance(MAX_DELAY + (BURST - 1) * INTERVAL).await;
        for _ in 1..BURST {
            assert!(refusals.hold(tenant(1), Instant::now()).is_none());
        }
        drop(held);
        assert_eq!(refusals.lock().held, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_is_sent_while_its_caller_waits() {
        let refusals = Refusals::new(1000);
        let start = Instant::now();
        let held: Vec<_> = (0..500).filter_map(|_| refusals.hold(tenant(1), start)).collect();
        let deadline = start + Duration::from_millis(100);
        refusals.hold_back(tenant(1), Some(deadline.into_std())).await;
        assert_eq!(start.elapsed(), Duration::from_millis(50));
        refusals.hold_back(tenant(1), None).await;
        assert_eq!(start.elapsed(), MAX_DELAY + INTERVAL);
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_has_as_many_rejections_held_back_as_are_left_for_others() {
        let refusals = Refusals::new(90);
        let now = Instant::now();
        let hold = |id| (0..200).filter_map(|_| refusals.hold(tenant(id), now)).collect::<Vec<_>>();
        let (one, two) = (hold(1), hold(2));
        assert_eq!((one.len(), two.len()), (45, 23));
        drop(one);
        assert_eq!(hold(3).len(), 34);
        drop(two);
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_that_are_slow_enough_are_forgotten() {
        let refusals = Refusals::new(90);
        for id in 1..=10 * MANY_TENANTS {
            let id = i64::try_from(id).unwrap();
            assert!(refusals.hold(tenant(id), Instant::now()).is_none());
            tokio::time::advance(INTERVAL).await;
        }
        assert!(refusals.lock().tenants.len() <= MANY_TENANTS);
    }
}
