//! The span of an attempt at a call.

use http::{Request, Uri};
use proto::wire::header::TRACEPARENT;
use tonic::Code;
use traces::{Kind, Span};

use super::failure::Failure;

/// The name until the call is sent, which has the method.
const CALL: &str = "grpc";

/// The span of an attempt at a call; nothing if the request that is served is not recorded. One that is dropped was
/// given up by its caller.
#[derive(Debug)]
pub(super) struct CallSpan {
    span: Span,
    has_ended: bool,
}

impl CallSpan {
    /// Begins the span of an attempt at a call to the server at this address, as a part of the current one.
    pub(super) fn begin(server: &Uri) -> Self {
        let span = traces::current().child(Kind::Client, CALL);
        if span.is_recording() {
            span.set("rpc.system", "grpc");
            if let Some(host) = server.host() {
                span.set("server.address", host.to_owned());
            }
            if let Some(port) = server.port_u16() {
                span.set("server.port", port);
            }
        }
        Self { span, has_ended: false }
    }

    /// Returns the span itself.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Ends the span of an attempt that failed so, if it did.
    pub(super) fn end(mut self, failure: Option<&Failure>) {
        self.has_ended = true;
        let span = &self.span;
        if !span.is_recording() {
            return;
        }
        let (code, kind) = match failure {
            None => (Some(Code::Ok), None),
            Some(Failure::Status(status)) => (Some(status.code()), None),
            Some(Failure::Unreached) => (None, Some("unreached")),
            Some(Failure::Rejected(_)) => (None, Some("rejected")),
            Some(Failure::TimedOut) => (None, Some("timed_out")),
            Some(Failure::Lost) => (None, Some("lost")),
        };
        if let Some(code) = code {
            span.set("rpc.grpc.status_code", i64::from(i32::from(code)));
        }
        if let Some(kind) = kind {
            span.set("error.type", kind);
        }
        if failure.is_some() {
            span.fail();
        }
        span.end();
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        if !self.has_ended && self.span.is_recording() {
            self.span.set("error.type", "given_up");
            self.span.fail();
            self.span.end();
        }
    }
}

/// Names the span by the method that is called, and has the server continue the trace in it.
pub(super) fn send<B>(span: &Span, request: &mut Request<B>) {
    let path = request.uri().path().trim_start_matches('/');
    span.rename(|| path.to_owned().into());
    if let Some((service, method)) = path.split_once('/') {
        span.set("rpc.service", service.to_owned());
        span.set("rpc.method", method.to_owned());
    }
    if let Some(context) = span.context() {
        request.headers_mut().insert(&TRACEPARENT, telemetry::traceparent(&context));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Status;
    use traces::{Limits, Root, Sampling, Tracer, Value};

    use super::*;

    #[test]
    fn the_span_of_an_attempt_says_how_it_ended_also_if_it_was_given_up() {
        let sampling = Sampling { is_parent_based: true, root: Root::Always };
        let limits = Limits { queue: 99, batch: 99, delay: Duration::from_secs(3600) };
        let (tracer, ended) = Tracer::new(sampling, limits);
        let (_, request) = tracer.serve(None, || None, "request").unwrap();
        let uri = Uri::from_static("http://server:50051");
        let begin = || request.in_scope(|| CallSpan::begin(&uri));
        begin().end(None);
        begin().end(Some(&Failure::Status(Status::not_found("x"))));
        begin().end(Some(&Failure::Lost));
        drop(begin());
        tracer.close();
        let spans = ended.take().unwrap();
        let outcomes: Vec<_> = spans
            .iter()
            .map(|span| {
                let (name, value) = span.attributes.last().unwrap().clone();
                (span.has_failed, name, value)
            })
            .collect();
        let code = |failed, code| (failed, "rpc.grpc.status_code", Value::Number(code));
        let kind = |kind: &'static str| (true, "error.type", Value::from(kind));
        assert_eq!(outcomes, [code(false, 0), code(true, 5), kind("lost"), kind("given_up")]);
        // Nothing is recorded outside of a request.
        assert!(!CallSpan::begin(&uri).span().is_recording());
    }
}
