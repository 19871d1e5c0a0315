//! The URL of the database.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret as _, SecretString};

use super::redaction::{Redaction, decode};

/// Parameters that are added to a URL that does not set them: with libpq's own defaults a
/// connection would wait for minutes when the network is gone.
const DEFAULTS: [(&str, &str); 6] = [
    ("application_name", "caseload"),
    ("connect_timeout", "2"),
    ("keepalives_idle", "15"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// A connection URL as libpq takes it: `postgresql://user:password@host:port/database?…`, several
/// hosts included.
///
/// It may contain a password, so `Debug` and `Display` show only the scheme, the hosts and the
/// database. Parameters that libpq does not know are accepted: libpq reports them when it connects.
#[derive(Clone)]
pub struct DatabaseUrl(SecretString);

/// Why a text is not a connection URL. The text is not repeated: it may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedUrl {
    /// It has another scheme, or white space.
    #[error("a database URL starts with postgresql:// and has no white space")]
    Kind,
    /// A percent sign is not followed by two hexadecimal digits.
    #[error("a % in a database URL is followed by two hexadecimal digits; write %25 for itself")]
    Escape,
    /// It has no valid list of hosts.
    #[error(
        "a database URL has HOST:PORT, or several with commas between, behind the user; write @ as \
         %40, : as %3A and / as %2F in a password"
    )]
    Hosts,
    /// A parameter has no name, or no value.
    #[error("a parameter of a database URL is written as NAME=VALUE")]
    Parameter,
}

/// The parts of a URL, split as libpq splits them.
struct Parts<'a> {
    scheme: &'a str,
    /// The user, with a colon and the password if there is one.
    credentials: Option<&'a str>,
    hosts: &'a str,
    /// With its slash.
    path: &'a str,
    parameters: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        // Credentials end at the first @, if that comes before the first slash.
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

    /// Returns the name of each parameter, and its value if it has one.
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
        // An @ in the path belongs to a password with a slash that is not encoded.
        if [parts.hosts, parts.path].iter().any(|part| part.contains('@'))
            || !parts.hosts.split(',').all(is_host)
        {
            return Err(MalformedUrl::Hosts);
        }
        // libpq refuses a second = too.
        let is_pair = |(name, value): (&str, Option<&str>)| {
            !name.is_empty() && value.is_some_and(|value| !value.contains('='))
        };
        if !parts.parameters().all(is_pair) {
            return Err(MalformedUrl::Parameter);
        }
        Ok(Self(text.into()))
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

/// Whether a text is `HOST:PORT`; both may be empty, and the colon missing.
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
    /// Returns the URL with its password.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns the value of a parameter. Names and values may be percent-encoded in the URL.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        Parts::of(self.expose())?.parameters().find(|(set, _)| decode(set) == name)?.1.map(decode)
    }

    /// Returns the URL for libpq, with the service's time limits unless the URL sets its own.
    pub(crate) fn with_defaults(&self) -> SecretString {
        let parts = Parts::of(self.expose());
        let is_set = |name: &str| {
            parts
                .as_ref()
                .is_some_and(|parts| parts.parameters().any(|(set, _)| decode(set) == name))
        };
        let has_parameters = parts.as_ref().is_some_and(|parts| parts.parameters.is_some());
        let mut url = self.expose().to_owned();
        let mut separator = if has_parameters { '&' } else { '?' };
        for (name, value) in DEFAULTS.into_iter().filter(|(name, _)| !is_set(name)) {
            url.push(separator);
            url.push_str(name);
            url.push('=');
            url.push_str(value);
            separator = '&';
        }
        url.into()
    }

    /// Returns what removes the secrets of this URL from messages.
    pub(crate) fn redaction(&self) -> Redaction {
        let mut redaction = Redaction::default();
        let Some(parts) = Parts::of(self.expose()) else {
            return redaction;
        };
        if let Some((_, password)) = parts.credentials.and_then(|text| text.split_once(':')) {
            redaction.add_secret(password);
        }
        for (name, value) in parts.parameters() {
            redaction.add_parameter(name, value.unwrap_or_default());
        }
        redaction
    }
}

/// Writes the scheme, the hosts and the database; never the user, the password or the parameters.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Parts { scheme, credentials, hosts, path, .. }) = Parts::of(self.expose()) else {
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
    fn a_url_is_shown_without_its_secrets() {
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
    fn every_form_that_libpq_accepts_is_accepted() {
        for text in [
            "postgresql://",
            "postgresql://localhost",
            "postgresql://me@a:1,b:2,[::1]:3/x?target_session_attrs=read-write",
            "postgresql:///x?host=%2Ftmp%2Fsocket&port=5433",
            "postgresql://a:/x",
            // libpq's own message says what is wrong with these, or a newer libpq knows them.
            "postgresql://a/b?sslnegotiation2=x",
            "postgresql://a/b?colour=red&oauth_issuer=https://example.com",
        ] {
            assert!(text.parse::<DatabaseUrl>().is_ok(), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_and_not_repeated() {
        for (text, expected) in [
            ("", MalformedUrl::Kind),
            ("mysql://a:hunter2@b", MalformedUrl::Kind),
            ("host=a password=hunter2", MalformedUrl::Kind),
            ("postgresql://a b", MalformedUrl::Kind),
            ("postgresql://me:hunter2%zz@a", MalformedUrl::Escape),
            ("postgresql://me:hunter2%0", MalformedUrl::Escape),
            ("postgresql://me:hunter2%00@a", MalformedUrl::Escape),
            ("postgresql://me:hun@ter2@a", MalformedUrl::Hosts),
            ("postgresql://me:hun/ter2@a", MalformedUrl::Hosts),
            ("postgresql://me:12/hunter2@a/b", MalformedUrl::Hosts),
            ("postgresql://me:hunter2@a:port", MalformedUrl::Hosts),
            ("postgresql://me:hunter2@a:0", MalformedUrl::Hosts),
            ("postgresql://me:hunter2@[::1", MalformedUrl::Hosts),
            ("postgresql://me:hunter2@a/b?=red", MalformedUrl::Parameter),
            ("postgresql://me:hunter2@a/b?colour=red=blue", MalformedUrl::Parameter),
            ("postgresql://me:hunter2@a/b?sslmode", MalformedUrl::Parameter),
        ] {
            let error = text.parse::<DatabaseUrl>().unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn time_limits_are_added_unless_the_url_sets_them() {
        let with_defaults = |text| url(text).with_defaults().expose_secret().to_owned();
        let plain = with_defaults("postgresql://a/b");
        assert!(plain.starts_with("postgresql://a/b?application_name=caseload&"), "{plain}");
        let own = with_defaults("postgresql://a,c/b?connect_timeout=9&host=x");
        assert!(own.contains("connect_timeout=9&"), "{own}");
        assert!(!own.contains("connect_timeout=2"), "{own}");
        assert!(own.contains("&tcp_user_timeout=10000"), "{own}");
        let encoded = "postgresql://a/b?connect%5Ftimeout=9&target%5fsession_attrs=read%2Dwrite";
        let url = url(encoded);
        assert_eq!(url.parameter("target_session_attrs").as_deref(), Some("read-write"));
        assert!(!url.with_defaults().expose_secret().contains("connect_timeout=2"));
    }

    #[test]
    fn no_message_of_libpq_contains_a_secret_of_the_url() {
        for (url, message, shown) in [
            (
                "postgresql://me:hunter2@a/b?colour=red",
                "invalid URI query parameter: \"colour\"",
                "invalid URI query parameter: \"…\"",
            ),
            // The password was not encoded, so a part of it looks like a parameter.
            (
                "postgresql://me:12/x?hunter2=1@a",
                "invalid URI query parameter: \"hunter2\"",
                "invalid URI query parameter: \"…\"",
            ),
            (
                "postgresql://me@a/b?password=hunter2",
                "no password hunter2 for user \"me\"",
                "no password … for user \"me\"",
            ),
            (
                "postgresql://me@a/b?p%61ssword=hunter2",
                "no password hunter2 for user \"me\"",
                "no password … for user \"me\"",
            ),
            (
                "postgresql://a/b?sslrootcert=ca.pem",
                "root certificate file \"ca.pem\" does not exist",
                "root certificate file \"ca.pem\" does not exist",
            ),
            (
                "postgresql://me:hunter%32@a/b",
                "hunter%32 and hunter2 are the same",
                "… and … are the same",
            ),
            (
                "postgresql://a/b?oauth_client_secret=hunter2",
                "the secret hunter2 was refused",
                "the secret … was refused",
            ),
            // One secret is a part of the other.
            (
                "postgresql://me:hunter@a/b?sslpassword=hunter2",
                "neither hunter2 nor hunter",
                "neither … nor …",
            ),
            (
                "postgresql://me:hunter2@a:5432/b?connect_timeout=hunter2",
                "invalid integer value \"hunter2\" for connection option \"connect_timeout\"",
                "invalid integer value \"…\" for connection option \"…\"",
            ),
            (
                "postgresql://me:hunter2@a:5432/b?keepalives=5&user=me&dbname=b",
                "connection to \"a\", port 5432 failed: user \"me\" may not use \"b\"",
                "connection to \"a\", port 5432 failed: user \"me\" may not use \"b\"",
            ),
        ] {
            let url = self::url(url);
            assert_eq!(url.redaction().apply(message), shown);
            assert!(!format!("{:?}", url.redaction()).contains("hunter2"));
        }
    }
}
