//! Measures each call around everything that is done for it.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use proto::wire::header::GRPC_STATUS;
use telemetry::TraceId;
use tonic::{Code, body::Body};
use tower::{Layer, Service};

use super::calls::{CallMetrics, RunningCall};
use crate::status;

/// Counts calls, and measures how long they take.
#[derive(Clone, Debug)]
pub(crate) struct CallMetricsLayer(pub(crate) CallMetrics);

/// The service of [`CallMetricsLayer`].
#[derive(Clone, Debug)]
pub(crate) struct MeasuredCalls<S> {
    inner: S,
    metrics: CallMetrics,
}

impl<S> Layer<S> for CallMetricsLayer {
    type Service = MeasuredCalls<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MeasuredCalls { inner, metrics: self.0.clone() }
    }
}

impl<S, B> Service<Request<B>> for MeasuredCalls<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = MeasuredCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let trace = TraceId::of_sampled(request.headers());
        let running = Some(self.metrics.start(request.uri().path(), trace));
        MeasuredCall { call: self.inner.call(request), running, metrics: self.metrics.clone() }
    }
}

/// A call until the head of its response.
#[derive(Debug)]
pub(crate) struct MeasuredCall<F> {
    call: F,
    running: Option<RunningCall>,
    metrics: CallMetrics,
}

impl<F> Future for MeasuredCall<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(response) = ready!(Pin::new(&mut self.call).poll(cx));
        let mut running = self.running.take();
        // A response without a message has its status here.
        if let Some(code) = code(response.headers()) {
            if let Some(reason) = status::reason_of(&response) {
                self.metrics.refused(reason);
            }
            end(&mut running, code);
            return Poll::Ready(Ok(response));
        }
        Poll::Ready(Ok(response.map(|body| Body::new(MeasuredBody { body, running }))))
    }
}

/// The body of a response, whose trailers have the status of the call.
#[derive(Debug)]
struct MeasuredBody {
    body: Body,
    running: Option<RunningCall>,
}

impl HttpBody for MeasuredBody {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    end(&mut self.running, code(trailers).unwrap_or(Code::Unknown));
                }
            }
            Some(Err(status)) => end(&mut self.running, status.code()),
            None => end(&mut self.running, Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn end(running: &mut Option<RunningCall>, code: Code) {
    if let Some(running) = running.take() {
        running.end(code);
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(&GRPC_STATUS).map(|status| Code::from_bytes(status.as_bytes()))
}
