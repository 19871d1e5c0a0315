//! gRPC for browsers, on the port of gRPC: gRPC-Web and Connect, which are translated to gRPC outside of
//! the layers that a call passes, so that these layers need not tell the protocols apart.
//!
//! Nothing is read of a body here. It is received by the layers of a call, and translated where they have
//! admitted it ([`TranslationLayer`]).

mod connect;
mod connect_error;
mod cors;
mod grpc_web;
mod media_type;
mod protocol;
mod schema;
mod translation;
mod web_service;

pub(crate) use cors::cors_rules;
pub(crate) use schema::Schemas;
pub(crate) use translation::TranslationLayer;
pub(crate) use web_service::{WebLayer, WebProtocols};
