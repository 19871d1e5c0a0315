//! The audit log: what was administered, and how API keys were used. The entries of a tenant are a chain of
//! hashes.

mod chain;
mod entry;
mod fault;
mod verifier;

pub use chain::{Anchor, AuditRecord, ChainHash, MalformedAnchor};
pub use entry::{Agent, AuditDetails, AuditEntry, AuditEvent, NewAuditEntry};
pub use fault::AuditFault;
pub use verifier::ChainVerifier;
