//! Caseload's data in Postgres. No other crate knows Diesel or SQL.
//!
//! Two ways lead to the database, through one pool of connections:
//!
//! - [`TaskWriter`], the write path: a bounded queue and a fixed set of threads that run many
//!   callers' batches in one statement.
//! - [`Database`], everything else: plain Diesel queries off the async threads.

mod batch;
mod cases;
mod connections;
mod connector;
mod database;
mod error;
mod keys;
mod migrations;
mod schema;
mod tenants;
mod time;
mod url;
mod users;
mod watch;

pub use batch::{TaskWriter, WriterSettings};
pub use cases::Case;
pub use database::{Database, PoolSettings};
pub use error::Error;
pub use keys::{Key, NewKey};
pub use tenants::Tenant;
pub use url::{DatabaseUrl, MalformedUrl};
pub use users::NewUser;
