//! Where a collector is.

use std::fmt;

use http::{
    Uri,
    uri::{PathAndQuery, Scheme},
};

/// How spans are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// A gRPC call.
    Grpc,
    /// An HTTP request whose body is a protobuf message.
    HttpProtobuf,
}

/// The name in `OTEL_EXPORTER_OTLP_PROTOCOL`.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        })
    }
}

impl Protocol {
    /// Where a collector is that nobody has said the place of.
    pub(super) fn default_endpoint(self) -> &'static str {
        match self {
            Self::Grpc => "http://localhost:4317",
            Self::HttpProtobuf => "http://localhost:4318",
        }
    }
}

/// The bytes before a message of a gRPC call: whether it is compressed, and its length.
pub(super) const FRAME_HEAD: usize = 5;

/// The method that a gRPC call is for.
const GRPC_METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// What is added to an endpoint that is that of all signals.
const TRACES: &str = "v1/traces";

/// Where a collector is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) is_secure: bool,
    /// A name or an address, that of IPv6 in brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: PathAndQuery,
}

impl Endpoint {
    /// Parses a URL. If it is that of all signals, those of traces are sent to `/v1/traces` below it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(
        url: &str,
        protocol: Protocol,
        is_of_all: bool,
    ) -> Result<Self, &'static str> {
        const MALFORMED: &str = "is no URL with http:// or https://";
        let uri: Uri = url.parse().map_err(|_| MALFORMED)?;
        let is_secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(MALFORMED),
        };
        let authority = uri.authority().ok_or(MALFORMED)?;
        if authority.as_str().contains('@') {
            return Err("has a user: credentials belong in OTEL_EXPORTER_OTLP_HEADERS");
        }
        if authority.host().is_empty() {
            return Err(MALFORMED);
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if is_secure => 443,
            Some("") => 80,
            _ => authority.port_u16().filter(|port| *port != 0).ok_or("has no valid port")?,
        };
        let path = match (protocol, is_of_all) {
            (Protocol::Grpc, _) => PathAndQuery::from_static(GRPC_METHOD),
            (Protocol::HttpProtobuf, true) => {
                let base = uri.path().trim_end_matches('/');
                format!("{base}/{TRACES}").parse().map_err(|_| MALFORMED)?
            }
            (Protocol::HttpProtobuf, false) => {
                uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"))
            }
        };
        Ok(Self { is_secure, host: authority.host().to_owned(), port, path })
    }

    /// Returns host and port, as they are in a URL.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Returns the host as it is looked up.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Without the path, which may have a secret.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("is_secure", &self.is_secure)
            .field("authority", &self.authority())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str, protocol: Protocol, is_of_all: bool) -> (bool, String, String) {
        let endpoint = Endpoint::parse(url, protocol, is_of_all).unwrap();
        (endpoint.is_secure, endpoint.authority(), endpoint.path.to_string())
    }

    #[test]
    fn the_path_is_that_of_the_protocol_or_of_the_url() {
        let expected =
            |is_secure, authority: &str, path: &str| (is_secure, authority.into(), path.into());
        for (url, is_of_all, path) in [
            ("http://c:4318", true, "/v1/traces"),
            ("http://c:4318/", true, "/v1/traces"),
            ("http://c:4318/otlp/", true, "/otlp/v1/traces"),
            ("http://c:4318", false, "/"),
            ("http://c:4318/x?key=1", false, "/x?key=1"),
        ] {
            let found = parsed(url, Protocol::HttpProtobuf, is_of_all);
            assert_eq!(found, expected(false, "c:4318", path), "{url}");
            assert_eq!(parsed(url, Protocol::Grpc, is_of_all).2, GRPC_METHOD);
        }
        let found = parsed("https://[::1]/a", Protocol::HttpProtobuf, true);
        assert_eq!(found, expected(true, "[::1]:443", "/a/v1/traces"));
        assert_eq!(parsed("HTTP://c", Protocol::Grpc, true).1, "c:80");
        let endpoint = Endpoint::parse("http://[::1]:1", Protocol::Grpc, true).unwrap();
        assert_eq!(endpoint.bare_host(), "::1");
    }

    #[test]
    fn a_url_that_leads_nowhere_is_refused_and_none_is_shown_whole() {
        for url in [
            "",
            "c:4317",
            "c",
            "ftp://c",
            "http://",
            "http://me:secret@c:4317",
            "http:///x",
            "http://c:",
            "http://c:0",
            "http://c:431700",
            "http://c:4317a",
            "http://[::1]4317",
        ] {
            assert!(Endpoint::parse(url, Protocol::Grpc, true).is_err(), "{url}");
        }
        let endpoint = Endpoint::parse("http://c/secret", Protocol::HttpProtobuf, false).unwrap();
        assert!(!format!("{endpoint:?}").contains("secret"));
    }
}
