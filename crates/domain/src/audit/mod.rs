//! The audit log: what was administered, and how API keys were used. The entries of a tenant are a chain of
//! hashes.

mod agent;
mod chain;
mod details;
mod entry;
mod fault;
mod verifier;

pub use agent::{Agent, CallAgent};
pub use chain::{Anchor, AuditRecord, ChainHash, MalformedAnchor};
pub use details::AuditDetails;
pub use entry::{AuditEntry, AuditEvent, NewAuditEntry};
pub use fault::AuditFault;
pub use verifier::ChainVerifier;
