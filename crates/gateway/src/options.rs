//! How the gateway is configured. Each value has a flag, an environment variable and a default.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use clap::Args;
use http::Uri;
use humantime::parse_duration;

/// How the gateway is configured.
#[derive(Args, Clone, Debug)]
pub struct GatewayOptions {
    /// Where REST is served
    #[arg(
        long,
        global = true,
        env = "CASELOAD_HTTP_ADDR",
        default_value = "127.0.0.1:8080",
        value_name = "ADDR:PORT"
    )]
    pub http_addr: SocketAddr,

    /// How long a call to the server may take
    #[arg(long, env = "CASELOAD_UPSTREAM_TIMEOUT", default_value = "10s", value_parser = parse_duration, value_name = "DURATION")]
    pub upstream_timeout: Duration,
}

/// Where the gRPC server is: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream(pub(crate) Uri);

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no address of a gRPC server.
#[derive(Debug, thiserror::Error)]
#[error("an upstream is written as http://HOST:PORT")]
pub struct MalformedUpstream;

impl FromStr for Upstream {
    type Err = MalformedUpstream;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| MalformedUpstream)?;
        let is_plain = uri.scheme_str() == Some("http")
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.path_and_query().is_none_or(|path| path == "/");
        if is_plain { Ok(Self(uri)) } else { Err(MalformedUpstream) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_plain_http_origin() {
        for text in ["http://127.0.0.1:50051", "http://server:50051/", "http://[::1]:1"] {
            assert!(text.parse::<Upstream>().is_ok(), "{text}");
        }
        for text in
            ["", "server:50051", "https://a:1", "http://a:1/b", "http://me:pw@a:1", "http://"]
        {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
    }
}
