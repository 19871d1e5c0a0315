//! The messages of calls that don't come in the framing of gRPC.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use proto::wire::{Reason, header};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::schema::Schemas;
use crate::{
    layers::{Framing, ResponseBytes, framed, message_of},
    status,
};

/// What Connect puts before the names of a response's trailers, which are headers there.
const TRAILER_PREFIX: &str = "trailer-";

/// Translates the message of a call that was received and admitted, and the response's: from JSON, and
/// into JSON, and between gRPC's framing and none. Calls of gRPC are passed on as they are.
///
/// A message of many parts is large in between, but only for as long as one is translated, without a
/// pause: no thread has more than one.
#[derive(Clone, Debug)]
pub(crate) struct TranslationLayer(pub(crate) Arc<Schemas>);

/// The service of [`TranslationLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Translation<S> {
    inner: S,
    schemas: Arc<Schemas>,
}

impl<S> Layer<S> for TranslationLayer {
    type Service = Translation<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Translation { inner, schemas: Arc::clone(&self.0) }
    }
}

impl<S> Service<Request<Body>> for Translation<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let framing = Framing::of(request.extensions());
        if framing == Framing::Grpc {
            return Box::pin(self.inner.call(request));
        }
        // The clone takes the place of the service that is ready.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let schemas = Arc::clone(&self.schemas);
        Box::pin(async move {
            let translated = translate(&schemas, framing, request, inner).await;
            Ok(translated.unwrap_or_else(Status::into_http))
        })
    }
}

async fn translate<S>(
    schemas: &Schemas,
    framing: Framing,
    request: Request<Body>,
    mut inner: S,
) -> Result<Response<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let path = request.uri().path().to_owned();
    let (parts, body) = request.into_parts();
    // The whole of it was received.
    let message = body.collect().await?.to_bytes();
    let body = match framing {
        Framing::Grpc => message,
        Framing::Protobuf => framed(&message),
        Framing::Json => framed(&schemas.request_of_json(&path, &message)?),
    };
    let Ok(response) = inner.call(Request::from_parts(parts, Body::new(Full::new(body)))).await;
    if Status::from_header_map(response.headers()).is_some() {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    if let Some(status) = failure(&trailers) {
        return Err(status);
    }
    add_trailers(&mut parts.headers, trailers);
    let message = message_of(body.to_bytes());
    let (content_type, body) = match framing {
        Framing::Grpc | Framing::Protobuf => ("application/proto", message),
        Framing::Json => {
            ("application/json", Bytes::from(schemas.json_of_response(&path, message)?))
        }
    };
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(ResponseBytes(bytes)) = parts.extensions.get_mut() {
        *bytes = body.len().max(*bytes);
    }
    Ok(Response::from_parts(parts, Body::new(Full::new(body))))
}

/// Returns the status in the trailers, if it is one of a failure or if there is none.
fn failure(trailers: &HeaderMap) -> Option<Status> {
    match Status::from_header_map(trailers) {
        Some(status) if status.code() == tonic::Code::Ok => None,
        Some(status) => Some(status),
        None => Some(status::with_reason(Reason::Internal, "internal error")),
    }
}

/// Adds the trailers of a response to its headers, as Connect has it.
fn add_trailers(headers: &mut HeaderMap, trailers: HeaderMap) {
    let of_status = [&header::GRPC_STATUS, &header::GRPC_MESSAGE, &header::GRPC_STATUS_DETAILS];
    for (name, value) in trailers.iter().filter(|(name, _)| !of_status.contains(name)) {
        if let Ok(name) = HeaderName::try_from(format!("{TRAILER_PREFIX}{name}")) {
            headers.append(name, value.clone());
        }
    }
}
