//! Integration tests over the whole path: from bytes on a socket to rows in a real Postgres, and
//! back.
//!
//! Tests run in parallel, each on its own database. `support` has the fixtures.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod admin;
mod api_keys;
mod architecture;
mod audit;
mod batch_create;
mod browsers;
mod call_headers;
mod calls;
mod cases;
mod check_order;
mod cli;
mod configuration;
mod connections;
mod database_tls;
mod deadlines;
mod descriptions;
mod dev;
mod directory;
mod documentation;
mod endpoints;
mod first_steps;
mod grpc;
mod idempotency;
mod logs;
mod long_statuses;
mod malformed_input;
mod manifests;
mod many_violations;
mod migrations;
mod model;
mod monitoring;
mod openapi;
mod option_bounds;
mod outages;
mod overload;
mod problem_documents;
mod process;
mod protocols;
mod reference;
mod request_ids;
mod roles;
mod rolling_restart;
mod soak;
mod support;
mod tasks;
mod tls;
mod versions;
mod web;
mod write_path;
