//! How many jobs may wait, and what becomes of those that may not.

/// How many jobs may wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::write_path) struct Limits {
    /// Of all tenants together. As many again may wait in the lane.
    pub(in crate::write_path) total: usize,
    /// Of any one tenant, which has at most as many as there is room left: however many tenants fill
    /// the queue, there is room for others.
    pub(in crate::write_path) per_tenant: usize,
}

/// Why a job was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::write_path) enum Refusal {
    /// The queue is full.
    Full,
    /// The tenant has as many jobs in the queue as it may have.
    TenantFull,
    /// The queue was closed.
    Closed,
}
