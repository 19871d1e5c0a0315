//! The memory that all bodies may take together.
//!
//! A body is read before the server checks its caller's API key. Without a bound, anybody could
//! fill the memory with bodies that are never finished, or with responses that are never read.

use std::sync::Arc;

use serving::{Client, Quota, QuotaPermit, Resource};

/// The memory for the bodies of requests and responses, in bytes. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct BodyMemory(Arc<Quota>);

impl BodyMemory {
    /// Returns a memory of so many MiB, of which one client address may take `share_percent`.
    pub(crate) fn of_mib(mib: u32, share_percent: u8) -> Self {
        let bytes = (mib as usize).saturating_mul(1024 * 1024);
        Self(Quota::new(Resource::BodyMemory, bytes, share_percent))
    }

    /// Returns a permit for no memory yet.
    pub(crate) fn permit(&self, client: &Client) -> QuotaPermit {
        self.0.permit(client)
    }

    /// Returns the quota.
    pub(crate) fn quota(&self) -> &Arc<Quota> {
        &self.0
    }

    /// Returns whether more than half of the memory is taken.
    pub(crate) fn is_scarce(&self) -> bool {
        self.0.is_scarce()
    }
}
