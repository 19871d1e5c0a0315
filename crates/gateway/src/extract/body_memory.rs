//! The memory that all request bodies may take together.
//!
//! A body is read before the server checks its caller's API key. Without a bound, anybody could
//! fill the memory with bodies that are never finished.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// The memory that is left for request bodies: a semaphore permit for each KiB. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct BodyMemory {
    left: Arc<Semaphore>,
    total: usize,
}

/// The memory that one request has taken. It is released on drop.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    memory: Arc<Semaphore>,
    bytes: usize,
}

/// Less memory is left than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl BodyMemory {
    /// Returns a memory of so many MiB.
    pub(crate) fn of_mib(mib: u32) -> Self {
        let permits = kib(1024 * 1024).saturating_mul(mib as usize);
        let total = permits.min(Semaphore::MAX_PERMITS);
        Self { left: Arc::new(Semaphore::new(total)), total }
    }

    /// Returns a permit for no memory yet.
    pub(super) fn permit(&self) -> MemoryPermit {
        MemoryPermit { memory: Arc::clone(&self.left), bytes: 0 }
    }

    /// Returns a function that returns whether more than half of the memory is taken.
    pub(crate) fn is_scarce(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let Self { left, total } = self.clone();
        move || left.available_permits() < total / 2
    }
}

impl MemoryPermit {
    /// Takes so many bytes more. The sum is rounded up to whole KiB, not each part of it.
    ///
    /// # Errors
    /// Less is left. Then the permit stays as it was.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let bytes = self.bytes.saturating_add(bytes);
        let more = u32::try_from(kib(bytes) - kib(self.bytes)).map_err(|_| Exhausted)?;
        // `drop` releases all of it at once.
        self.memory.try_acquire_many(more).map_err(|_| Exhausted)?.forget();
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        self.memory.add_permits(kib(self.bytes));
    }
}

/// Returns how many KiB hold so many bytes.
fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    #[test]
    fn memory_is_taken_until_the_permit_is_dropped() {
        let memory = BodyMemory::of_mib(1);
        let (mut large, mut small) = (memory.permit(), memory.permit());
        assert_eq!(large.grow(1000 * KIB), Ok(()));
        assert_eq!(small.grow(24 * KIB), Ok(()));
        assert_eq!(memory.clone().permit().grow(1), Err(Exhausted));
        drop(large);
        assert_eq!(small.grow(1000 * KIB), Ok(()));
        drop(small);
        assert_eq!(memory.left.available_permits(), KIB);
    }

    #[test]
    fn a_permit_that_asks_for_too_much_keeps_what_it_has_and_takes_nothing() {
        let memory = BodyMemory::of_mib(1);
        let mut permit = memory.permit();
        assert_eq!(permit.grow(600 * KIB), Ok(()));
        assert_eq!(permit.grow(600 * KIB), Err(Exhausted));
        assert_eq!(permit.grow(usize::MAX), Err(Exhausted));
        assert_eq!(memory.left.available_permits(), 424);
        assert_eq!(permit.grow(424 * KIB), Ok(()));
        assert_eq!(permit.grow(1), Err(Exhausted));
        drop(permit);
        assert_eq!(memory.left.available_permits(), KIB);
    }

    #[test]
    fn a_body_is_rounded_up_once_however_small_its_parts_are() {
        let memory = BodyMemory::of_mib(1);
        let mut permit = memory.permit();
        for _ in 0..KIB {
            assert_eq!(permit.grow(1), Ok(()));
        }
        assert_eq!(memory.left.available_permits(), KIB - 1);
        assert_eq!(permit.grow(1), Ok(()));
        assert_eq!(memory.left.available_permits(), KIB - 2);
        let mut nothing = memory.permit();
        assert_eq!(nothing.grow(0), Ok(()));
        assert_eq!(memory.left.available_permits(), KIB - 2);
    }

    #[test]
    fn the_size_may_be_any_number() {
        assert_eq!(BodyMemory::of_mib(u32::MAX).permit().grow(1), Ok(()));
    }
}
