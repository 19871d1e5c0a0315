//! What happens to a call of the contract before it is run: its caller is authenticated, its message
//! is received, and only then it gets a permit for the work.

use std::{
    convert::Infallible,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use domain::{Error, Principal, TenantId};
use http::{Request, Response, request::Parts};
use http_body_util::Full;
use proto::{
    RequestLayout,
    wire::{self, Access, header, limits},
};
use serving::{Client, ConnectionId, hold_until_sent};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::{
    Status,
    body::Body,
    codegen::{Body as HttpBody, StdError},
};
use tower::{Layer, Service};

use super::{
    admission::Admission,
    call_context::{self, CallContext, ResponseBytes},
    deadline::CallDeadline,
    diagnostics::Diagnostics,
    framing::Framing,
    message,
    transit::Transits,
};
use crate::{
    auth::{self, Arrival, Authenticator, NamedHosts},
    causes,
    metrics::TenantMetrics,
    refusals::Refusals,
    shares::Shares,
    status,
    tenant_quota::TenantQuota,
};

/// Authenticates the caller of each call by its headers, receives its message, admits it, and passes
/// it on with a [`CallContext`]. Whoever sends no key, no message, or nothing at all, takes nothing
/// from the calls that are worked on.
///
/// Calls that are not in the contract, as those of health, are passed on within their own limits.
#[derive(Clone, Debug)]
pub(crate) struct ReceptionLayer(Arc<ReceptionParts>);

/// What a [`ReceptionLayer`] consists of.
#[derive(Debug)]
pub(crate) struct ReceptionParts {
    /// Finds out who calls.
    pub(crate) authenticator: Authenticator,
    /// The memory for messages.
    pub(crate) memory: TenantQuota,
    /// The calls of each connection whose messages are not complete.
    pub(crate) unfinished: Arc<Shares<ConnectionId>>,
    /// How long a message may take to arrive.
    pub(crate) message_timeout: Duration,
    /// The most metadata of a status, in bytes, whatever its caller takes.
    pub(crate) max_status_bytes: usize,
    /// Finds out how long calls were on their way.
    pub(crate) transits: Transits,
    /// Limits the calls that are worked on.
    pub(crate) admission: Admission,
    /// Slows down tenants whose calls are rejected and come back too soon.
    pub(crate) refusals: Refusals,
    /// Limits the calls that are not in the contract.
    pub(crate) diagnostics: Diagnostics,
    /// Counts the calls of each tenant, if that is wanted.
    pub(crate) tenants: Option<TenantMetrics>,
}

impl ReceptionLayer {
    pub(crate) fn new(parts: ReceptionParts) -> Self {
        Self(Arc::new(parts))
    }
}

/// The service of [`ReceptionLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Reception<S> {
    inner: S,
    parts: Arc<ReceptionParts>,
}

impl<S> Layer<S> for ReceptionLayer {
    type Service = Reception<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Reception { inner, parts: Arc::clone(&self.0) }
    }
}

impl<S, B> Service<Request<B>> for Reception<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(access) = wire::access(request.uri().path()) else {
            let (request, place) = match self.parts.diagnostics.admit(request) {
                Ok(admitted) => admitted,
                Err(status) => return Box::pin(ready(Ok(status.into_http()))),
            };
            let call = self.inner.call(request);
            return Box::pin(async move {
                let mut response = call.await?;
                hold_until_sent(&mut response, place);
                Ok(response)
            });
        };
        // The clone takes the place of the service that is ready.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let parts = Arc::clone(&self.parts);
        Box::pin(async move {
            match parts.run(access, request, inner).await {
                Ok(response) => Ok(response),
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

impl ReceptionParts {
    async fn run<S, B>(
        &self,
        access: Access,
        request: Request<B>,
        inner: S,
    ) -> Result<Response<Body>, Status>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        B: HttpBody<Data = Bytes>,
    {
        self.admission.check(access).map_err(|error| status::of_layer(&error))?;
        let arrived = Instant::now();
        let (mut parts, body) = request.into_parts();
        let caller = self.authenticate(&parts).await?;
        telemetry::record_caller(caller.tenant.get(), caller.key.get());
        if let Some(tenants) = &self.tenants {
            tenants.called(caller.tenant);
        }

        let delay = self.transits.delay(arrived, &parts.headers);
        if delay.is_zero() {
            return self.receive(access, caller, (parts, body), inner).await;
        }
        let exceeded = || status::of_layer(&Error::DeadlineExceeded);
        let deadline = CallDeadline::bring_forward(&mut parts.extensions, delay);
        // Where it has passed, the caller was told so: nothing of the call may be begun.
        let deadline = deadline.filter(|deadline| *deadline > Instant::now());
        let call = self.receive(access, caller, (parts, body), inner);
        timeout_at(deadline.ok_or_else(exceeded)?, call).await.map_err(|_| exceeded())?
    }

    async fn authenticate(&self, parts: &Parts) -> Result<Principal, Status> {
        let client = Client::of(&parts.extensions);
        let is_certain = !parts.headers.contains_key(&header::ADDRESS_UNCERTAIN);
        let arrival = Arrival {
            client: &client,
            certain_address: client.certain_address().filter(|_| is_certain),
            request_id: telemetry::request_id::of(&parts.extensions),
            connection: ConnectionId::of(&parts.extensions),
            bytes: message::head_bytes(&parts.headers),
        };
        let (key, hosts) = (auth::api_key(&parts.headers), NamedHosts::of(parts, &client));
        let caller = self.authenticator.authenticate(key, &arrival, &hosts);
        caller.await.map_err(|error| {
            causes::log(&error);
            status::of_layer(&error)
        })
    }

    /// Receives the message of an authenticated caller, and runs the call.
    async fn receive<S, B>(
        &self,
        access: Access,
        caller: Principal,
        (mut parts, body): (Parts, B),
        mut inner: S,
    ) -> Result<Response<Body>, Status>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        B: HttpBody<Data = Bytes>,
    {
        let deadline = CallDeadline::of(&parts.extensions);
        if let Err(error) = self.admission.check_tenant(parts.uri.path(), caller.tenant) {
            // Nothing of the call takes memory while its rejection is held back.
            drop((parts, body));
            return Err(self.refuse(&error, caller.tenant, deadline).await);
        }
        let mut memory = self.memory.permit(caller.tenant);
        let form = (Framing::of(&parts.extensions), RequestLayout::of(parts.uri.path()));
        let head_bytes = message::head_bytes(&parts.headers);
        let unfinished = (&self.unfinished, ConnectionId::of(&parts.extensions));
        let receiving = message::receive(body, form, head_bytes, &mut memory, unfinished);
        let message = timeout(self.message_timeout, receiving)
            .await
            .map_err(|_| status::of_layer(&Error::DeadlineExceeded))??;

        // Others of the tenant's calls may have come before the message did.
        if let Err(error) = self.admission.check_tenant(parts.uri.path(), caller.tenant) {
            drop((parts, message, memory));
            return Err(self.refuse(&error, caller.tenant, deadline).await);
        }
        let directory = match self.admission.admit_to_directory(parts.uri.path(), &caller) {
            Ok(permit) => permit,
            Err(error) => {
                drop((parts, message, memory));
                return Err(self.refuse(&error, caller.tenant, deadline).await);
            }
        };
        let permit = self.admission.admit(access, &Client::of(&parts.extensions), caller.tenant);
        let permit = match permit {
            Ok(permit) => permit,
            Err(error) => {
                drop((parts, message, memory, directory));
                return Err(self.refuse(&error, caller.tenant, deadline).await);
            }
        };
        let max_status_bytes =
            call_context::max_status_bytes(&parts.headers, self.max_status_bytes);
        parts.extensions.insert(CallContext { caller, max_status_bytes });
        let request = Request::from_parts(parts, Body::new(Full::new(message)));
        let Ok(mut response) = inner.call(request).await;
        if let Some(ResponseBytes(bytes)) = response.extensions_mut().remove() {
            // As a message, and encoded.
            memory.force(2 * bytes);
        }
        let status_bytes = message::headers_bytes(response.headers());
        if status_bytes > limits::STATUS_BYTES {
            // One that is so large lists what is invalid: nothing was changed, so it can be refused. As
            // headers, and encoded.
            memory.grow(2 * status_bytes).map_err(|error| status::of_layer(&error))?;
        }
        hold_until_sent(&mut response, (permit, directory, memory));
        Ok(response)
    }

    /// Returns the status of a call that is rejected, once the tenant may have it.
    async fn refuse(
        &self,
        error: &Error,
        tenant: TenantId,
        deadline: Option<std::time::Instant>,
    ) -> Status {
        self.refusals.hold_back(tenant, deadline).await;
        status::of_layer(error)
    }
}
