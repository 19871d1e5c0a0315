//! What all clients, and each client address, may use of a resource.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use telemetry::Throttle;
use tokio::time::Instant;

use crate::{
    clients::Client,
    peers::{Peer, Resource},
};

/// The shortest interval between two log lines about one kind of refusal.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The units that an address, or a tenant, may use beside a limit that is lower than otherwise: those who use most of it
/// must not lock out the others until they have returned it. All together may use as many units beside the limit as it has,
/// so that it holds, however many they are.
pub const LEAST_WHILE_LOWERED: usize = 4;

/// The units of a resource that all clients together, and each client address, may use at once.
#[derive(Debug)]
pub struct Quota {
    resource: Resource,
    total: usize,
    share_percent: u8,
    /// What may be used at the moment: `total` or less.
    limit: AtomicUsize,
    used: AtomicUsize,
    /// How many of those that are used are beside the limit.
    beside: AtomicUsize,
    total_refusals: Throttle,
    address_refusals: Throttle,
}

/// The units that one connection or request uses. They are returned on drop.
#[derive(Debug)]
pub struct QuotaPermit {
    quota: Arc<Quota>,
    peer: Option<Arc<Peer>>,
    units: usize,
    /// How many of them are beside the limit.
    beside: usize,
}

/// A quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// By all clients together.
    Total,
    /// By the client's address.
    Address,
}

impl Quota {
    /// Returns a quota of `total` units, of which one address may use `share_percent`, but at least
    /// one unit.
    #[must_use]
    pub fn new(resource: Resource, total: usize, share_percent: u8) -> Arc<Self> {
        Arc::new(Self {
            resource,
            total,
            share_percent: share_percent.min(100),
            limit: AtomicUsize::new(total),
            used: AtomicUsize::new(0),
            beside: AtomicUsize::new(0),
            total_refusals: Throttle::new(LOG_INTERVAL),
            address_refusals: Throttle::new(LOG_INTERVAL),
        })
    }

    /// Returns a permit for no units yet.
    #[must_use]
    pub fn permit(self: &Arc<Self>, client: &Client) -> QuotaPermit {
        QuotaPermit { quota: Arc::clone(self), peer: client.peer.clone(), units: 0, beside: 0 }
    }

    /// Returns how many units are used. There may be more than in all, where responses took more than was
    /// left.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Returns how many units there are in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// Returns how many units may be used at the moment.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// Sets how many units may be used from now on, of all that there are. Who has more keeps them, and who has
    /// next to none gets some of the others meanwhile: as many again at most, all together.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit.min(self.total), Relaxed);
    }

    /// Returns how many units one address may use.
    fn per_address(&self) -> usize {
        let limit = self.limit();
        let share = limit as u128 * u128::from(self.share_percent) / 100;
        let least = if limit < self.total { LEAST_WHILE_LOWERED } else { 1 };
        usize::try_from(share).unwrap_or(limit).max(least)
    }

    /// Returns whether more than half of the units are used, or all that may be at the moment.
    #[must_use]
    pub fn is_scarce(&self) -> bool {
        let used = self.used();
        used > self.total / 2 || used >= self.limit()
    }

    fn log_refusal(&self, peer: Option<&Arc<Peer>>, exhausted: Exhausted) {
        let throttle = match exhausted {
            Exhausted::Total => &self.total_refusals,
            Exhausted::Address => &self.address_refusals,
        };
        let Some(suppressed) = throttle.allow(Instant::now().into_std()) else { return };
        let (resource, limit) = (self.resource, self.limit());
        let address: Option<IpAddr> = peer.map(|peer| peer.key());
        match exhausted {
            Exhausted::Total => {
                tracing::warn!(
                    ?resource,
                    limit,
                    suppressed,
                    "a limit is reached; rejecting clients"
                );
            }
            Exhausted::Address => tracing::warn!(
                ?resource,
                ?address,
                limit = self.per_address(),
                suppressed,
                "a client address has reached its share; rejecting it"
            ),
        }
    }
}

impl QuotaPermit {
    /// Takes so many units more.
    ///
    /// # Errors
    /// There are not enough left. Then the permit stays as it was.
    pub fn grow(&mut self, units: usize) -> Result<(), Exhausted> {
        self.try_grow(units)
            .inspect_err(|exhausted| self.quota.log_refusal(self.peer.as_ref(), *exhausted))
    }

    fn try_grow(&mut self, units: usize) -> Result<(), Exhausted> {
        let Quota { resource, total, used, beside, .. } = &*self.quota;
        let take = |used: &AtomicUsize, limit: usize| {
            used.fetch_update(Relaxed, Relaxed, |used| {
                used.checked_add(units).filter(|used| *used <= limit)
            })
        };
        let mut has_next_to_none = false;
        if let Some(peer) = &self.peer {
            let before = take(peer.used(*resource), self.quota.per_address());
            let before = before.map_err(|_| Exhausted::Address)?;
            has_next_to_none = before + units <= LEAST_WHILE_LOWERED;
        }
        let limit = self.quota.limit();
        if take(used, limit).is_ok() {
            self.units += units;
            return Ok(());
        }
        if limit < *total && has_next_to_none && take(beside, limit).is_ok() {
            if take(used, *total).is_ok() {
                self.units += units;
                self.beside += units;
                return Ok(());
            }
            beside.fetch_sub(units, Relaxed);
        }
        if let Some(peer) = &self.peer {
            peer.used(*resource).fetch_sub(units, Relaxed);
        }
        Err(Exhausted::Total)
    }

    /// Takes so many units more even if there are not enough left: for what is there already, as a
    /// response is. Others get nothing until units are returned.
    pub fn overdraw(&mut self, units: usize) {
        if let Some(peer) = &self.peer {
            peer.used(self.quota.resource).fetch_add(units, Relaxed);
        }
        self.quota.used.fetch_add(units, Relaxed);
        self.units += units;
    }
}

impl Drop for QuotaPermit {
    fn drop(&mut self) {
        if let Some(peer) = &self.peer {
            peer.used(self.quota.resource).fetch_sub(self.units, Relaxed);
        }
        self.quota.used.fetch_sub(self.units, Relaxed);
        self.quota.beside.fetch_sub(self.beside, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::peers::Peers;

    use super::*;

    fn client(peers: &Arc<Peers>, address: &str) -> Client {
        Client { peer: Some(peers.peer(address.parse().unwrap())), ..Client::default() }
    }

    #[test]
    fn an_address_gets_its_share_and_all_get_the_total() {
        let quota = Quota::new(Resource::Requests, 10, 40);
        let peers = Arc::new(Peers::default());
        let take = |client: &Client, units| {
            let mut permit = quota.permit(client);
            permit.grow(units).map(|()| permit)
        };
        let (first, second) = (client(&peers, "192.0.2.1"), client(&peers, "192.0.2.2"));
        let held = [take(&first, 3).unwrap(), take(&first, 1).unwrap()];
        assert_eq!(take(&first, 1).unwrap_err(), Exhausted::Address);
        assert!(!quota.is_scarce());
        let others = take(&second, 4).unwrap();
        assert!(quota.is_scarce());
        // Whose address is not known has no share.
        assert_eq!(take(&Client::default(), 3).unwrap_err(), Exhausted::Total);
        let unknown = take(&Client::default(), 2).unwrap();
        let third = client(&peers, "192.0.2.3");
        assert_eq!(take(&third, 1).unwrap_err(), Exhausted::Total);
        drop(held);
        assert!(take(&third, 4).is_ok());
        assert_eq!(take(&first, 5).unwrap_err(), Exhausted::Address);
        drop((others, unknown));
        assert_eq!(quota.used.load(Relaxed), 0);
    }

    #[test]
    fn a_permit_that_asks_for_too_much_keeps_what_it_has() {
        let quota = Quota::new(Resource::BodyMemory, 10, 100);
        let mut permit = quota.permit(&Client::default());
        assert_eq!(permit.grow(6), Ok(()));
        assert_eq!(permit.grow(5), Err(Exhausted::Total));
        assert_eq!(permit.grow(usize::MAX), Err(Exhausted::Total));
        assert_eq!(permit.grow(4), Ok(()));
        let mut overdrawn = quota.permit(&Client::default());
        overdrawn.overdraw(7);
        drop(permit);
        let mut next = quota.permit(&Client::default());
        assert_eq!((next.grow(4), next.grow(3)), (Err(Exhausted::Total), Ok(())));
        drop((overdrawn, next));
        assert_eq!(quota.used.load(Relaxed), 0);
    }

    #[test]
    fn a_lower_limit_holds_for_all_and_for_each_address_and_locks_out_nobody() {
        let quota = Quota::new(Resource::Requests, 100, 50);
        let peers = Arc::new(Peers::default());
        let mut permit = quota.permit(&client(&peers, "192.0.2.1"));
        assert_eq!(permit.grow(50), Ok(()));
        assert!(!quota.is_scarce());
        quota.set_limit(60);
        let mut others = quota.permit(&client(&peers, "192.0.2.2"));
        assert_eq!(permit.grow(1), Err(Exhausted::Address));
        assert_eq!((others.grow(11), others.grow(10)), (Err(Exhausted::Total), Ok(())));
        quota.set_limit(40);
        assert!(quota.is_scarce());
        assert_eq!((quota.used(), others.grow(1)), (60, Err(Exhausted::Total)));
        // Who has next to nothing gets some of what there is without the lower limit.
        let mut third = quota.permit(&client(&peers, "192.0.2.3"));
        assert_eq!((third.grow(5), third.grow(4)), (Err(Exhausted::Total), Ok(())));
        assert_eq!(quota.permit(&Client::default()).grow(1), Err(Exhausted::Total));
        drop(third);
        quota.set_limit(usize::MAX);
        assert_eq!((quota.limit(), others.grow(40)), (100, Ok(())));
    }

    #[test]
    fn a_lower_limit_holds_for_any_number_of_addresses() {
        const LIMIT: usize = 128;
        let quota = Quota::new(Resource::Requests, 2048, 25);
        let peers = Arc::new(Peers::default());
        quota.set_limit(LIMIT);
        let take = |number: u16| {
            let [high, low] = number.to_be_bytes();
            let mut permit = quota.permit(&client(&peers, &format!("192.0.{high}.{low}")));
            permit.grow(1).is_ok().then_some(permit)
        };
        let held: Vec<_> = (0..600).filter_map(take).collect();
        assert_eq!((held.len(), quota.used()), (2 * LIMIT, 2 * LIMIT));
        drop(held);
        assert_eq!((quota.used(), quota.beside.load(Relaxed)), (0, 0));
    }

    #[test]
    fn an_address_may_use_at_least_one_unit() {
        let peers = Arc::new(Peers::default());
        let mut permit = Quota::new(Resource::Connections, 1, 1).permit(&client(&peers, "::1"));
        assert_eq!(permit.grow(1), Ok(()));
    }
}
