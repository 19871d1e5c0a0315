//! The audit log.

mod append;
mod bound_agent;
mod outbox;
#[cfg(test)]
mod plans;
mod prune;
mod reads;
mod row;

pub(crate) use append::audited;
pub(crate) use bound_agent::BoundAgent;
pub use reads::Verification;
