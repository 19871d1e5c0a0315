//! Random numbers for requests.

/// xorshift64: spreads requests well enough.
pub(crate) struct Random(u64);

impl Random {
    /// Returns a generator; each seed has its own sequence.
    pub(crate) fn new(seed: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ ((seed as u64 + 1) << 20))
    }

    /// Returns a number from 1 to `last`.
    pub(crate) fn up_to(&mut self, last: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        1 + i64::try_from(self.0 % u64::try_from(last).unwrap()).unwrap()
    }
}
