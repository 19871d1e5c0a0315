//! The whole path: from bytes on a socket to rows in a real Postgres, and back.
//!
//! Tests run in parallel, each on a database of its own. `support` has what they share.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod admin;
mod architecture;
mod batch_create;
mod bodies;
mod call_headers;
mod configuration;
mod deadline;
mod dev;
mod doors;
mod endpoints;
mod grpc;
mod hostile;
mod keys;
mod migrations;
mod outages;
mod overload;
mod precedence;
mod programs;
mod refusals;
mod repeats;
mod request_ids;
mod rolling;
mod support;
mod texts;
mod wire;
mod worst_case;
mod writer;
