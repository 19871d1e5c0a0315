//! The names of hosts that belong to tenants.

use std::{
    borrow::{Borrow, Cow},
    fmt,
    str::FromStr,
};

/// The most bytes of a host name (RFC 1035, 2.3.4, without the root's dot).
const MOST_BYTES: usize = 253;

/// The most bytes of a label between two dots (RFC 1035, 2.3.4).
const MOST_LABEL_BYTES: usize = 63;

/// The name of a host, as `tasks.example.com`: in lower case, without a port and without a dot at the end. Names
/// outside of ASCII are written with A-labels (RFC 5890), as browsers send them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

/// A text that is not the name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedHostName {
    /// It has characters outside of ASCII.
    #[error("a host name is written with A-labels, as xn--bcher-kva.example for bücher.example")]
    NotAscii,
    /// It has another form.
    #[error(
        "a host name is letters, digits, hyphens and dots, as in tasks.example.com, without a \
         scheme and a port; it is not an address"
    )]
    Form,
}

impl HostName {
    /// The most hosts of a tenant.
    pub const MOST: usize = 100;

    /// Returns the name as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part of an authority, as in `Host` (RFC 9110, 7.2), that can be a host name, in the way in which a
    /// [`HostName`] is written: without the port, in lower case, without a dot at the end. It may be no valid
    /// name; then it equals none.
    #[must_use]
    pub fn in_authority(authority: &str) -> Cow<'_, str> {
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).trim();
        // An address of IPv6 has colons itself; it is in brackets, so it equals no name.
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let host = host.strip_suffix('.').unwrap_or(host);
        match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(host.to_ascii_lowercase()),
            false => Cow::Borrowed(host),
        }
    }
}

impl FromStr for HostName {
    type Err = MalformedHostName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_ascii() {
            return Err(MalformedHostName::NotAscii);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        // What ends with a number is an address to clients, whatever else it is (WHATWG URL, 3.5).
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
        match name.len() <= MOST_BYTES && name.split('.').all(is_label) && !is_address {
            true => Ok(Self(name)),
            false => Err(MalformedHostName::Form),
        }
    }
}

/// Whether a text in lower case is a label (RFC 1123, 2.1).
fn is_label(text: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=MOST_LABEL_BYTES).contains(&text.len())
        && text.bytes().all(is_allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Names are found by their texts.
impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_in_one_way() {
        let longest = ["a".repeat(63).as_str(); 4].join(".")[2..].to_owned();
        assert_eq!(longest.len(), 253);
        for (text, written) in [
            ("tasks.example.com", "tasks.example.com"),
            ("Tasks.EXAMPLE.com.", "tasks.example.com"),
            ("xn--BCHER-kva.example", "xn--bcher-kva.example"),
            ("caseload-server", "caseload-server"),
            ("1.example", "1.example"),
            ("a--b.c", "a--b.c"),
            (&longest, &longest),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().to_string(), written);
        }
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "a..",
            "-a.example",
            "a-.example",
            "a_b.example",
            "a b.example",
            "*.example",
            "a.example:443",
            "https://a.example",
            "user@a.example",
            "192.0.2.1",
            "1",
            "a.1",
            "::1",
            "[::1]",
            &"a".repeat(64),
            &format!("a{longest}"),
        ] {
            assert_eq!(text.parse::<HostName>(), Err(MalformedHostName::Form), "{text}");
        }
        assert_eq!("bücher.example".parse::<HostName>(), Err(MalformedHostName::NotAscii));
    }

    #[test]
    fn the_name_in_an_authority_is_compared_without_case_port_and_last_dot() {
        for (authority, name) in [
            ("tasks.example.com", "tasks.example.com"),
            ("TASKS.example.COM:8080", "tasks.example.com"),
            ("tasks.example.com.:443", "tasks.example.com"),
            ("tasks.example.com:", "tasks.example.com"),
            (" tasks.example.com ", "tasks.example.com"),
            ("a:b@tasks.example.com:1", "tasks.example.com"),
            ("other@x@tasks.example.com", "tasks.example.com"),
            ("192.0.2.1:80", "192.0.2.1"),
        ] {
            assert_eq!(HostName::in_authority(authority), name);
        }
        for authority in ["", ".", ":", "[::1]", "[::1]:8080", "::1", "a b", "a,b", "é"] {
            let name = HostName::in_authority(authority);
            let is_name = name.parse::<HostName>().is_ok_and(|parsed| parsed.as_str() == name);
            assert!(!is_name, "{authority} {name}");
        }
    }
}
