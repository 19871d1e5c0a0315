//! The host that a request was sent to, as the server gets it.

use http::{HeaderValue, header::HOST, request::Parts};
use proto::wire::header::FORWARDED_HOST;

/// Returns the hosts that the request names, separated by commas: those that proxies name, if they are trusted, and
/// the one that the request was sent to. `None` if it names none.
///
/// The server decides whether the API key is accepted there: it knows which host belongs to which tenant.
pub(super) fn forwarded_host(parts: &Parts, is_behind_proxy: bool) -> Option<HeaderValue> {
    let has_forwarded = is_behind_proxy && parts.headers.contains_key(&FORWARDED_HOST);
    // HTTP/2 has the authority in the URI; `Host` is HTTP/1's, where it counts less (RFC 9112, 3.2.2).
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    if !has_forwarded {
        return match authority {
            Some(authority) => HeaderValue::from_bytes(authority).ok(),
            None => parts.headers.get(HOST).cloned(),
        };
    }
    let forwarded = parts.headers.get_all(&FORWARDED_HOST).iter().map(HeaderValue::as_bytes);
    let sent_to = authority.or_else(|| Some(parts.headers.get(HOST)?.as_bytes()));
    let hosts: Vec<_> = forwarded.chain(sent_to).collect();
    HeaderValue::from_bytes(&hosts.join(&b", "[..])).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn trusted_proxies_and_the_request_name_the_hosts() {
        let both = &[("host", "b.example"), ("x-forwarded-host", "a.example:443")][..];
        for (uri, headers, is_behind_proxy, expected) in [
            ("/", &[][..], false, None),
            ("/", &[("host", "a.example:80")], false, Some("a.example:80")),
            ("http://a.example/", &[("host", "b.example")], false, Some("a.example")),
            ("/", both, false, Some("b.example")),
            ("/", both, true, Some("a.example:443, b.example")),
            ("https://c.example/", both, true, Some("a.example:443, c.example")),
            ("/", &[("x-forwarded-host", "a"), ("x-forwarded-host", "b")], true, Some("a, b")),
        ] {
            let request = headers
                .iter()
                .fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let found = forwarded_host(&parts, is_behind_proxy);
            let found = found.as_ref().map(|hosts| hosts.to_str().unwrap());
            assert_eq!(found, expected, "{uri} {headers:?} {is_behind_proxy}");
        }
    }
}
