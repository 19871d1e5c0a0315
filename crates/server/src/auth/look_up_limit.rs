//! Limits the look-ups of API keys that may not exist.
//!
//! Anybody can make up keys, and each costs a query. So such look-ups have a few connections, a short
//! queue before them, and a share of the queue for each client address. What exceeds that is rejected at once,
//! to be tried again. Keys that were found in the last hour are looked up apart from them: callers
//! who are known don't notice a flood of made-up keys, and new ones get through it with a few tries.

use std::{net::IpAddr, sync::Arc, time::Duration};

use domain::KeyDigest;
use moka::future::Cache;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::shares::{Share, Shares};

/// How many look-ups may run or wait, for each that may run. A look-up takes a millisecond or so, so this
/// many have their turn in time. After a restart no key is remembered, and all callers of a gateway may
/// come from one address.
const PLACES: usize = 256;

/// The part of the places that one client address may have.
const CLIENT_PART: usize = 4;

/// How long a look-up may wait for its turn.
const WAIT: Duration = Duration::from_millis(250);

/// The most keys that are remembered, and how long they are.
const REMEMBERED_KEYS: u64 = 100_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);

/// Limits the look-ups of keys that may not exist. Clones share the limit.
#[derive(Clone, Debug)]
pub(crate) struct LookUpLimit {
    remembered: Cache<KeyDigest, ()>,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    clients: Arc<Shares<Option<IpAddr>>>,
}

/// Allows a look-up, until it is dropped.
#[derive(Debug)]
pub(super) struct LookUpPermit {
    _stranger: Option<(Share<Option<IpAddr>>, OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

/// There are too many look-ups of keys that may not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many unknown API keys are being looked up")]
pub(super) struct TooManyLookUps;

impl LookUpLimit {
    /// Creates a limit of so many look-ups at once.
    pub(crate) fn new(at_once: usize) -> Self {
        let places = at_once.saturating_mul(PLACES).min(Semaphore::MAX_PERMITS);
        Self {
            remembered: Cache::builder()
                .max_capacity(REMEMBERED_KEYS)
                .time_to_live(REMEMBERED_FOR)
                .build(),
            places: Arc::new(Semaphore::new(places)),
            turns: Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS))),
            clients: Shares::new(places / CLIENT_PART),
        }
    }

    /// Waits until the key may be looked up; not at all if it was found in the last hour. For IPv6 the
    /// client is a network, not an address.
    ///
    /// # Errors
    /// The queue is full, the client has its share of it, or it is not the key's turn in time.
    pub(super) async fn admit(
        &self,
        key: &KeyDigest,
        client: Option<IpAddr>,
    ) -> Result<LookUpPermit, TooManyLookUps> {
        if self.remembers(key) {
            return Ok(LookUpPermit { _stranger: None });
        }
        let share = self.clients.take(client).ok_or(TooManyLookUps)?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| TooManyLookUps)?;
        let turn = timeout(WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| TooManyLookUps)?.map_err(|_| TooManyLookUps)?;
        Ok(LookUpPermit { _stranger: Some((share, place, turn)) })
    }

    /// Returns whether the key was found in the last hour.
    pub(super) fn remembers(&self, key: &KeyDigest) -> bool {
        self.remembered.contains_key(key)
    }

    /// Remembers that a key exists.
    pub(super) async fn remember(&self, key: KeyDigest) {
        self.remembered.insert(key, ()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, net::Ipv4Addr, pin::pin, task::Poll};

    use domain::ApiKey;

    use super::*;

    fn key(number: u8) -> KeyDigest {
        ApiKey::from_random_bytes([number; 32]).digest()
    }

    fn client(number: u8) -> Option<IpAddr> {
        Some(Ipv4Addr::new(10, 0, 0, number).into())
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_wait_for_their_turn_for_a_short_time_and_known_keys_do_not() {
        let look_ups = LookUpLimit::new(1);
        look_ups.remember(key(1)).await;
        let running = look_ups.admit(&key(2), client(2)).await.unwrap();
        let start = tokio::time::Instant::now();
        assert_eq!(look_ups.admit(&key(3), client(3)).await.unwrap_err(), TooManyLookUps);
        assert_eq!(start.elapsed(), WAIT);
        for _ in 0..1000 {
            assert!(look_ups.admit(&key(1), client(2)).await.is_ok());
        }
        assert_eq!(start.elapsed(), WAIT);
        let next = key(3);
        let (waiting, ()) = tokio::join!(look_ups.admit(&next, client(3)), async { drop(running) });
        assert!(waiting.is_ok());
    }

    /// Lets all tasks run until they wait.
    async fn all_wait() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    async fn is_rejected_at_once(look_ups: &LookUpLimit, from: u8) -> bool {
        let key = key(0);
        let mut admission = pin!(look_ups.admit(&key, client(from)));
        poll_fn(|cx| Poll::Ready(matches!(admission.as_mut().poll(cx), Poll::Ready(Err(_))))).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_a_share_of_the_queue_and_the_queue_an_end() {
        let look_ups = LookUpLimit::new(1);
        let running = look_ups.admit(&key(0), client(0)).await;
        assert!(running.is_ok());
        let wait = |from| {
            let look_ups = look_ups.clone();
            tokio::spawn(async move { look_ups.admit(&key(0), client(from)).await })
        };
        let mut waiting: Vec<_> =
            [1; 64].into_iter().chain([2; 64]).chain([3; 64]).map(wait).collect();
        all_wait().await;
        for from in [1, 2, 3] {
            assert!(is_rejected_at_once(&look_ups, from).await);
        }
        waiting.extend([4; 63].map(wait));
        all_wait().await;
        assert!(is_rejected_at_once(&look_ups, 4).await);
        drop(running);
        assert!(waiting.remove(0).await.unwrap().is_ok());
    }
}
