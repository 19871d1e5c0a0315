//! Where the database is.

use std::{fmt, str::FromStr};

/// libpq's defaults would wait for minutes on a network that is gone. A URL that names one of
/// these keeps its own value.
const DEFAULTS: [(&str, &str); 6] = [
    ("application_name", "caseload"),
    ("connect_timeout", "2"),
    ("keepalives_idle", "15"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// The parameters that libpq knows. It repeats what it doesn't know, so that is refused before.
const PARAMETERS: [&str; 42] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "ssl",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// A connection URL as libpq takes it: `postgresql://user:password@host:port/database?…`, several
/// hosts included.
///
/// It holds a password, so `Debug` and `Display` leave it out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// A text that isn't a connection URL. The text isn't repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedUrl {
    /// It is of another kind.
    #[error("a database URL starts with postgresql:// and has no white space")]
    Kind,
    /// It can't be decoded.
    #[error("a % in a database URL is followed by two hexadecimal digits; write %25 for itself")]
    Escape,
    /// Its hosts make no sense.
    #[error(
        "a database URL has HOST:PORT, or several with commas between, behind the user; write @ as \
         %40, : as %3A and / as %2F in a password"
    )]
    Hosts,
    /// A parameter is none of libpq's, or has no value.
    #[error("a parameter of the database URL is none of libpq's, written as NAME=VALUE")]
    Parameter,
}

/// The parts of a URL, found as libpq finds them.
struct Parts<'a> {
    scheme: &'a str,
    credentials: Option<&'a str>,
    hosts: &'a str,
    /// With its slash.
    path: &'a str,
    parameters: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        // Credentials end at the first @, where that comes before the first slash.
        let end = rest.find(['@', '/']).filter(|&at| rest[at..].starts_with('@'));
        let (credentials, rest) = match end {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let (rest, parameters) = match rest.split_once('?') {
            Some((rest, parameters)) => (rest, Some(parameters)),
            None => (rest, None),
        };
        let (hosts, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Some(Self { scheme, credentials, hosts, path, parameters })
    }

    /// The name of each parameter and its value, where it has one.
    fn parameters(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let pairs = self.parameters.into_iter().flat_map(|parameters| parameters.split('&'));
        pairs.filter(|pair| !pair.is_empty()).map(|pair| match pair.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        })
    }
}

impl FromStr for DatabaseUrl {
    type Err = MalformedUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = Parts::of(text).ok_or(MalformedUrl::Kind)?;
        if !matches!(parts.scheme, "postgresql" | "postgres")
            || text.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return Err(MalformedUrl::Kind);
        }
        if !has_good_escapes(text) {
            return Err(MalformedUrl::Escape);
        }
        if parts.hosts.contains('@') || !parts.hosts.split(',').all(is_host) {
            return Err(MalformedUrl::Hosts);
        }
        let is_known = |(name, value): (&str, Option<&str>)| {
            PARAMETERS.contains(&name) && value.is_some_and(|value| !value.contains('='))
        };
        if !parts.parameters().all(is_known) {
            return Err(MalformedUrl::Parameter);
        }
        Ok(Self(text.to_owned()))
    }
}

fn has_good_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| match rest.as_bytes() {
        // libpq refuses a NUL, too.
        [b'0', b'0', ..] => false,
        [high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}

/// A host, which may be left out, with a port, which may too.
fn is_host(text: &str) -> bool {
    let port = match text.strip_prefix('[') {
        // An IPv6 address.
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if !address.is_empty() => {
                port.strip_prefix(':').or(port.is_empty().then_some(""))
            }
            _ => None,
        },
        None => Some(text.split_once(':').map_or("", |(_, port)| port)),
    };
    port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0))
}

impl DatabaseUrl {
    /// The URL with its password.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The value of a parameter, as it is written.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        Parts::of(&self.0)?.parameters().find(|(set, _)| *set == name)?.1
    }

    /// The URL for libpq, with the service's time limits where it names none of its own.
    pub(crate) fn with_defaults(&self) -> String {
        let parts = Parts::of(&self.0);
        let is_set = |name: &str| {
            parts.as_ref().is_some_and(|parts| parts.parameters().any(|(set, _)| set == name))
        };
        let has_parameters = parts.as_ref().is_some_and(|parts| parts.parameters.is_some());
        let mut url = self.0.clone();
        let mut separator = if has_parameters { '&' } else { '?' };
        for (name, value) in DEFAULTS.into_iter().filter(|(name, _)| !is_set(name)) {
            url.push(separator);
            url.push_str(name);
            url.push('=');
            url.push_str(value);
            separator = '&';
        }
        url
    }
}

/// The scheme, the hosts and the database; never the user, the password or the parameters.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Parts { scheme, credentials, hosts, path, .. }) = Parts::of(&self.0) else {
            return f.write_str("…");
        };
        let user = if credentials.is_some() { "…@" } else { "" };
        write!(f, "{scheme}://{user}{hosts}{path}")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DatabaseUrl {
        text.parse().unwrap()
    }

    #[test]
    fn shows_no_secret() {
        for text in [
            "postgresql://me:hunter2@db.example:5432/caseload",
            "postgresql://me:hunter2?x@db.example:5432/caseload",
            "postgres://me:p%40hunter2@db.example:5432/caseload?sslmode=require",
            "postgresql://db.example:5432/caseload?password=hunter2&user=me",
        ] {
            let shown = format!("{0} {0:?}", url(text));
            assert!(!shown.contains("hunter2") && !shown.contains("me:"), "{shown}");
            assert!(shown.contains("db.example:5432/caseload"), "{shown}");
        }
    }

    #[test]
    fn takes_what_libpq_takes() {
        for text in [
            "postgresql://",
            "postgresql://localhost",
            "postgresql://me@a:1,b:2,[::1]:3/x?target_session_attrs=read-write",
            "postgresql:///x?host=%2Ftmp%2Fsocket&port=5433",
            "postgresql://a:/x",
        ] {
            assert!(text.parse::<DatabaseUrl>().is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_other_texts_without_repeating_them() {
        for (text, fault) in [
            ("", MalformedUrl::Kind),
            ("mysql://a:hunter2@b", MalformedUrl::Kind),
            ("host=a password=hunter2", MalformedUrl::Kind),
            ("postgresql://a b", MalformedUrl::Kind),
            ("postgresql://me:hunter2%zz@a", MalformedUrl::Escape),
            ("postgresql://me:hunter2%0", MalformedUrl::Escape),
            ("postgresql://me:hunter2%00@a", MalformedUrl::Escape),
            ("postgresql://me:hun@ter2@a", MalformedUrl::Hosts),
            ("postgresql://me:hun/ter2@a", MalformedUrl::Hosts),
            ("postgresql://me:hunter2@a:port", MalformedUrl::Hosts),
            ("postgresql://me:hunter2@a:0", MalformedUrl::Hosts),
            ("postgresql://me:hunter2@[::1", MalformedUrl::Hosts),
            ("postgresql://me:hunter2@a/b?colour=red", MalformedUrl::Parameter),
            ("postgresql://me:hunter2@a/b?sslmode", MalformedUrl::Parameter),
        ] {
            let error = text.parse::<DatabaseUrl>().unwrap_err();
            assert_eq!(error, fault, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn adds_time_limits_but_keeps_the_urls_own() {
        let plain = url("postgresql://a/b").with_defaults();
        assert!(plain.starts_with("postgresql://a/b?application_name=caseload&"), "{plain}");
        let own = url("postgresql://a,c/b?connect_timeout=9&host=x").with_defaults();
        assert!(own.contains("connect_timeout=9&"), "{own}");
        assert!(!own.contains("connect_timeout=2"), "{own}");
        assert!(own.contains("&tcp_user_timeout=10000"), "{own}");
    }
}
