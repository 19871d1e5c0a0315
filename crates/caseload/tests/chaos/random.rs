//! Random numbers that are determined by a run's seed.

use std::time::Duration;

/// A generator of random numbers (xorshift64*): good enough to spread faults, and the same numbers
/// for the same seed.
pub(crate) struct Random(u64);

impl Random {
    /// Creates one of several independent streams of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        // splitmix64, so that neighbouring seeds and streams give unrelated states.
        let mut state = seed.wrapping_add((stream + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((state ^ (state >> 31)).max(1))
    }

    /// Returns a number from 0 to `limit - 1`. The limit must not be 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    /// Returns true with a probability of 1 in `count`.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Returns a duration between two numbers of milliseconds, both included.
    pub(crate) fn millis(&mut self, least: u64, most: u64) -> Duration {
        let span = usize::try_from(most - least).unwrap();
        Duration::from_millis(least + u64::try_from(self.below(span + 1)).unwrap())
    }
}
