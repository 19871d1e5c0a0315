//! Limits how many requests are in flight at once, and what their responses hold.

use std::sync::Arc;

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serving::{Client, Quota, Resource, hold_until_sent};

use crate::extract::{BodyMemory, Rejection};

/// The requests that may be in flight at once. A request is in flight until its response was sent.
/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct InFlight(Arc<Quota>);

/// Marks the response to a request that was not begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotBegun;

impl InFlight {
    /// Returns a limit of `max` requests, of which one client address may make `share_percent`.
    pub(crate) fn new(max: usize, share_percent: u8) -> Self {
        Self(Quota::new(Resource::Requests, max, share_percent))
    }

    /// Returns whether more than half of the requests are in flight.
    pub(crate) fn is_scarce(&self) -> bool {
        self.0.is_scarce()
    }
}

/// Begins a request, or rejects it if there are too many.
pub(crate) async fn admit(
    State(InFlight(quota)): State<InFlight>,
    request: Request,
    next: Next,
) -> Response {
    let mut permit = quota.permit(&Client::of(request.extensions()));
    if let Err(exhausted) = permit.grow(1) {
        let mut response = Rejection::Exhausted(exhausted).into_response();
        response.extensions_mut().insert(NotBegun);
        return response;
    }
    let mut response = next.run(request).await;
    hold_until_sent(&mut response, permit);
    response
}

/// Takes the memory for a response. It is returned once the response was sent.
pub(crate) fn hold_memory(response: &mut Response, memory: &BodyMemory, client: &Client) {
    let mut permit = memory.permit(client);
    let size = response.body().size_hint().lower();
    permit.overdraw(usize::try_from(size).unwrap_or(usize::MAX));
    hold_until_sent(response, permit);
}
