//! gRPC for browsers, on the port of gRPC: gRPC-Web, which is translated to gRPC outside of the layers that a
//! call passes, so that these layers need not tell the protocols apart.
//!
//! Nothing is read of a body here. It is received by the layers of a call.

mod cors;
mod origins;
mod protocol;
mod web_service;

pub(crate) use cors::cors;
pub use origins::Origins;
pub(crate) use web_service::WebLayer;
