//! Limits how many calls are in flight at once, over all connections.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use domain::Error;
use http::{Request, Response};
use proto::wire::{self, Access};
use store::TaskWriter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::status;

/// Admits calls up to a limit. Rejects the others before anything of their messages is read. A call is
/// in flight until its response was sent.
///
/// While the write queue is full it also rejects every call that writes: the queue would reject it
/// after all the work on it. Calls that read are admitted.
///
/// Behind a proxy all calls come on one connection, so a limit for each connection would not do.
#[derive(Clone, Debug)]
pub(crate) struct AdmissionLayer {
    permits: Arc<Semaphore>,
    max_in_flight: usize,
    writer: Arc<TaskWriter>,
}

impl AdmissionLayer {
    /// Creates a layer that admits `max_in_flight` calls at once.
    pub(crate) fn new(max_in_flight: usize, writer: Arc<TaskWriter>) -> Self {
        let permits = Arc::new(Semaphore::new(max_in_flight.min(Semaphore::MAX_PERMITS)));
        Self { permits, max_in_flight, writer }
    }

    /// Returns a function that returns whether more than half of the permits are taken.
    pub(crate) fn is_scarce(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let (permits, max_in_flight) = (Arc::clone(&self.permits), self.max_in_flight);
        move || permits.available_permits() < max_in_flight / 2
    }

    /// Returns the permit of an admitted call.
    fn admit(&self, access: Access) -> Option<OwnedSemaphorePermit> {
        if access == Access::Write && self.writer.is_full() {
            return None;
        }
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Admission { inner, layer: self.clone() }
    }
}

/// The service of [`AdmissionLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Admission<S> {
    inner: S,
    layer: AdmissionLayer,
}

impl<S, B> Service<Request<B>> for Admission<S>
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
        // Health and reflection are not in the contract. They work under overload, too: they help
        // to find out about it.
        let Some(access) = wire::access(request.uri().path()) else {
            return Box::pin(self.inner.call(request));
        };
        let Some(permit) = self.layer.admit(access) else {
            let status = status::of_layer(&Error::Overloaded);
            return Box::pin(ready(Ok(status.into_http())));
        };
        let call = self.inner.call(request);
        Box::pin(async move {
            let mut response = call.await?;
            serving::hold_until_sent(&mut response, permit);
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use store::{Database, PoolSettings, TaskWriter, WriterSettings};

    use super::*;

    /// A layer with this many permits, and a write queue of this length that nothing is written
    /// from, as there is no database.
    fn layer(max_in_flight: usize, queue_length: usize) -> AdmissionLayer {
        let url = "postgresql://127.0.0.1:1/none".parse().unwrap();
        let checkout_timeout = Duration::from_secs(1);
        let lock_timeout = Duration::from_secs(1);
        let pool = PoolSettings { writers: 1, readers: 1, checkout_timeout, lock_timeout };
        let settings = WriterSettings {
            threads: 1,
            batches_per_statement: 1,
            one_tenant_per_statement: false,
            queue_length,
            queue_length_per_tenant: queue_length,
        };
        let writer = TaskWriter::start(&Database::open(&url, &pool), settings).unwrap();
        AdmissionLayer::new(max_in_flight, Arc::new(writer))
    }

    #[test]
    fn a_full_write_queue_rejects_calls_that_write_and_admits_calls_that_read() {
        let layer = layer(2, 0);
        assert!(layer.admit(Access::Write).is_none());
        assert!(layer.admit(Access::Read).is_some());
    }

    #[test]
    fn a_permit_is_returned_when_its_call_ends() {
        let layer = layer(1, 1);
        let permit = layer.admit(Access::Write);
        assert!(permit.is_some());
        assert!(layer.admit(Access::Read).is_none());
        drop(permit);
        assert!(layer.admit(Access::Read).is_some());
    }
}
