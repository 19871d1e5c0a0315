//! Makes the ids of traces and spans.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::context::{SpanId, TraceId};

/// What a counter of SplitMix64 grows by: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Makes ids that look random, and differ from all others of this process and, but for chance, of other ones.
/// Nobody waits for another, and the system is asked for random numbers once only.
#[derive(Debug)]
pub(crate) struct Ids {
    /// Random, so that processes differ.
    seed: u64,
    counter: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        // The keys of a hasher are random numbers of the system's.
        let random = || RandomState::new().hash_one(STEP);
        Self { seed: random(), counter: AtomicU64::new(random()) }
    }

    pub(crate) fn trace(&self) -> TraceId {
        loop {
            let counter = self.counter.fetch_add(STEP, Relaxed);
            let [high, low] = [mix(counter ^ self.seed), mix(counter)].map(u64::to_be_bytes);
            let mut bytes = [0; 16];
            let (first, last) = bytes.split_at_mut(8);
            first.copy_from_slice(&high);
            last.copy_from_slice(&low);
            if let Some(id) = TraceId::from_bytes(bytes) {
                return id;
            }
        }
    }

    pub(crate) fn span(&self) -> SpanId {
        loop {
            let counter = self.counter.fetch_add(STEP, Relaxed);
            if let Some(id) = SpanId::from_bytes(mix(counter).to_be_bytes()) {
                return id;
            }
        }
    }
}

/// The last steps of SplitMix64: different numbers stay different.
fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_and_use_all_bits() {
        let (one, other) = (Ids::new(), Ids::new());
        let spans: HashSet<_> = (0..10_000).flat_map(|_| [one.span(), other.span()]).collect();
        assert_eq!(spans.len(), 20_000);
        let traces: HashSet<_> = (0..10_000).flat_map(|_| [one.trace(), other.trace()]).collect();
        assert_eq!(traces.len(), 20_000);
        for bit in 0..128 {
            let ones = traces.iter().filter(|id| u128::from_be_bytes(id.bytes()) >> bit & 1 == 1);
            let count = ones.count();
            assert!((9_000..11_000).contains(&count), "bit {bit}: {count}");
        }
    }
}
