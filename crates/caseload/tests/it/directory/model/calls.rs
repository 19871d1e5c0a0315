//! Requests over REST and gRPC.

mod convert;
mod directory;
mod grpc;
mod rest;

use super::{caller::Caller, operation::Request, state::Outcome};
use crate::support::{App, code_and_reasons};
pub(super) use convert::{micros, person};
pub(super) use rest::{person as person_of_rest, seconds};

/// Makes a request, and returns its outcome.
pub(super) async fn send(app: &App, caller: &Caller, request: &Request) -> Outcome {
    let result = match request {
        request if request.is_of_directory() => directory::send(app, caller, request).await,
        request if request.operation.is_over_rest => {
            return rest::send(app, caller, request).await;
        }
        request => grpc::send(app, caller, request).await,
    };
    result.unwrap_or_else(|status| Outcome::Error(code_and_reasons(&status)))
}
