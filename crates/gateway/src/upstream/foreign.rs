//! Answers that the server did not write. A proxy before it may answer in its stead, with plain
//! HTTP or with a gRPC status of its own.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response, StatusCode, header};
use tonic::{
    Code, Status,
    body::Body,
    codegen::StdError,
    metadata::MetadataMap,
    transport::{Channel, channel::ResponseFuture},
};
use tonic_types::StatusExt as _;
use tower::Service;

/// The domain of the server's reasons, in google.rpc.ErrorInfo.
const DOMAIN: &str = "caseload";

/// A channel that lets the server's own answers through, and makes errors of all others: tonic
/// would infer a code of them, and who wrote them would be lost.
#[derive(Clone, Debug)]
pub(super) struct OwnAnswers(pub(super) Channel);

/// The answer to come. It is a type of its own so that no call needs an allocation for it.
pub(super) struct OwnAnswer(ResponseFuture);

impl Service<Request<Body>> for OwnAnswers {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = OwnAnswer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Service::poll_ready(&mut self.0, context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> OwnAnswer {
        OwnAnswer(Service::call(&mut self.0, request))
    }
}

impl Future for OwnAnswer {
    type Output = Result<Response<Body>, StdError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| own_or_error(answer?))
    }
}

/// An answer that the server did not write. What it proves is judged in `failure`.
#[derive(Debug)]
pub(super) struct ForeignAnswer {
    pub(super) status: StatusCode,
    /// The gRPC code, where it has one.
    pub(super) code: Option<Code>,
    pub(super) headers: HeaderMap,
}

impl std::error::Error for ForeignAnswer {}

impl fmt::Display for ForeignAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status.as_u16())?;
        for name in ["server", "grpc-status", "grpc-message"] {
            if let Some(value) = self.headers.get(name) {
                write!(f, ", {name}: {value:?}")?;
            }
        }
        Ok(())
    }
}

fn own_or_error(response: Response<Body>) -> Result<Response<Body>, StdError> {
    let code = response.headers().get("grpc-status");
    let is_own = match code {
        None => response.status() == StatusCode::OK && is_grpc(response.headers()),
        Some(_) => is_own_refusal(response.headers()),
    };
    if is_own {
        return Ok(response);
    }
    let code = code.map(|code| Code::from_bytes(code.as_bytes()));
    let (head, _body) = response.into_parts();
    Err(ForeignAnswer { status: head.status, code, headers: head.headers }.into())
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|content_type| content_type.as_bytes().starts_with(b"application/grpc"))
}

/// Whether these headers, which have a status, tell of a refusal by the server.
fn is_own_refusal(headers: &HeaderMap) -> bool {
    let metadata = MetadataMap::from_headers(headers.clone());
    // tonic panics over details that are no base64.
    let details = metadata.get_bin("grpc-status-details-bin").map(|value| value.to_bytes());
    matches!(details, Some(Ok(_))) && Status::from_header_map(headers).is_some_and(|s| is_own(&s))
}

/// Whether the server wrote a status: each of its own has a reason of its domain.
pub(super) fn is_own(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.domain == DOMAIN)
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn refusal(domain: &str) -> Response<Body> {
        let details = ErrorDetails::with_error_info("SOME_REASON", domain, []);
        Status::with_error_details(Code::Unavailable, "", details).into_http()
    }

    fn plain(status: u16, content_type: &str) -> Response<Body> {
        let response = Response::builder().status(status).header("content-type", content_type);
        response.body(Body::empty()).unwrap()
    }

    #[test]
    fn what_the_server_wrote_is_let_through() {
        for response in [
            plain(200, "application/grpc"),
            plain(200, "application/grpc+proto"),
            refusal("caseload"),
        ] {
            assert!(own_or_error(response).is_ok());
        }
    }

    #[test]
    fn what_others_wrote_is_an_error_that_tells_what_it_was() {
        let mut no_base64 = refusal("caseload");
        no_base64.headers_mut().insert("grpc-status-details-bin", "%".parse().unwrap());
        for (response, status, code) in [
            (plain(200, "text/html"), 200, None),
            (plain(200, ""), 200, None),
            (plain(502, "application/grpc"), 502, None),
            (plain(413, "text/html"), 413, None),
            (Status::unavailable("no healthy upstream").into_http(), 200, Some(Code::Unavailable)),
            (Status::new(Code::Ok, "").into_http(), 200, Some(Code::Ok)),
            (refusal("example.com"), 200, Some(Code::Unavailable)),
            (no_base64, 200, Some(Code::Unavailable)),
        ] {
            let error = own_or_error(response).unwrap_err();
            let foreign = error.downcast_ref::<ForeignAnswer>().unwrap();
            assert_eq!((foreign.status.as_u16(), foreign.code), (status, code), "{foreign}");
        }
    }
}
