//! What each of many holders has of something that none may have too much of.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts what each holder has, up to a limit that is the same for all.
#[derive(Debug)]
pub(crate) struct Shares<K: Eq + Hash> {
    limit: usize,
    held: Mutex<HashMap<K, usize>>,
}

/// One unit that a holder has. It is returned on drop.
#[derive(Debug)]
pub(crate) struct Share<K: Copy + Eq + Hash> {
    shares: Arc<Shares<K>>,
    holder: K,
}

impl<K: Copy + Eq + Hash> Shares<K> {
    /// Creates shares of which each holder may have `limit` at once.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: Mutex::default() })
    }

    /// Takes one; `None` if the holder has as many as it may have.
    pub(crate) fn take(self: &Arc<Self>, holder: K) -> Option<Share<K>> {
        let mut held = self.lock();
        let count = held.entry(holder).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Share { shares: Arc::clone(self), holder })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        // A holder without a share is forgotten.
        if let Entry::Occupied(mut count) = self.shares.lock().entry(self.holder) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_its_own_limit_and_is_forgotten_at_the_end() {
        let shares = Shares::new(2);
        let (first, second) = (shares.take('a'), shares.take('a'));
        assert!(first.is_some() && second.is_some());
        assert!(shares.take('a').is_none());
        assert!(shares.take('b').is_some());
        drop(first);
        let third = shares.take('a');
        assert!(third.is_some() && shares.take('a').is_none());
        drop((second, third));
        assert!(shares.lock().is_empty());
    }
}
