//! How the write path runs.

/// How the write path runs.
#[derive(Clone, Copy, Debug)]
pub struct WriterSettings {
    /// Worker threads, each with a connection of its own.
    pub threads: usize,
    /// The most batches that share a statement, and with it a transaction.
    pub batches_per_statement: usize,
    /// Whether batches of different tenants never share a statement, for databases that are sharded
    /// by tenant.
    pub one_tenant_per_statement: bool,
    /// The most batches that wait; one more is refused.
    pub queue_length: usize,
    /// The most batches of one tenant that wait; one more is refused, those of others are not.
    pub queue_length_per_tenant: usize,
}
