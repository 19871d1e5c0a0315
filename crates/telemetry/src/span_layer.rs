//! Begins the trace, or the part of a trace, that a request is.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Method, Request};
use tower::{Layer, Service};
use traces::Tracer;

use crate::trace_context;

/// The paths at which there are probes, of both programs: those of gRPC, and those of the gateway.
const PROBES: [&str; 3] = ["/grpc.health.v1.Health/", "/livez", "/readyz"];

/// Has each request served in a span, whose context then is that of the request's headers: what reads or forwards
/// them knows of nothing else. What is done for the request finds the span by [`traces::current`], names it, and
/// says how it ended.
///
/// A request without a valid context begins a trace, unless it is a probe, of which there are many.
#[derive(Clone, Debug)]
pub struct SpanLayer(Tracer);

impl SpanLayer {
    /// Returns the layer; `None` if no traces are recorded, so that requests don't pass it.
    #[must_use]
    pub fn new(tracer: &Tracer) -> Option<Self> {
        tracer.is_on().then(|| Self(tracer.clone()))
    }
}

impl<S> Layer<S> for SpanLayer {
    type Service = InTrace<S>;

    fn layer(&self, inner: S) -> InTrace<S> {
        InTrace { inner, tracer: self.0.clone() }
    }
}

/// The service of [`SpanLayer`].
#[derive(Clone, Debug)]
pub struct InTrace<S> {
    inner: S,
    tracer: Tracer,
}

impl<S, B> Service<Request<B>> for InTrace<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let parent = trace_context::context(request.headers());
        if parent.is_none() && is_probe(request.uri().path()) {
            return Box::pin(self.inner.call(request));
        }
        let state = parent.and_then(|_| trace_context::state(request.headers()));
        let name = name_of(request.method());
        let Some((context, span)) = self.tracer.serve(parent, || state.clone(), name) else {
            return Box::pin(self.inner.call(request));
        };
        trace_context::write(request.headers_mut(), &context, state.as_deref());
        if !span.is_recording() {
            return Box::pin(self.inner.call(request));
        }
        let response = span.in_scope(|| self.inner.call(request));
        Box::pin(span.run(response))
    }
}

fn is_probe(path: &str) -> bool {
    PROBES.iter().any(|probe| path.starts_with(probe))
}

/// Returns the name of a span until more is known.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "HTTP",
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use http::HeaderMap;
    use proto::wire::header::{TRACEPARENT, TRACESTATE};
    use tower::{ServiceExt as _, service_fn};
    use traces::{EndedSpans, Limits, Root, Sampling};

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn tracer() -> (Tracer, EndedSpans) {
        let sampling = Sampling { is_parent_based: true, root: Root::Always };
        Tracer::new(sampling, Limits { queue: 9, batch: 9, delay: Duration::from_secs(3600) })
    }

    /// Returns the headers with which a request is served, and whether that is in a span.
    async fn served(tracer: &Tracer, path: &str, headers: &[(&str, &str)]) -> (HeaderMap, bool) {
        let seen = Arc::new(Mutex::new(None));
        let service = {
            let seen = Arc::clone(&seen);
            service_fn(move |request: Request<()>| {
                let in_call = traces::current().is_recording();
                let seen = Arc::clone(&seen);
                async move {
                    let in_future = traces::current().is_recording();
                    assert_eq!(in_call, in_future);
                    *seen.lock().unwrap() = Some((request.headers().clone(), in_future));
                    Ok::<_, Infallible>(())
                }
            })
        };
        let request =
            headers.iter().fold(Request::get(path), |r, (name, value)| r.header(*name, *value));
        let service = SpanLayer::new(tracer).unwrap().layer(service);
        service.oneshot(request.body(()).unwrap()).await.unwrap();
        seen.lock().unwrap().take().unwrap()
    }

    #[tokio::test]
    async fn a_request_is_served_with_the_context_of_its_own_span() {
        let (tracer, ended) = tracer();
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        let context =
            [("traceparent", parent.as_str()), ("tracestate", "a=1"), ("tracestate", "b=2")];
        let (headers, is_recorded) = served(&tracer, "/cases", &context).await;
        tracer.close();
        let spans = ended.take().unwrap();
        let [span] = &spans[..] else { panic!("{spans:?}") };
        assert!(is_recorded);
        assert_eq!(headers[&TRACEPARENT], span.context.to_string());
        assert_eq!(headers.get_all(&TRACESTATE).iter().collect::<Vec<_>>(), ["a=1,b=2"]);
        assert_eq!(span.context.trace.to_string(), TRACE);
        assert_eq!(span.parent.unwrap().0.to_string(), "b7ad6b7169203331");
        assert_eq!(span.name, "GET");
    }

    #[tokio::test]
    async fn a_trace_that_is_not_sampled_goes_on_so_and_a_malformed_one_is_replaced() {
        let (tracer, _ended) = tracer();
        let unsampled = format!("00-{TRACE}-b7ad6b7169203331-00");
        let (headers, is_recorded) = served(&tracer, "/", &[("traceparent", &unsampled)]).await;
        let context = trace_context::context(&headers).unwrap();
        assert_eq!((context.trace.to_string().as_str(), context.is_sampled), (TRACE, false));
        assert!(!is_recorded && context.span.to_string() != "b7ad6b7169203331");

        let twice = [("traceparent", unsampled.as_str()); 2];
        for malformed in [&[("traceparent", "00-x")][..], &twice, &[]] {
            let with_state = [malformed, &[("tracestate", "a=1")][..]].concat();
            let (headers, is_recorded) = served(&tracer, "/", &with_state).await;
            let context = trace_context::context(&headers).unwrap();
            assert!(is_recorded && context.is_sampled && context.trace.to_string() != TRACE);
            assert_eq!(headers.get(&TRACESTATE), None);
        }
    }

    #[tokio::test]
    async fn a_probe_begins_no_trace_but_may_be_a_part_of_one() {
        let (tracer, _ended) = tracer();
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        for path in ["/grpc.health.v1.Health/Check", "/livez", "/readyz"] {
            assert_eq!(served(&tracer, path, &[]).await, (HeaderMap::new(), false), "{path}");
            assert!(served(&tracer, path, &[("traceparent", &parent)]).await.1, "{path}");
        }
        assert!(SpanLayer::new(&Tracer::default()).is_none());
    }
}
