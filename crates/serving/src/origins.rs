//! The option that names the origins of pages that may make requests.

use std::{fmt, str::FromStr};

use http::{HeaderValue, Uri};

/// The origins whose pages may make requests: as in `https://app.example.com,http://localhost:3000`, or
/// `*` for any, or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Pages of any origin.
    Any,
    /// Pages of these.
    These(Vec<HeaderValue>),
}

/// The text is not a list of origins.
#[derive(Debug, thiserror::Error)]
#[error(
    "origins have a scheme, a host without *, and a port if it is not the scheme's own; they are \
     separated by commas, as in https://app.example.com,http://localhost:3000; or * for any, or none"
)]
pub struct MalformedOrigins;

impl Origins {
    /// Pages of no origin.
    pub const NONE: Self = Self::These(Vec::new());
}

impl FromStr for Origins {
    type Err = MalformedOrigins;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "*" => Ok(Self::Any),
            "none" => Ok(Self::NONE),
            _ => text.split(',').map(|origin| parse(origin.trim())).collect(),
        }
    }
}

impl FromIterator<HeaderValue> for Origins {
    fn from_iter<T: IntoIterator<Item = HeaderValue>>(origins: T) -> Self {
        Self::These(origins.into_iter().collect())
    }
}

/// Checks that a browser could send the text as an origin: without it, a mistake would show only as a page
/// that does not work.
fn parse(text: &str) -> Result<HeaderValue, MalformedOrigins> {
    let uri: Uri = text.parse().map_err(|_| MalformedOrigins)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(MalformedOrigins);
    };
    let default_port = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let host = authority.host();
    let port = authority.port_u16();
    let port_text = port.map(|port| format!(":{port}")).unwrap_or_default();
    // No user, no path, and no port that is no number of a port, or that browsers leave out.
    let is_origin = text == format!("{scheme}://{host}{port_text}")
        && text == text.to_ascii_lowercase()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._[:]".contains(&byte))
        && (default_port.is_none() || port != default_port);
    if !is_origin {
        return Err(MalformedOrigins);
    }
    HeaderValue::try_from(text).map_err(|_| MalformedOrigins)
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::These(origins) if origins.is_empty() => f.write_str("none"),
            Self::These(origins) => {
                // They were texts.
                let texts: Vec<_> =
                    origins.iter().map(|origin| origin.to_str().unwrap_or_default()).collect();
                f.write_str(&texts.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_send_them() {
        for (text, written) in [
            ("*", "*"),
            ("none", "none"),
            ("https://app.example.com", "https://app.example.com"),
            (
                "http://localhost:3000, https://[::1]:8443",
                "http://localhost:3000,https://[::1]:8443",
            ),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(text.parse::<Origins>().unwrap().to_string(), written, "{text}");
        }
        for text in [
            "",
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://App.example.com",
            "https://user@app.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "http://app.example.com:",
            "http://app.example.com:65536",
            "http://app.example.com:080",
            "http://app.example.com:*",
            "https://*.example.com",
            "https://app.example.*",
            "https://app%2eexample.com",
            "https://app.example.com,",
            "https://app.example.com,*",
            "https://app.example.com,none",
            "null",
        ] {
            assert!(text.parse::<Origins>().is_err(), "{text}");
        }
    }
}
