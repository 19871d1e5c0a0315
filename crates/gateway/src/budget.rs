//! The memory that all bodies may take together. A body is read before its caller's key is looked
//! at, so without a bound anybody could fill the memory with bodies that don't come to their end.

use std::sync::Arc;

use http::header::RETRY_AFTER;
use tokio::sync::Semaphore;
use tonic::Code;

use crate::problem::Problem;

/// The memory that is left for bodies, a permit for each KiB. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// What one request has taken of the budget. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    left: &'a Semaphore,
    bytes: usize,
}

/// There is less left than is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Budget {
    pub(crate) fn of_mib(mib: u32) -> Self {
        let permits = kib(1024 * 1024).saturating_mul(mib as usize);
        Self(Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))))
    }

    /// A share of nothing yet.
    pub(crate) fn share(&self) -> Share<'_> {
        Share { left: &self.0, bytes: 0 }
    }
}

impl Share<'_> {
    /// Takes so many bytes more. The sum is rounded up to whole KiB, not each part of it.
    ///
    /// # Errors
    /// Where they aren't left: then none of them was taken.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let bytes = self.bytes.saturating_add(bytes);
        let more = u32::try_from(kib(bytes) - kib(self.bytes)).map_err(|_| Exhausted)?;
        // `drop` gives them back, all at once.
        self.left.try_acquire_many(more).map_err(|_| Exhausted)?.forget();
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.left.add_permits(kib(self.bytes));
    }
}

/// The KiB that so many bytes take.
fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

impl From<Exhausted> for Problem {
    fn from(_: Exhausted) -> Self {
        Self::new(
            Code::Unavailable,
            "OVERLOADED",
            "too much is being worked on already; nothing was changed",
        )
        .with_header(RETRY_AFTER, "1".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    #[test]
    fn what_is_taken_is_missing_until_the_share_is_dropped() {
        let budget = Budget::of_mib(1);
        let (mut large, mut small) = (budget.share(), budget.share());
        assert_eq!(large.take(1000 * KIB), Ok(()));
        assert_eq!(small.take(24 * KIB), Ok(()));
        assert_eq!(budget.clone().share().take(1), Err(Exhausted));
        drop(large);
        assert_eq!(small.take(1000 * KIB), Ok(()));
        drop(small);
        assert_eq!(budget.0.available_permits(), KIB);
    }

    #[test]
    fn who_asks_for_too_much_keeps_what_it_has_and_takes_nothing() {
        let budget = Budget::of_mib(1);
        let mut share = budget.share();
        assert_eq!(share.take(600 * KIB), Ok(()));
        assert_eq!(share.take(600 * KIB), Err(Exhausted));
        assert_eq!(share.take(usize::MAX), Err(Exhausted));
        assert_eq!(budget.0.available_permits(), 424);
        assert_eq!(share.take(424 * KIB), Ok(()));
        assert_eq!(share.take(1), Err(Exhausted));
        drop(share);
        assert_eq!(budget.0.available_permits(), KIB);
    }

    #[test]
    fn a_body_is_rounded_up_once_however_small_its_parts_are() {
        let budget = Budget::of_mib(1);
        let mut share = budget.share();
        for _ in 0..KIB {
            assert_eq!(share.take(1), Ok(()));
        }
        assert_eq!(budget.0.available_permits(), KIB - 1);
        assert_eq!(share.take(1), Ok(()));
        assert_eq!(budget.0.available_permits(), KIB - 2);
        let mut nothing = budget.share();
        assert_eq!(nothing.take(0), Ok(()));
        assert_eq!(budget.0.available_permits(), KIB - 2);
    }

    #[test]
    fn any_number_is_a_budget() {
        assert_eq!(Budget::of_mib(u32::MAX).share().take(1), Ok(()));
    }
}
