//! Responses of the origin, which is the server (RFC 9110, 3.6). A proxy before it may respond
//! instead, with plain HTTP or with a gRPC status of its own.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response, StatusCode, header};
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use proto::wire::header::GRPC_STATUS;
use tonic::{Code, body::Body, codegen::StdError};
use tower::Service;
use traces::Span;

use super::{call_span, details, intermediary::IntermediaryResponse, transport::Transport};

/// A transport that accepts the origin's responses, and turns all others into errors. tonic would
/// infer a code from them, and their author would be unknown.
#[derive(Clone, Debug)]
pub(crate) struct OriginResponses<T> {
    transport: T,
    /// The span of the call, if its trace is recorded.
    span: Span,
}

impl<T> OriginResponses<T> {
    pub(super) fn new(transport: T) -> Self {
        Self { transport, span: Span::NONE }
    }

    /// Has the origin continue the trace in a span of the call.
    pub(super) fn in_span(self, span: Span) -> Self {
        Self { span, ..self }
    }
}

/// A response to come. It is a type of its own so that a call needs no allocation for it.
pub(crate) struct OriginResponse<F>(F);

/// The body of an origin's response. Trailers that tonic would panic over are an error.
#[derive(Debug)]
pub(crate) struct OriginBody<B>(B);

impl<T: Transport> Service<Request<Body>> for OriginResponses<T> {
    type Response = Response<OriginBody<T::ResponseBody>>;
    type Error = StdError;
    type Future = OriginResponse<T::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.transport.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if self.span.is_recording() {
            call_span::send(&self.span, &mut request);
        }
        OriginResponse(self.transport.call(request))
    }
}

impl<F, B, E> Future for OriginResponse<F>
where
    F: Future<Output = Result<Response<B>, E>> + Unpin,
    E: Into<StdError>,
{
    type Output = Result<Response<OriginBody<B>>, StdError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|response| from_origin(response.map_err(Into::into)?))
    }
}

impl<B> HttpBody for OriginBody<B>
where
    B: HttpBody<Data = Bytes, Error: Into<StdError>> + Unpin,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        Pin::new(&mut self.0).poll_frame(context).map(|frame| match frame? {
            Ok(frame) if frame.trailers_ref().is_some_and(details::are_unreadable) => {
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

/// The trailers of a response have a status whose details are not base64.
#[derive(Debug, thiserror::Error)]
#[error("the details of a status are not base64")]
struct UnreadableDetails;

/// Accepts a response that the origin wrote: gRPC whose status is still to come, or an error with
/// a reason of the server's.
///
/// # Errors
/// [`IntermediaryResponse`].
pub(crate) fn from_origin<B>(response: Response<B>) -> Result<Response<OriginBody<B>>, StdError> {
    let code = response.headers().get(&GRPC_STATUS);
    let is_of_origin = match code {
        None => response.status() == StatusCode::OK && is_grpc(response.headers()),
        Some(_) => details::read_status(response.headers())
            .is_some_and(|status| details::is_of_origin(&status)),
    };
    if is_of_origin {
        return Ok(response.map(OriginBody));
    }
    let code = code.map(|code| Code::from_bytes(code.as_bytes()));
    let (head, _body) = response.into_parts();
    Err(IntermediaryResponse { status: head.status, code, headers: head.headers }.into())
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|content_type| content_type.as_bytes().starts_with(b"application/grpc"))
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};
    use proto::wire::header::GRPC_STATUS_DETAILS;
    use tonic::Status;
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    fn error(domain: &str) -> Response<Body> {
        let details = ErrorDetails::with_error_info("SOME_REASON", domain, []);
        Status::with_error_details(Code::Unavailable, "", details).into_http()
    }

    fn plain(status: u16, content_type: &str) -> Response<Body> {
        let response = Response::builder().status(status).header("content-type", content_type);
        response.body(Body::empty()).unwrap()
    }

    #[test]
    fn responses_of_the_origin_are_accepted() {
        for response in [
            plain(200, "application/grpc"),
            plain(200, "application/grpc+proto"),
            error("caseload"),
        ] {
            assert!(from_origin(response).is_ok());
        }
    }

    #[tokio::test]
    async fn trailers_with_unreadable_details_are_an_error() {
        for (details, is_readable) in [(Some("CAM"), true), (None, true), (Some("%"), false)] {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "14".parse().unwrap());
            trailers.extend(
                details.map(|details| (GRPC_STATUS_DETAILS.clone(), details.parse().unwrap())),
            );
            let body = Full::new(Bytes::from("a")).with_trailers(async { Some(Ok(trailers)) });
            let mut body = OriginBody(Body::new(body));
            assert!(body.frame().await.unwrap().unwrap().is_data());
            assert_eq!(body.frame().await.unwrap().is_ok(), is_readable, "{details:?}");
            assert!(body.frame().await.is_none());
        }
    }

    #[test]
    fn responses_of_intermediaries_are_an_error_with_their_status_and_code() {
        let mut not_base64 = error("caseload");
        not_base64.headers_mut().insert("grpc-status-details-bin", "%".parse().unwrap());
        for (response, status, code) in [
            (plain(200, "text/html"), 200, None),
            (plain(200, ""), 200, None),
            (plain(502, "application/grpc"), 502, None),
            (plain(413, "text/html"), 413, None),
            (Status::unavailable("no healthy upstream").into_http(), 200, Some(Code::Unavailable)),
            (Status::new(Code::Ok, "").into_http(), 200, Some(Code::Ok)),
            (error("example.com"), 200, Some(Code::Unavailable)),
            (not_base64, 200, Some(Code::Unavailable)),
        ] {
            let error = from_origin(response).unwrap_err();
            let response = error.downcast_ref::<IntermediaryResponse>().unwrap();
            assert_eq!((response.status.as_u16(), response.code), (status, code), "{response}");
        }
    }
}
