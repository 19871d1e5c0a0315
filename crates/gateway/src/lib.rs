//! Caseload's REST API: translates the documented JSON into gRPC calls, and their answers back.
//!
//! It keeps no state and decides nothing: who may do what, and what is well-formed beyond the
//! shape of the JSON, is for the server to say.

mod body;
mod budget;
mod codes;
mod convert;
mod dto;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gateway;
mod headers;
mod health;
mod options;
mod problem;
mod routes;
mod upstream;

pub use gateway::{Gateway, StartError};
pub use health::check;
pub use options::{GatewayOptions, MalformedUpstream, Upstream};
