//! The audit log.

mod append;
mod prune;
mod reads;
mod row;

pub(crate) use append::audited;
pub use reads::Verification;
