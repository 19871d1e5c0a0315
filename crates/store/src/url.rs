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

/// A connection URL as libpq takes it: `postgresql://user:password@host:port/database?…`, several
/// hosts included.
///
/// It holds a password, so `Debug` and `Display` leave it out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// A text that isn't a connection URL. The text isn't repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("a database URL starts with postgresql:// and has no white space")]
pub struct MalformedUrl;

impl FromStr for DatabaseUrl {
    type Err = MalformedUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let has_scheme = ["postgresql://", "postgres://"].iter().any(|s| text.starts_with(s));
        if !has_scheme || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(MalformedUrl);
        }
        Ok(Self(text.to_owned()))
    }
}

impl DatabaseUrl {
    /// The URL with its password.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URL for libpq, with the service's time limits where it names none of its own.
    pub(crate) fn with_defaults(&self) -> String {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        let is_set = |name| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        let mut url = self.0.clone();
        let mut separator = if self.0.contains('?') { '&' } else { '?' };
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
        let (scheme, rest) = self.0.split_once("://").unwrap_or_default();
        let rest = rest.split('?').next().unwrap_or_default();
        let (user, place) = match rest.rsplit_once('@') {
            Some((_, place)) => ("…@", place),
            None => ("", rest),
        };
        write!(f, "{scheme}://{user}{place}")
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
            "postgres://me:p@hunter2@db.example:5432/caseload?sslmode=require",
            "postgresql://db.example:5432/caseload?password=hunter2&user=me",
        ] {
            let shown = format!("{0} {0:?}", url(text));
            assert!(!shown.contains("hunter2") && !shown.contains("me:"), "{shown}");
            assert!(shown.contains("db.example:5432/caseload"), "{shown}");
        }
    }

    #[test]
    fn refuses_other_texts_without_repeating_them() {
        for text in ["", "mysql://a:hunter2@b", "host=a password=hunter2", "postgresql://a b"] {
            let error = text.parse::<DatabaseUrl>().unwrap_err();
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
