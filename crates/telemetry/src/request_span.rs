//! The span of a request, whose fields every log line within the request has.

use http::Request;
use tower_http::trace::MakeSpan;
use tracing::{
    Span,
    field::{self, Empty},
};

use crate::{cut::cut, peer_identity::PeerIdentity, request_id, trace_context::trace_id};

/// Opens the span of a request.
#[derive(Clone, Copy, Debug)]
pub struct MakeRequestSpan;

impl<B> MakeSpan<B> for MakeRequestSpan {
    fn make_span(&mut self, request: &Request<B>) -> Span {
        let request_id = request_id::of(request.extensions());
        let recorded = traces::current();
        if recorded.is_recording() {
            recorded.set("caseload.request_id", request_id.to_owned());
        }
        // The id of a request has at most 128 bytes, and that of a trace 32.
        // At the level of errors, so that every log line has it, whatever is filtered.
        tracing::error_span!(
            "request",
            request_id,
            trace_id = trace_id(request.headers()),
            span_id = recorded.context().map(|context| field::display(context.span)),
            method = &*cut(request.method().as_str()),
            path = &*cut(request.uri().path()),
            client_identity = PeerIdentity::of(request.extensions()),
            tenant = Empty,
            key_id = Empty,
        )
    }
}

/// Records in the current span, which must be that of the request, and in its trace, who has sent it: the
/// ids of the tenant and of the API key. The key's id is not a secret.
pub fn record_caller(tenant: i64, key_id: i64) {
    let span = Span::current();
    tracing::record_all!(span, tenant, key_id);
    let recorded = traces::current();
    recorded.set("caseload.tenant", tenant);
    recorded.set("caseload.key_id", key_id);
}
