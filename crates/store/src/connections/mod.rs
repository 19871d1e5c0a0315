//! Connections to the database: where they lead, how they are opened, pooled, and replaced when the
//! server stops answering.

pub(crate) mod current;
pub(crate) mod failover;
pub(crate) mod lane;
pub(crate) mod listener;
pub(crate) mod pool;
pub(crate) mod presence;
pub(crate) mod readings;
pub(crate) mod statements;
pub(crate) mod tenant_shares;
pub(crate) mod url;

mod connector;
mod log_errors;
mod redaction;
pub(crate) mod session;
mod threads;
