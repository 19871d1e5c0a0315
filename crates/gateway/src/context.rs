//! What handlers and extractors work with.

use axum::extract::FromRef;
use runtime::CancellationToken;

use crate::{
    extract::{BodyMemory, MaxTimeout},
    in_flight::InFlight,
    metrics::RequestMetrics,
    upstream::{Client, Transport},
};

/// What handlers and extractors work with. Each takes the part that it needs.
#[derive(Clone)]
pub(crate) struct Context<T> {
    /// Makes the calls to the servers.
    pub(crate) client: Client<T>,
    /// The longest that a call may take.
    pub(crate) max_timeout: MaxTimeout,
    /// The memory for bodies.
    pub(crate) body_memory: BodyMemory,
    /// The requests in flight.
    pub(crate) in_flight: InFlight,
    /// What is counted of requests.
    pub(crate) metrics: RequestMetrics,
    /// Cancelled when the gateway is shutting down.
    pub(crate) shutdown: CancellationToken,
}

impl<T: Transport> FromRef<Context<T>> for Client<T> {
    fn from_ref(context: &Context<T>) -> Self {
        context.client.clone()
    }
}

impl<T> FromRef<Context<T>> for MaxTimeout {
    fn from_ref(context: &Context<T>) -> Self {
        context.max_timeout
    }
}

impl<T> FromRef<Context<T>> for BodyMemory {
    fn from_ref(context: &Context<T>) -> Self {
        context.body_memory.clone()
    }
}

impl<T> FromRef<Context<T>> for CancellationToken {
    fn from_ref(context: &Context<T>) -> Self {
        context.shutdown.clone()
    }
}
