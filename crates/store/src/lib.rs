//! Caseload's data in Postgres. No other crate knows Diesel or SQL.
//!
//! There are three paths to the database, through one pool of connections:
//!
//! - [`TaskWriter`], the write path: a bounded queue, and a fixed number of threads that run the
//!   batches of many callers in one statement.
//! - [`TaskReader`], which reads the tasks that many callers want in one statement.
//! - [`Database`], everything else: plain Diesel queries off the async threads.

mod apart;
mod api_keys;
mod assignees;
mod audit;
mod cases;
mod connections;
mod database;
mod deadline;
mod directory;
mod error;
#[cfg(test)]
mod explainer;
mod idempotency_records;
#[cfg(test)]
mod log_capture;
mod metrics;
mod migrations;
mod privileges;
mod queued;
mod row_level_security;
mod schema;
mod scope;
mod sql;
mod statement_spans;
mod sweep;
mod tasks;
mod tenant_hosts;
mod tenants;
mod time;
mod transaction;
mod turns;
mod users;
mod verification;
mod write_path;

pub use api_keys::{ApiKeyRecord, KeyChange, KeyState, KeyUse, NewApiKey};
pub use audit::Verification;
pub use connections::{
    pool::PoolSettings,
    url::{DatabaseUrl, MalformedUrl},
};
pub use database::Database;
pub use deadline::until;
pub use directory::{PendingErasure, ScrubStep};
pub use error::{Cause, Error};
pub use sweep::{Sweep, Swept};
pub use tasks::TaskReader;
pub use tenant_hosts::TenantHost;
pub use users::NewUser;
pub use verification::Checked;
pub use write_path::{TaskWriter, WriterSettings};
