//! What each tenant has of the connections, so that none can keep them all from the others.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Error, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limits how many queries of each tenant run, and how many more wait.
///
/// A query that waits here is in no other queue: in that one, which is first in, first out, a tenant
/// has no more queries than may run at once. So tenants take turns there.
#[derive(Debug)]
pub(crate) struct TenantShares {
    running: usize,
    waiting: usize,
    tenants: Mutex<HashMap<TenantId, Places>>,
}

/// The places of one tenant.
#[derive(Clone, Debug)]
struct Places {
    /// One for each query that runs.
    running: Arc<Semaphore>,
    /// One for each query that runs or waits.
    all: Arc<Semaphore>,
}

/// The place of a query that may run. It is returned on drop.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<TenantShares>,
    tenant: TenantId,
    /// That among the queries that run or wait, and that among those that run.
    places: Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)>,
}

impl TenantShares {
    /// Lets `running` queries of each tenant run at once, and `waiting` more wait.
    pub(crate) fn new(running: usize, waiting: usize) -> Arc<Self> {
        let running = running.clamp(1, Semaphore::MAX_PERMITS / 2);
        let waiting = waiting.min(Semaphore::MAX_PERMITS / 2);
        Arc::new(Self { running, waiting, tenants: Mutex::default() })
    }

    /// Waits until a query of this tenant may run.
    ///
    /// # Errors
    /// [`Error::TenantOverloaded`] at once if too many of its queries wait already.
    pub(crate) async fn take(self: &Arc<Self>, tenant: TenantId) -> Result<Share, Error> {
        let places = self.places(tenant);
        let any = places.all.try_acquire_owned().map_err(|_| Error::TenantOverloaded)?;
        let mut share = Share { shares: Arc::clone(self), tenant, places: Some((any, None)) };
        let running = places.running.acquire_owned().await.ok();
        if let Some((_, place)) = &mut share.places {
            *place = running;
        }
        Ok(share)
    }

    fn places(&self, tenant: TenantId) -> Places {
        let new = || Places {
            running: Arc::new(Semaphore::new(self.running)),
            all: Arc::new(Semaphore::new(self.running + self.waiting)),
        };
        self.lock().entry(tenant).or_insert_with(new).clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Places>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut tenants = self.shares.lock();
        drop(self.places.take());
        // A tenant without queries is forgotten. Whoever is about to take a place holds a reference.
        if let Entry::Occupied(places) = tenants.entry(self.tenant)
            && Arc::strong_count(&places.get().all) == 1
        {
            places.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context};

    use super::*;

    fn tenant(id: i64) -> TenantId {
        TenantId::new(id).unwrap()
    }

    /// Polls a future once. Returns its result if it is ready.
    fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(result) => Some(result),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn a_tenant_waits_for_its_own_queries_and_for_no_others() {
        let shares = TenantShares::new(2, 1);
        let take = |id| poll(shares.take(tenant(id)));
        let first = take(1).unwrap().unwrap();
        let second = take(1).unwrap().unwrap();
        let mut waiting = Box::pin(shares.take(tenant(1)));
        assert!(poll(waiting.as_mut()).is_none());
        assert!(matches!(take(1), Some(Err(Error::TenantOverloaded))));
        let other = take(2).unwrap().unwrap();

        drop(first);
        let third = poll(waiting.as_mut()).unwrap().unwrap();
        assert!(take(1).is_none(), "waits");
        drop((waiting, second, third, other));
        assert!(shares.lock().is_empty());
    }

    #[test]
    fn a_query_that_is_given_up_while_it_waits_leaves_nothing() {
        let shares = TenantShares::new(1, 1);
        let running = poll(shares.take(tenant(1))).unwrap().unwrap();
        assert!(poll(shares.take(tenant(1))).is_none());
        drop(running);
        assert!(shares.lock().is_empty());
    }
}
