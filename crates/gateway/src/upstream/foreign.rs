//! Answers that the server did not write. A proxy before it may answer in its stead, with plain
//! HTTP or with a gRPC status of its own.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
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

/// A status's details, in base64.
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// A channel that lets the server's own answers through, and makes errors of all others: tonic
/// would infer a code of them, and who wrote them would be lost.
#[derive(Clone, Debug)]
pub(super) struct OwnAnswers(pub(super) Channel);

/// The answer to come. It is a type of its own so that no call needs an allocation for it.
pub(super) struct OwnAnswer(ResponseFuture);

/// The body of an answer that the server wrote. Trailers that tonic would panic over are an error.
#[derive(Debug)]
pub(super) struct OwnBody(Body);

impl Service<Request<Body>> for OwnAnswers {
    type Response = Response<OwnBody>;
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
    type Output = Result<Response<OwnBody>, StdError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| own_or_error(answer?))
    }
}

impl HttpBody for OwnBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        Pin::new(&mut self.0).poll_frame(context).map(|frame| match frame? {
            Ok(frame) if frame.trailers_ref().is_some_and(has_unreadable_details) => {
                Some(Err(UnreadableDetails.into()))
            }
            frame => Some(frame.map_err(Into::into)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// The trailers of an answer have a status whose details are no base64.
#[derive(Debug, thiserror::Error)]
#[error("the details of a status can't be read")]
struct UnreadableDetails;

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

/// Lets an answer through that the server wrote: gRPC with its status still to come, or a refusal with
/// a reason of the server's.
///
/// # Errors
/// [`ForeignAnswer`].
pub(super) fn own_or_error(response: Response<Body>) -> Result<Response<OwnBody>, StdError> {
    let code = response.headers().get("grpc-status");
    let is_own = match code {
        None => response.status() == StatusCode::OK && is_grpc(response.headers()),
        Some(_) => status(response.headers()).is_some_and(|status| is_own(&status)),
    };
    if is_own {
        return Ok(response.map(OwnBody));
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

/// The status that these headers tell of, where they have one that can be read.
pub(super) fn status(headers: &HeaderMap) -> Option<Status> {
    if has_unreadable_details(headers) { None } else { Status::from_header_map(headers) }
}

/// Whether headers have details of a status that are no base64: tonic panics over them.
fn has_unreadable_details(headers: &HeaderMap) -> bool {
    let Some(details) = headers.get(DETAILS) else { return false };
    let details = MetadataMap::from_headers(HeaderMap::from_iter([(DETAILS, details.clone())]));
    details.get_bin(DETAILS.as_str()).is_some_and(|details| details.to_bytes().is_err())
}

/// Whether the server wrote a status: each of its own has a reason of its domain.
pub(super) fn is_own(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.domain == DOMAIN)
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};
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

    #[tokio::test]
    async fn only_trailers_that_can_be_read_are_let_through() {
        for (details, is_readable) in [(Some("CAM"), true), (None, true), (Some("%"), false)] {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "14".parse().unwrap());
            trailers.extend(details.map(|details| (DETAILS, details.parse().unwrap())));
            let body = Full::new(Bytes::from("a")).with_trailers(async { Some(Ok(trailers)) });
            let mut body = OwnBody(Body::new(body));
            assert!(body.frame().await.unwrap().unwrap().is_data());
            assert_eq!(body.frame().await.unwrap().is_ok(), is_readable, "{details:?}");
            assert!(body.frame().await.is_none());
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
