//! Which server a command calls, and as whom.

use std::{ffi::OsStr, fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::{
    Arg, Args, Command,
    builder::{BoolishValueParser, TypedValueParser},
};
use runtime::command_line::{DAY, MILLISECOND, duration};
use tonic::{codegen::http::uri::Scheme, transport::Uri};

/// The API key is not among the options: other users of the machine see the arguments of a process.
#[derive(Args)]
pub(crate) struct ClientOptions {
    /// The server that is called over gRPC: https://HOST:PORT, or http://HOST:PORT without TLS
    #[arg(
        long,
        env = "CASELOAD_SERVER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL",
        global = true
    )]
    pub(crate) server: ServerUrl,

    /// A file with the certificates, in PEM form, of the only authorities that are trusted to have issued
    /// the server's certificate [default: those that this system trusts]
    #[arg(long, env = "CASELOAD_CA_FILE", value_name = "FILE", global = true)]
    pub(crate) ca_file: Option<PathBuf>,

    /// The file with the certificate (PEM) that is shown to a server that demands one, which the
    /// certificates of intermediate authorities follow
    #[arg(
        long,
        env = "CASELOAD_CLIENT_CERT",
        requires = "client_key",
        value_name = "FILE",
        global = true
    )]
    pub(crate) client_cert: Option<PathBuf>,

    /// The file with the private key of --client-cert (PEM)
    #[arg(
        long,
        env = "CASELOAD_CLIENT_KEY",
        requires = "client_cert",
        value_name = "FILE",
        global = true
    )]
    pub(crate) client_key: Option<PathBuf>,

    /// Send the API key without TLS also to a server that is not on this machine
    #[arg(long, env = "CASELOAD_ALLOW_PLAINTEXT", value_parser = Switch, global = true)]
    pub(crate) allow_plaintext: bool,

    /// A file with the API key, instead of the environment variable CASELOAD_API_KEY
    #[arg(long, env = "CASELOAD_API_KEY_FILE", value_name = "FILE", global = true)]
    pub(crate) api_key_file: Option<PathBuf>,

    /// The most time that a call may take, with all its attempts
    #[arg(long, env = "CASELOAD_TIMEOUT", default_value = "30s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION", global = true)]
    pub(crate) timeout: Duration,
}

/// Parses a switch, whose environment variable may be empty: then it is off, as without the variable.
#[derive(Clone)]
struct Switch;

impl TypedValueParser for Switch {
    type Value = bool;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<bool, clap::Error> {
        if value.is_empty() {
            return Ok(false);
        }
        BoolishValueParser::new().parse_ref(command, arg, value)
    }
}

/// The URL of a server: a scheme, a host and a port.
#[derive(Clone, Debug)]
pub(crate) struct ServerUrl(Uri);

impl ServerUrl {
    /// Returns the URL.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether the server is called over TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// Whether the server is on this machine: what is sent to it never is on a network.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        // Names below `localhost` should be those of the machine itself, too (RFC 6761, 6.3), but many
        // resolvers ask the network for them.
        host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{}", self.0.authority().map_or("", |authority| authority.as_str()))
    }
}

impl FromStr for ServerUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a server is https://HOST:PORT or http://HOST:PORT";
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let has_user = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
        if !is_http || !is_bare || has_user {
            return Err(FORM);
        }
        Ok(Self(uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ServerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_server_is_a_url_without_a_path() {
        for (text, shown) in [
            ("http://127.0.0.1:50051", "http://127.0.0.1:50051"),
            ("http://caseload.example:80/", "http://caseload.example:80"),
            ("http://[::1]:50051", "http://[::1]:50051"),
            ("https://caseload.example", "https://caseload.example"),
            ("HTTPS://caseload.example:443/", "https://caseload.example:443"),
        ] {
            assert_eq!(url(text).to_string(), shown);
        }
        for text in [
            "",
            "127.0.0.1:50051",
            "localhost",
            "http://",
            "unix:///tmp/socket",
            "http://me:secret@host:1",
            "https://me@host:1",
            "http://host:1/path",
            "https://host:1/?query",
        ] {
            let error = text.parse::<ServerUrl>().unwrap_err();
            assert_eq!(error, "a server is https://HOST:PORT or http://HOST:PORT");
        }
    }

    #[test]
    fn a_server_on_this_machine_has_a_loopback_address_or_a_name_for_one() {
        for text in [
            "http://127.0.0.1:1",
            "http://127.1.2.3:1",
            "http://[::1]:1",
            "http://[::ffff:127.0.0.1]:1",
            "http://localhost:1",
            "http://LocalHost",
        ] {
            assert!(url(text).is_loopback(), "{text}");
        }
        for text in [
            "http://10.0.0.1:1",
            "http://[fd00::1]:1",
            "http://0.0.0.0:1",
            "http://caseload.localhost:1",
            "http://localhost.example:1",
            "http://127.0.0.1.example:1",
            "http://notlocalhost",
        ] {
            assert!(!url(text).is_loopback(), "{text}");
        }
    }
}
