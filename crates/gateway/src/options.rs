//! The options of the gateway: each has a flag, an environment variable and a default.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use clap::{Args, ValueEnum};
use http::{Uri, uri::Scheme};
use proto::wire::limits;
use runtime::command_line::{DAY, MILLISECOND, YEAR, count, duration};
use serving::ConnectionOptions;
use tls::{ClientTls, TlsError};

use crate::upstream_tls::UpstreamTlsOptions;

/// The options of the gateway.
#[derive(Args, Clone, Debug)]
pub struct GatewayOptions {
    /// Address to serve REST on
    #[arg(
        long,
        global = true,
        env = "CASELOAD_HTTP_ADDR",
        default_value = "127.0.0.1:8080",
        value_name = "ADDR:PORT"
    )]
    pub http_addr: SocketAddr,

    /// Longest time that a call to the server may take, reading the request's body included
    #[arg(long, env = "CASELOAD_UPSTREAM_TIMEOUT", default_value = "10s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION")]
    pub upstream_timeout: Duration,

    /// The most requests in flight at once, from the last byte of their bodies on; further ones are
    /// rejected with status 503. The bodies of as many others may be waited for. Health checks are
    /// not counted. There is a connection to the servers for each 2,048 of them
    #[arg(long, env = "CASELOAD_MAX_REQUESTS", default_value_t = 2048, value_parser = count(1_usize..=1_000_000), value_name = "COUNT")]
    pub max_requests: usize,

    /// Memory for the bodies of all requests and responses together, in MiB. A request that needs
    /// more than is left is rejected with status 503. The share of one client address
    /// (--address-share) must be 1.25 MiB at least
    #[arg(long, env = "CASELOAD_BODY_MEMORY", default_value_t = 64, value_parser = count(1_u32..=1024 * 1024), value_name = "MIB")]
    pub body_memory: u32,

    /// Whether GET /docs serves an interactive reference, to which GET / sends browsers
    #[arg(long, env = "CASELOAD_DOCS", default_value = "on", value_name = "on|off")]
    pub docs: Docs,

    /// How long browsers are told to use TLS alone for this host and all of its ports, in the header
    /// Strict-Transport-Security, where the gateway speaks TLS; 0s tells them to forget that
    #[arg(long, env = "CASELOAD_HSTS_MAX_AGE", value_parser = duration(Duration::ZERO..=10 * YEAR), value_name = "DURATION")]
    pub hsts_max_age: Option<Duration>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as the help of the group")]
    pub upstream_tls: UpstreamTlsOptions,
}

/// Whether a gateway serves the interactive reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Docs {
    /// At /docs
    On,
    /// Not at all: /docs is 404, and GET / is JSON for everybody
    Off,
}

/// The default share of one client address, in percent.
pub(crate) const ADDRESS_SHARE_PERCENT: u8 = 25;

/// The most memory that a valid body takes, in bytes: its text, and its lists, which take less than a quarter
/// of the largest text.
const LARGEST_BODY: usize = limits::BODY_BYTES + limits::BODY_BYTES / 4;

impl GatewayOptions {
    /// Checks the options that depend on each other.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self, connections: &ConnectionOptions) -> Result<(), String> {
        let percent = connections.address_share.unwrap_or(ADDRESS_SHARE_PERCENT);
        let of_an_address = u64::from(self.body_memory) * 1024 * 1024 * u64::from(percent) / 100;
        if of_an_address < LARGEST_BODY as u64 {
            return Err(
                "--body-memory must be larger, or --address-share: the share of one client address \
                 must be 1.25 MiB at least, or the largest valid body would always be rejected"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// The addresses of the gRPC servers: `http://host:port`, or `https://host:port` for TLS, several
/// separated by commas.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub(crate) uris: Vec<Uri>,
    /// What connections to those with `https` are secured with.
    pub(crate) tls: Option<ClientTls>,
}

impl Upstream {
    /// Returns whether any server is called over TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.uris.iter().any(|uri| uri.scheme() == Some(&Scheme::HTTPS))
    }

    /// Secures connections to servers with `https`.
    ///
    /// # Errors
    /// What is wrong with the files that the options name.
    pub fn secured(self, options: &UpstreamTlsOptions) -> Result<Self, TlsError> {
        let tls = self.has_tls().then(|| options.start()).transpose()?;
        Ok(Self { tls, ..self })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, uri) in self.uris.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{uri}")?;
        }
        Ok(())
    }
}

/// The text is not the address of a gRPC server.
#[derive(Debug, thiserror::Error)]
#[error(
    "an upstream is written as http://HOST:PORT or https://HOST:PORT, several are separated by commas"
)]
pub struct MalformedUpstream;

impl FromStr for Upstream {
    type Err = MalformedUpstream;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uris = text.split(',').map(origin).collect::<Option<_>>().ok_or(MalformedUpstream)?;
        Ok(Self { uris, tls: None })
    }
}

/// Collects the servers of several upstreams.
impl FromIterator<Upstream> for Upstream {
    fn from_iter<T: IntoIterator<Item = Upstream>>(upstreams: T) -> Self {
        let uris = upstreams.into_iter().flat_map(|upstream| upstream.uris).collect();
        Self { uris, tls: None }
    }
}

fn origin(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let is_plain = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && uri.path_and_query().is_none_or(|path| path == "/");
    is_plain.then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_plain_http_origin() {
        for text in [
            "http://127.0.0.1:50051",
            "http://server:50051/",
            "http://[::1]:1",
            "http://a:1,http://b:2",
            "https://a:1,http://b",
        ] {
            assert!(text.parse::<Upstream>().is_ok(), "{text}");
        }
        for text in [
            "",
            "server:50051",
            "ftp://a:1",
            "http://a:1/b",
            "http://me:pw@a:1",
            "http://",
            "http://a:1,",
            "http://a:1,b:2",
            "http://a:1 http://b:2",
        ] {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
    }

    #[test]
    fn several_upstreams_are_collected_into_one() {
        let upstreams = ["http://a:1,http://b:2", "http://c:3"].map(|text| text.parse().unwrap());
        let all: Upstream = upstreams.into_iter().collect();
        assert_eq!(all.to_string(), "http://a:1/,http://b:2/,http://c:3/");
    }
}
