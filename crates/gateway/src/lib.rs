//! Caseload's REST API: it translates the documented JSON into gRPC calls, and their results back.
//!
//! The gateway is stateless and holds no credentials. It checks the shape of a request (path,
//! headers, JSON); the server checks everything else, permissions included.

mod case_value;
mod cases;
mod context;
mod cors;
mod extract;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gateway;
mod health;
mod in_flight;
mod metrics;
mod openapi;
mod options;
mod page;
mod probes;
mod problem;
mod response;
mod router;
mod routes;
mod security_headers;
mod site;
mod tasks;
mod times;
mod upstream;
mod upstream_tls;

pub use gateway::{Gateway, StartError};
pub use health::check;
pub use options::{Docs, GatewayOptions, MalformedUpstream, Upstream};
pub use upstream_tls::UpstreamTlsOptions;

/// Returns the OpenAPI document that gateways serve, as JSON.
#[must_use]
pub fn openapi_document() -> &'static str {
    routes::document().text()
}
