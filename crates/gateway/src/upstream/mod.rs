//! Calls to the gRPC servers.

mod attempts;
mod backlog;
mod call_span;
mod causes;
mod channel;
mod client;
mod clock;
mod details;
mod failure;
mod first_read;
mod health;
mod intermediary;
mod origin;
mod reply;
mod retry;
mod servers;
mod status;
mod transport;

pub(crate) use client::Client;
pub(crate) use failure::{Failure, IntermediaryRejection};
#[cfg(feature = "fuzzing")]
pub(crate) use origin::from_origin;
pub(crate) use reply::{Reply, rate_limits};
pub(crate) use retry::Retry;
pub(crate) use servers::Servers;
pub(crate) use transport::{Transport, case_service, task_service};
