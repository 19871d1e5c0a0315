//! Which server a command calls, and as whom.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use runtime::command_line::{DAY, MILLISECOND, duration};
use tonic::transport::Uri;

/// The API key is not among the options: other users of the machine see the arguments of a process.
#[derive(Args)]
pub(crate) struct ClientOptions {
    /// The server that is called over gRPC: http://HOST:PORT
    #[arg(
        long,
        env = "CASELOAD_SERVER",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL",
        global = true
    )]
    pub(crate) server: ServerUrl,

    /// A file with the API key, instead of the environment variable CASELOAD_API_KEY
    #[arg(long, env = "CASELOAD_API_KEY_FILE", value_name = "FILE", global = true)]
    pub(crate) api_key_file: Option<PathBuf>,

    /// The most time that a call may take, with all its attempts
    #[arg(long, env = "CASELOAD_TIMEOUT", default_value = "30s", value_parser = duration(MILLISECOND..=DAY), value_name = "DURATION", global = true)]
    pub(crate) timeout: Duration,
}

/// The URL of a server: a scheme, a host and a port.
#[derive(Clone, Debug)]
pub(crate) struct ServerUrl(Uri);

impl ServerUrl {
    /// Returns the URL.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0.authority().map_or("", |authority| authority.as_str()))
    }
}

impl FromStr for ServerUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a server is http://HOST:PORT";
        let uri: Uri = text.parse().map_err(|_| FORM)?;
        if uri.scheme_str() == Some("https") {
            return Err(
                "TLS is not supported yet: give http://HOST:PORT, of a server in the same \
                        network or of a proxy on this machine that speaks TLS to it",
            );
        }
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let has_user = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
        if uri.scheme_str() != Some("http") || !is_bare || has_user {
            return Err(FORM);
        }
        Ok(Self(uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_plain_url_without_a_path() {
        for (text, shown) in [
            ("http://127.0.0.1:50051", "http://127.0.0.1:50051"),
            ("http://caseload.example:80/", "http://caseload.example:80"),
            ("http://[::1]:50051", "http://[::1]:50051"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "127.0.0.1:50051",
            "localhost",
            "http://",
            "unix:///tmp/socket",
            "http://me:secret@host:1",
            "http://host:1/path",
            "http://host:1/?query",
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap_err(), "a server is http://HOST:PORT");
        }
    }

    #[test]
    fn tls_is_refused_in_words_of_its_own() {
        let error = "https://caseload.example".parse::<ServerUrl>().unwrap_err();
        assert!(error.starts_with("TLS is not supported yet"), "{error}");
    }
}
