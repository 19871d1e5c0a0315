//! Tells the protocols apart, and translates those of browsers.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Version,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body_util::Full;
use proto::wire::header;
use serving::{Client, Quota, Resource, watch_body};
use tokio::time::Instant;
use tonic::{
    Status,
    body::Body,
    codegen::{Body as HttpBody, StdError},
};
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service, ServiceExt as _};

use super::{
    connect, connect_error,
    protocol::{NoCall, Protocol},
    schema::Schemas,
};
use crate::layers::{Framing, grpc_timeout};

/// The most requests at once whose bodies are read only to discard them. One client address has its share
/// of them.
const DISCARDED_BODIES: usize = 256;

/// How long what is left of a body is discarded, so that its client does not miss the response.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// The protocols that are served besides gRPC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WebProtocols {
    pub(crate) grpc_web: bool,
    pub(crate) connect: bool,
}

/// Passes calls of gRPC on, and those of other protocols as calls of gRPC. Their responses are translated
/// back.
#[derive(Clone, Debug)]
pub(crate) struct WebLayer {
    protocols: WebProtocols,
    schemas: Arc<Schemas>,
    max_timeout: Duration,
    discards: Arc<Quota>,
}

impl WebLayer {
    /// Creates a layer around one that ends every call after `max_timeout` at the latest, for clients each
    /// of whose addresses has `share_percent`.
    pub(crate) fn new(
        protocols: WebProtocols,
        schemas: Arc<Schemas>,
        max_timeout: Duration,
        share_percent: u8,
    ) -> Self {
        let discards = Quota::new(Resource::DiscardedBodies, DISCARDED_BODIES, share_percent);
        Self { protocols, schemas, max_timeout, discards }
    }

    /// Returns the time by which a call with these headers must be over; `None` if that is beyond the range
    /// of the clock.
    fn deadline(&self, protocol: Result<Protocol, NoCall>, headers: &HeaderMap) -> Option<Instant> {
        let granted = match protocol {
            Ok(Protocol::Connect(_)) => connect::timeout(headers),
            Ok(Protocol::Grpc | Protocol::GrpcWeb(_)) => grpc_timeout(headers),
            Err(_) => None,
        };
        let max = self.max_timeout;
        Instant::now().checked_add(granted.map_or(max, |granted| granted.min(max)))
    }
}

/// The service of [`WebLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Web<S> {
    grpc: S,
    grpc_web: GrpcWebService<S>,
    layer: WebLayer,
}

impl<S: Clone> Layer<S> for WebLayer {
    type Service = Web<S>;

    fn layer(&self, grpc: S) -> Self::Service {
        let grpc_web = GrpcWebLayer::new().layer(grpc.clone());
        Web { grpc, grpc_web, layer: self.clone() }
    }
}

impl<S, B> Service<Request<B>> for Web<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.grpc.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request = request.map(Body::new);
        match Protocol::of(&request) {
            Ok(Protocol::Grpc) => Box::pin(self.grpc.call(request)),
            protocol => {
                let web = self.clone();
                Box::pin(async move { Ok(web.answer(protocol, request).await) })
            }
        }
    }
}

impl<S> Web<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    /// Answers a request that is no call of gRPC.
    async fn answer(
        self,
        protocol: Result<Protocol, NoCall>,
        request: Request<Body>,
    ) -> Response<Body> {
        // HTTP/2 tells the client that its body is not wanted, HTTP/1.1 can't.
        if request.version() == Version::HTTP_2 {
            return self.translate(protocol, request).await;
        }
        let deadline = self.layer.deadline(protocol, request.headers());
        let mut discard = self.layer.discards.permit(&Client::of(request.extensions()));
        let (request, unread) = watch_body(request, Body::new);
        let response = self.translate(protocol, request).await;
        // A caller whose deadline has passed gets the response at once.
        let read_until = Instant::now() + DISCARD_TIMEOUT;
        let read_until = deadline.map_or(read_until, |deadline| deadline.min(read_until));
        unread.discard_until(read_until, || discard.grow(1).ok()).await;
        response
    }

    async fn translate(
        self,
        protocol: Result<Protocol, NoCall>,
        mut request: Request<Body>,
    ) -> Response<Body> {
        let served = self.layer.protocols;
        match protocol {
            Ok(Protocol::GrpcWeb(encoding)) if served.grpc_web => {
                encoding.set(request.headers_mut());
                let Ok(response) = self.grpc_web.oneshot(request).await;
                response
            }
            Ok(Protocol::Connect(framing)) if served.connect => {
                let schemas = Arc::clone(&self.layer.schemas);
                connect_error::from_grpc(&schemas, self.connect(request, framing).await)
            }
            Ok(_) => refusal(NoCall::ContentType, served),
            Err(no_call) => refusal(no_call, served),
        }
    }

    async fn connect(self, request: Request<Body>, framing: Framing) -> Response<Body> {
        match connect::to_grpc(request, framing) {
            Ok(request) => {
                let Ok(response) = self.grpc.oneshot(request).await;
                response
            }
            Err(status) => Status::into_http(status),
        }
    }
}

/// Returns the response to a request that is no call.
fn refusal(no_call: NoCall, served: WebProtocols) -> Response<Body> {
    let (status, text) = match no_call {
        NoCall::Method => (StatusCode::METHOD_NOT_ALLOWED, "calls are made with POST\n"),
        NoCall::ContentType => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content-type is that of no protocol here\n")
        }
        NoCall::Version => {
            (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC needs HTTP/2; gRPC-Web does not\n")
        }
    };
    let mut response = Response::new(Body::new(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    match no_call {
        NoCall::Method => headers.insert(ALLOW, HeaderValue::from_static("POST")),
        NoCall::ContentType | NoCall::Version => {
            headers.insert(header::ACCEPT_POST.clone(), HeaderValue::from_static(served.types()))
        }
    };
    response
}

impl WebProtocols {
    /// The content types of calls.
    const fn types(self) -> &'static str {
        match (self.grpc_web, self.connect) {
            (true, true) => {
                "application/grpc, application/grpc-web, application/grpc-web-text, \
                 application/json, application/proto"
            }
            (true, false) => "application/grpc, application/grpc-web, application/grpc-web-text",
            (false, true) => "application/grpc, application/json, application/proto",
            (false, false) => "application/grpc",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use http_body_util::BodyExt as _;
    use tokio::time::sleep;
    use tower::service_fn;

    use super::*;

    /// Returns after how long a call is answered that leaves its body unread, and takes 100 ms.
    async fn answered_after(request: http::request::Builder) -> Duration {
        let call = service_fn(async |request: Request<Body>| {
            sleep(Duration::from_millis(100)).await;
            drop(request);
            Ok::<_, Infallible>(Status::deadline_exceeded("late").into_http())
        });
        let protocols = WebProtocols { grpc_web: true, connect: true };
        let schemas = Arc::new(Schemas::new().unwrap());
        let web = WebLayer::new(protocols, schemas, Duration::from_secs(60), 100).layer(call);
        // A body whose end does not come.
        let end = pending::<Option<Result<HeaderMap, Infallible>>>();
        let body = Full::new(Bytes::from_static(b"{")).with_trailers(end);
        let start = Instant::now();
        let Ok(_) = web.oneshot(request.body(body).unwrap()).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_body_is_waited_for_up_to_the_deadline_only() {
        let millis = Duration::from_millis;
        let path = "/caseload.tasks.v1.TaskService/GetTask";
        for (content_type, name, timeouts) in [
            ("application/json", "connect-timeout-ms", ["100", "1000", "9999"]),
            ("application/grpc-web", "grpc-timeout", ["100m", "1S", "9S"]),
        ] {
            let waits = [millis(100), millis(1000), millis(2100)];
            for (timeout, wait) in timeouts.into_iter().zip(waits) {
                let request = Request::post(path).header(CONTENT_TYPE, content_type);
                let elapsed = answered_after(request.header(name, timeout)).await;
                assert!((wait..wait + millis(10)).contains(&elapsed), "{timeout}: {elapsed:?}");
            }
        }
    }
}
