//! Caseload's REST API: it translates the documented JSON into gRPC calls, and their results back.
//!
//! The gateway is stateless and holds no credentials. It checks the shape of a request (path,
//! headers, JSON); the server checks everything else, permissions included.

mod extract;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gateway;
mod health;
mod in_flight;
mod options;
mod probes;
mod problem;
mod router;
mod tasks;
mod upstream;

pub use gateway::{Gateway, StartError};
pub use health::check;
pub use options::{GatewayOptions, MalformedUpstream, Upstream};
