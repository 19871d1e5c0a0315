//! The span of an attempt at a call.

use http::{Request, Uri};
use proto::wire::header::TRACEPARENT;
use tonic::Code;
use traces::{Kind, Span};

use super::failure::Failure;

/// The name until the call is sent, which has the method.
const CALL: &str = "grpc";

/// Begins the span of an attempt at a call to the server at this address, as a part of the request that is served.
/// It is none if that is not recorded.
pub(super) fn begin(server: &Uri) -> Span {
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
    span
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

/// Ends the span of an attempt that failed so, if it did.
pub(super) fn end(span: &Span, failure: Option<&Failure>) {
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
