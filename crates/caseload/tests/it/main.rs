//! The whole path: from bytes on a socket to rows in a real Postgres, and back.
//!
//! Tests run in parallel, each on a database of its own. `support` has what they share.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod batch_create;
mod support;
