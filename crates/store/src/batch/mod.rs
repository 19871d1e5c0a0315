//! The write path: from checked batches to committed rows.
//!
//! [`TaskWriter`] puts a batch into the [`queue`]; a [`writer`] thread takes what waits there and
//! runs it as one [`statement`]. [`plain`] is what benches compare that with.

mod plain;
mod queue;
mod statement;
mod writer;

pub use writer::{TaskWriter, WriterSettings};
