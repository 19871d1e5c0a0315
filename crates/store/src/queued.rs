//! What the queue needs to know of the jobs in it.

use domain::{CaseId, TenantId};

/// A job that waits in the queue.
pub(crate) trait Queued {
    /// The tenant that the job is for.
    fn tenant(&self) -> TenantId;

    /// The case that the job is for.
    fn case(&self) -> CaseId;

    /// How many rows the job reads or writes at most.
    fn rows(&self) -> usize;

    /// Whether nobody waits for the job any more, so that it is not to be begun.
    fn is_withdrawn(&self) -> bool;

    /// Whether the job may repeat an earlier one, as it has an idempotency key. A repeat needs no lock.
    fn may_be_repeat(&self) -> bool;
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    /// A job for tests of the queue: a letter that belongs to a tenant and a case.
    #[derive(Clone, Debug)]
    pub(crate) struct Letter {
        pub(crate) letter: char,
        tenant: TenantId,
        case: CaseId,
        rows: usize,
        has_key: bool,
        is_withdrawn: Arc<AtomicBool>,
    }

    impl Letter {
        pub(crate) fn new(letter: char, tenant: i64, case: i64) -> Self {
            let (tenant, case) = (TenantId::new(tenant).unwrap(), CaseId::new(case).unwrap());
            Self { letter, tenant, case, rows: 1, has_key: false, is_withdrawn: Arc::default() }
        }

        pub(crate) fn with_rows(self, rows: usize) -> Self {
            Self { rows, ..self }
        }

        pub(crate) fn with_key(self) -> Self {
            Self { has_key: true, ..self }
        }

        pub(crate) fn withdraw(&self) {
            self.is_withdrawn.store(true, Ordering::Relaxed);
        }
    }

    impl Queued for Letter {
        fn tenant(&self) -> TenantId {
            self.tenant
        }

        fn case(&self) -> CaseId {
            self.case
        }

        fn rows(&self) -> usize {
            self.rows
        }

        fn is_withdrawn(&self) -> bool {
            self.is_withdrawn.load(Ordering::Relaxed)
        }

        fn may_be_repeat(&self) -> bool {
            self.has_key
        }
    }

    /// Returns the letters of some jobs.
    pub(crate) fn letters(jobs: impl IntoIterator<Item = Letter>) -> String {
        jobs.into_iter().map(|job| job.letter).collect()
    }
}
