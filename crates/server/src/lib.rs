//! Caseload's gRPC service: who calls, may they, is it well-formed, write it, answer.

mod bearer;
mod convert;
mod deadline;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod health;
mod in_flight;
mod keys;
mod options;
mod rates;
mod readiness;
mod reasons;
mod server;
mod service;
mod status;
mod sweep;

pub use health::is_serving;
pub use options::{
    KeyOptions, LimitOptions, PoolOptions, RequestOptions, ServerOptions, WriterOptions,
};
pub use rates::{MalformedRate, Rate};
pub use server::{Server, StartError};
