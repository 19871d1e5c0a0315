//! How much is worked on at once, over all connections.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use domain::Error;
use http::{Request, Response};
use store::TaskWriter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::status;

/// Lets so many calls in at once, and none while the writer's queue is full; refuses one more before
/// anything of it is read. Behind a proxy all calls come on one connection, so a limit for each
/// connection would limit nothing.
#[derive(Clone, Debug)]
pub(crate) struct InFlightLayer {
    room: Arc<Semaphore>,
    writer: Arc<TaskWriter>,
}

impl InFlightLayer {
    pub(crate) fn new(most: usize, writer: Arc<TaskWriter>) -> Self {
        Self { room: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))), writer }
    }
}

impl<S> Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InFlight { inner, limit: self.clone() }
    }
}

/// See [`InFlightLayer`].
#[derive(Clone, Debug)]
pub(crate) struct InFlight<S> {
    inner: S,
    limit: InFlightLayer,
}

impl InFlightLayer {
    /// Room for one call, where there is some.
    fn enter(&self) -> Option<OwnedSemaphorePermit> {
        // The queue would refuse the call in the end, after all the work on it.
        if self.writer.is_full() {
            return None;
        }
        Arc::clone(&self.room).try_acquire_owned().ok()
    }
}

impl<S, B> Service<Request<B>> for InFlight<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Health and reflection are answered also then: they tell why.
        if !request.uri().path().starts_with("/caseload.") {
            return Box::pin(self.inner.call(request));
        }
        let Some(permit) = self.limit.enter() else {
            return Box::pin(ready(Ok(status::from_error(&Error::Overloaded).into_http())));
        };
        let call = self.inner.call(request);
        Box::pin(async move {
            let _permit = permit;
            call.await
        })
    }
}
