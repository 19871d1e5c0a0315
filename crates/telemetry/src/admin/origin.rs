//! Keeps pages in browsers away: one that a person opens on a machine which reaches the admin port must not
//! reach it through that person's browser.

use std::net::IpAddr;

use http::{
    HeaderMap, StatusCode, Uri,
    header::{HOST, ORIGIN},
    uri::Authority,
};

use super::problem::Problem;

/// Checks that a request is not one of a page, which says where it is from. Nor may it name a host whose
/// name somebody else can have lead here (DNS rebinding): only an address, or this machine.
pub(super) fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(ORIGIN) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "pages of browsers are not answered"));
    }
    let in_header = || headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let authority = uri.authority().cloned().or_else(in_header);
    match authority {
        Some(authority) if is_fixed(authority.host()) => Ok(()),
        _ => Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the host must be named by its address, or as localhost",
        )),
    }
}

fn is_fixed(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_hosts_and_no_origin_is_allowed() {
        for (host, origin, status) in [
            (Some("127.0.0.1:9464"), None, None),
            (Some("10.1.2.3"), None, None),
            (Some("[::1]:9464"), None, None),
            (Some("LocalHost:9464"), None, None),
            (Some("evil.example:9464"), None, Some(421)),
            (Some("127.0.0.1.evil.example"), None, Some(421)),
            (Some(""), None, Some(421)),
            (None, None, Some(421)),
            (Some("127.0.0.1:9464"), Some("http://127.0.0.1:9464"), Some(403)),
            (Some("127.0.0.1:9464"), Some("null"), Some(403)),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(HOST, host), (ORIGIN, origin)] {
                headers.extend(value.map(|value| (name, value.parse().unwrap())));
            }
            let checked = check(&Uri::from_static("/metrics"), &headers);
            let found = checked.err().map(|problem| problem.status().as_u16());
            assert_eq!(found, status, "{host:?} {origin:?}");
        }
        let uri = Uri::from_static("http://evil.example/metrics");
        assert!(check(&uri, &HeaderMap::new()).is_err());
    }
}
