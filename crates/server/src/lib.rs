//! Caseload's gRPC service.
//!
//! A request passes the layers (`layers`; before them `web`, if it may be one of a browser), then tonic, then the frame that every call has in common
//! (`call`), then the logic of its call (`tasks`, `cases`).

mod audit;
mod auth;
mod call;
mod cases;
mod causes;
mod directory;
mod documented;
mod erasures;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod health;
mod layers;
mod metrics;
mod options;
mod rate_limit;
mod readiness;
mod refusals;
mod server;
mod shares;
mod status;
mod sweep;
mod tasks;
mod tenant_quota;
mod version;
mod web;

pub use health::is_serving;
pub use options::{
    AuthOptions, IdempotencyOptions, LimitOptions, PoolOptions, ServerOptions, WebOptions,
    WriterOptions,
};
pub use rate_limit::{MalformedRate, Rate};
pub use server::{Server, StartError};
