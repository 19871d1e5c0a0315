//! The write path: from checked batches to committed rows.
//!
//! [`writer::TaskWriter`] puts a batch as a [`job`] into the [`queue`]; a [`worker`] thread takes the
//! jobs that wait and runs them as one [`statement`] ([`execution`]). What the statement reports of a
//! batch, or the record of its idempotency key ([`idempotency`]), becomes the batch's [`outcome`].
//! Batches without one are run again or fail ([`unfinished`]); those that need a lock which somebody
//! else holds wait for it beside all others ([`contended`]). Tenants take turns ([`crate::turns`]).

mod contended;
pub(crate) mod creation;
mod execution;
mod failure;
pub(crate) mod idempotency;
mod job;
mod metrics;
mod outcome;
#[cfg(feature = "plain-writes")]
mod plain;
mod queue;
mod readings;
mod settings;
mod statement;
mod unfinished;
mod worker;
mod writer;

pub use settings::WriterSettings;
pub use writer::TaskWriter;
