//! The protocols of calls.

use http::{HeaderMap, Method, Request, Version, header::CONTENT_TYPE};

use super::{grpc_web::Encoding, media_type::media_type};
use crate::layers::Framing;

/// The protocol of a call, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web.
    GrpcWeb(Encoding),
    /// A unary call of Connect, with a message in this form.
    Connect(Framing),
}

/// Why a request is no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoCall {
    /// Its method is not POST.
    Method,
    /// Its content type is that of no protocol.
    ContentType,
    /// It is gRPC over HTTP/1.1, which has no place for its status.
    Version,
}

impl Protocol {
    /// Returns the protocol of a request.
    ///
    /// # Errors
    /// Every [`NoCall`].
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, NoCall> {
        let protocol = Self::of_headers(request.headers());
        match protocol {
            Some(Self::Grpc) if request.version() == Version::HTTP_2 => Ok(Self::Grpc),
            _ if request.method() != Method::POST => Err(NoCall::Method),
            Some(Self::Grpc) => Err(NoCall::Version),
            Some(protocol) => Ok(protocol),
            None => Err(NoCall::ContentType),
        }
    }

    fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        match media_type(value).as_str() {
            "application/grpc" | "application/grpc+proto" => Some(Self::Grpc),
            "application/proto" => Some(Self::Connect(Framing::Protobuf)),
            "application/json" => Some(Self::Connect(Framing::Json)),
            other => Encoding::of(other).map(Self::GrpcWeb),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, version: Version, content_type: &str) -> Result<Protocol, NoCall> {
        let request = Request::builder().method(method).version(version);
        Protocol::of(&request.header(CONTENT_TYPE, content_type).body(()).unwrap())
    }

    #[test]
    fn the_content_type_tells_the_protocol() {
        for (content_type, protocol) in [
            ("application/grpc", Ok(Protocol::Grpc)),
            ("application/grpc+proto", Ok(Protocol::Grpc)),
            ("application/grpc-web", Ok(Protocol::GrpcWeb(Encoding::Binary))),
            ("application/grpc-web+proto", Ok(Protocol::GrpcWeb(Encoding::Binary))),
            ("application/grpc-web-text", Ok(Protocol::GrpcWeb(Encoding::Base64))),
            ("application/grpc-web-text+proto", Ok(Protocol::GrpcWeb(Encoding::Base64))),
            ("Application/gRPC-Web; a=b", Ok(Protocol::GrpcWeb(Encoding::Binary))),
            ("application/grpc-web+json", Err(NoCall::ContentType)),
            ("application/proto", Ok(Protocol::Connect(Framing::Protobuf))),
            ("application/json", Ok(Protocol::Connect(Framing::Json))),
            ("Application/JSON; charset=utf-8", Ok(Protocol::Connect(Framing::Json))),
            ("application/connect+json", Err(NoCall::ContentType)),
            ("text/plain", Err(NoCall::ContentType)),
            ("", Err(NoCall::ContentType)),
        ] {
            assert_eq!(of(Method::POST, Version::HTTP_2, content_type), protocol, "{content_type}");
        }
        assert_eq!(Protocol::of(&Request::post("/").body(()).unwrap()), Err(NoCall::ContentType));
    }

    #[test]
    fn calls_are_posts_and_grpc_needs_http_2() {
        let grpc = "application/grpc";
        assert_eq!(of(Method::POST, Version::HTTP_11, grpc), Err(NoCall::Version));
        for (version, content_type) in
            [(Version::HTTP_11, grpc), (Version::HTTP_2, "application/json")]
        {
            assert_eq!(of(Method::GET, version, content_type), Err(NoCall::Method));
        }
        // tonic answers it.
        assert_eq!(of(Method::GET, Version::HTTP_2, grpc), Ok(Protocol::Grpc));
    }
}
