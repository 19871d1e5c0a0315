//! The write path: from checked batches to committed rows.
//!
//! [`TaskWriter`] puts a batch into the [`queue`]; a [`thread`] takes what waits there and runs it
//! as one [`statement`]. What that says of each batch, and what was known of it before
//! ([`request`]), makes its [`outcome`]. [`plain`] is what benches compare all that with.

mod creation;
mod outcome;
mod plain;
mod queue;
mod request;
mod statement;
mod thread;
mod writer;

pub use writer::{TaskWriter, WriterSettings};
