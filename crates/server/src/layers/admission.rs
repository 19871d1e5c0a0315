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
use serving::{Client, Exhausted, Quota, QuotaPermit, Resource, hold_until_sent};
use store::TaskWriter;
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
    permits: Arc<Quota>,
    writer: Arc<TaskWriter>,
}

impl AdmissionLayer {
    /// Creates a layer that admits `max_in_flight` calls at once, of which one client address may
    /// make `share_percent`.
    pub(crate) fn new(max_in_flight: usize, share_percent: u8, writer: Arc<TaskWriter>) -> Self {
        Self { permits: Quota::new(Resource::Requests, max_in_flight, share_percent), writer }
    }

    /// Returns a function that returns whether more than half of the permits are taken.
    pub(crate) fn is_scarce(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let permits = Arc::clone(&self.permits);
        move || permits.is_scarce()
    }

    /// Returns the permit of an admitted call.
    fn admit(&self, access: Access, client: &Client) -> Result<QuotaPermit, Error> {
        if access == Access::Write && self.writer.is_full() {
            return Err(Error::Overloaded);
        }
        let mut permit = self.permits.permit(client);
        match permit.grow(1) {
            Ok(()) => Ok(permit),
            Err(Exhausted::Total) => Err(Error::Overloaded),
            Err(Exhausted::Address) => Err(Error::AddressOverloaded),
        }
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
        let permit = match self.layer.admit(access, &Client::of(request.extensions())) {
            Ok(permit) => permit,
            Err(error) => {
                return Box::pin(ready(Ok(status::of_layer(&error).into_http())));
            }
        };
        let call = self.inner.call(request);
        Box::pin(async move {
            let mut response = call.await?;
            hold_until_sent(&mut response, permit);
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
        AdmissionLayer::new(max_in_flight, 100, Arc::new(writer))
    }

    #[test]
    fn a_full_write_queue_rejects_calls_that_write_and_admits_calls_that_read() {
        let layer = layer(2, 0);
        let client = Client::default();
        assert!(matches!(layer.admit(Access::Write, &client), Err(Error::Overloaded)));
        assert!(layer.admit(Access::Read, &client).is_ok());
    }

    #[test]
    fn a_permit_is_returned_when_its_call_ends() {
        let layer = layer(1, 1);
        let client = Client::default();
        let permit = layer.admit(Access::Write, &client);
        assert!(permit.is_ok());
        assert!(matches!(layer.admit(Access::Read, &client), Err(Error::Overloaded)));
        drop(permit);
        assert!(layer.admit(Access::Read, &client).is_ok());
    }
}
