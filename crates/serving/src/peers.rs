//! What each client address uses of an endpoint.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// The addresses that use an endpoint now. An address is forgotten when nothing refers to it any
/// more, so there are no more of them than connections and requests.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<HashMap<IpAddr, Weak<Peer>>>);

/// What one address uses.
#[derive(Debug)]
pub(crate) struct Peer {
    peers: Arc<Peers>,
    key: IpAddr,
    used: [AtomicUsize; 7],
}

/// What an address uses a share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Connections.
    Connections,
    /// Connections whose TLS handshake is not complete.
    Handshakes,
    /// Requests in flight.
    Requests,
    /// Memory for bodies, in bytes.
    BodyMemory,
    /// Memory for calls that wait until it is known who makes them, in bytes.
    WaitingCalls,
    /// Requests whose bodies have not arrived.
    UnfinishedBodies,
    /// Bodies of requests that were rejected, which are read and discarded.
    DiscardedBodies,
}

impl Peers {
    /// Returns what an address uses.
    pub(crate) fn peer(self: &Arc<Self>, address: IpAddr) -> Arc<Peer> {
        let key = counted_as(address);
        let mut peers = self.lock();
        if let Some(peer) = peers.get(&key).and_then(Weak::upgrade) {
            return peer;
        }
        let peer = Arc::new(Peer { peers: Arc::clone(self), key, used: Default::default() });
        peers.insert(key, Arc::downgrade(&peer));
        peer
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Weak<Peer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what stands for an address: itself, but the network of 64 bits for IPv6, in which one
/// host can have any number of addresses.
pub(crate) fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Peer {
    /// Returns the counter of a resource.
    pub(crate) fn used(&self, resource: Resource) -> &AtomicUsize {
        let [connections, handshakes, requests, body_memory, waiting_calls, unfinished, discarded] =
            &self.used;
        match resource {
            Resource::Connections => connections,
            Resource::Handshakes => handshakes,
            Resource::Requests => requests,
            Resource::BodyMemory => body_memory,
            Resource::WaitingCalls => waiting_calls,
            Resource::UnfinishedBodies => unfinished,
            Resource::DiscardedBodies => discarded,
        }
    }

    /// Returns the address, or the network, that is counted.
    pub(crate) fn key(&self) -> IpAddr {
        self.key
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        debug_assert!(self.used.iter().all(|used| used.load(Relaxed) == 0));
        let mut peers = self.peers.lock();
        // The address may have come back already.
        if peers.get(&self.key).is_some_and(|peer| peer.strong_count() == 0) {
            peers.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_known_while_it_is_referred_to() {
        let peers = Arc::new(Peers::default());
        let first = peers.peer(address("192.0.2.1"));
        let again = peers.peer(address("::ffff:192.0.2.1"));
        assert!(Arc::ptr_eq(&first, &again));
        let other = peers.peer(address("192.0.2.2"));
        assert!(!Arc::ptr_eq(&first, &other));
        assert_eq!(peers.lock().len(), 2);
        drop((first, other));
        assert_eq!(peers.lock().len(), 1);
        drop(again);
        assert!(peers.lock().is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_of_64_bits_count_as_one() {
        let peers = Arc::new(Peers::default());
        let first = peers.peer(address("2001:db8:1:2:3:4:5:6"));
        let same = peers.peer(address("2001:db8:1:2:ffff::1"));
        let other = peers.peer(address("2001:db8:1:3:3:4:5:6"));
        assert!(Arc::ptr_eq(&first, &same) && !Arc::ptr_eq(&first, &other));
        assert_eq!(first.key(), address("2001:db8:1:2::"));
    }
}
