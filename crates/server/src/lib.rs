//! Caseload's gRPC service: who calls, may they, is it well-formed, write it, answer.

mod bearer;
mod convert;
mod deadline;
mod health;
mod keys;
mod options;
mod readiness;
mod server;
mod service;
mod status;
mod sweep;

pub use health::is_serving;
pub use options::{KeyOptions, PoolOptions, RequestOptions, ServerOptions, WriterOptions};
pub use server::{Server, StartError};
