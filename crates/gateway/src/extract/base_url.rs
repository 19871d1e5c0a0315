//! The URL under which the caller reached the API.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::{
    HeaderName,
    header::HOST,
    request::Parts,
    uri::{Authority, Scheme},
};
use proto::wire::header::{FORWARDED_HOST, FORWARDED_PROTO};
use serving::Client;

use crate::openapi::{Draft, Input};

/// The URL that a request was sent to, without its query. Without an authority, if the request named
/// none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

impl BaseUrl {
    fn of(parts: &Parts) -> Self {
        let path = parts.uri.path();
        let header = |name: &HeaderName| parts.headers.get(name)?.to_str().ok();
        let host = |name: &HeaderName| header(name)?.parse::<Authority>().ok();
        let client = Client::of(&parts.extensions);
        let is_behind_proxy = client.is_behind_proxy();
        let forwarded_host = is_behind_proxy.then(|| host(&FORWARDED_HOST)).flatten();
        let forwarded_scheme = is_behind_proxy.then(|| header(&FORWARDED_PROTO)).flatten();
        // HTTP/2 has the authority in the URI; `Host` is HTTP/1's.
        let authority =
            forwarded_host.or_else(|| parts.uri.authority().cloned()).or_else(|| host(&HOST));
        match authority {
            Some(authority) => {
                let scheme = match forwarded_scheme {
                    Some("https") => &Scheme::HTTPS,
                    Some("http") => &Scheme::HTTP,
                    // Over HTTP/1.1 the URI does not say so.
                    _ if client.has_tls() => &Scheme::HTTPS,
                    _ => parts.uri.scheme().unwrap_or(&Scheme::HTTP),
                };
                Self(format!("{scheme}://{authority}{path}"))
            }
            None => Self(path.to_owned()),
        }
    }
}

/// Every request has a URL.
impl Input for BaseUrl {
    fn describe(_: &mut Draft) {}
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_url_is_the_one_that_the_caller_used() {
        for (uri, host, url) in [
            ("/a/1?page=2", Some("api.example:8080"), "http://api.example:8080/a/1"),
            ("https://api.example/a", Some("other.example"), "https://api.example/a"),
            ("/a", None, "/a"),
            ("/a", Some("not a host"), "/a"),
        ] {
            let request =
                host.iter().fold(Request::get(uri), |request, host| request.header(HOST, *host));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(BaseUrl::of(&parts).0, url);
        }
    }

    #[test]
    fn a_trusted_proxy_says_how_the_caller_sent_the_request() {
        for (is_trusted, scheme, host, url) in [
            (true, "https", "api.example", "https://api.example/a"),
            (true, "http", "api.example:81", "http://api.example:81/a"),
            (true, "gopher", "not a host", "http://gateway.internal/a"),
            (false, "https", "api.example", "http://gateway.internal/a"),
        ] {
            let request = Request::get("/a")
                .header(HOST, "gateway.internal")
                .header(&FORWARDED_PROTO, scheme)
                .header(&FORWARDED_HOST, host)
                .extension(if is_trusted { Client::behind_proxy() } else { Client::default() });
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(BaseUrl::of(&parts).0, url, "{scheme} {host}");
        }
    }
}
