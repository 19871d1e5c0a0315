//! The headers of a request that the server gets as metadata.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use proto::wire::header::{FORWARDED_FOR, REQUEST_ID, TRACEPARENT, TRACESTATE, USER_TOKEN};

/// Returns the metadata of the call for a request with these headers, from a client at this address:
/// the request id, the trace context, every API key, and the address. The server judges whether
/// there is exactly one key, and a valid one.
pub(super) fn forwarded(headers: &HeaderMap, client: Option<IpAddr>) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    if let Some(id) = headers.get(&REQUEST_ID) {
        metadata.insert(&REQUEST_ID, id.clone());
    }
    forward_trace_context(headers, &mut metadata);
    for authorization in headers.get_all(AUTHORIZATION) {
        metadata.append(AUTHORIZATION, authorization.clone());
    }
    for token in headers.get_all(&USER_TOKEN) {
        metadata.append(AUTHORIZATION, bearer(token));
    }
    // What the client says of proxies before it is not repeated.
    if let Some(address) = client.and_then(|address| address.to_string().try_into().ok()) {
        metadata.insert(&FORWARDED_FOR, address);
    }
    metadata
}

/// A request has one `traceparent`; with several, or none, it has no trace context, and its
/// `tracestate` means nothing. A `tracestate` may have several fields, whose order counts (W3C
/// Trace Context, 3.2 and 3.3).
fn forward_trace_context(headers: &HeaderMap, metadata: &mut HeaderMap) {
    let mut parents = headers.get_all(&TRACEPARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else { return };
    metadata.insert(&TRACEPARENT, parent.clone());
    for state in headers.get_all(&TRACESTATE) {
        metadata.append(&TRACESTATE, state.clone());
    }
}

fn bearer(token: &HeaderValue) -> HeaderValue {
    let value = [b"Bearer ", token.as_bytes()].concat();
    // A valid header value stays valid behind a word.
    HeaderValue::from_bytes(&value).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn every_api_key_is_forwarded_as_a_bearer_key() {
        let metadata = forwarded(
            &headers(&[
                ("x-user-token", "two"),
                ("authorization", "Bearer one"),
                ("x-request-id", "id"),
                ("cookie", "a=b"),
                ("x-forwarded-for", "192.0.2.9"),
            ]),
            Some([192, 0, 2, 1].into()),
        );
        let expected = headers(&[
            ("x-request-id", "id"),
            ("authorization", "Bearer one"),
            ("authorization", "Bearer two"),
            ("x-forwarded-for", "192.0.2.1"),
        ]);
        assert_eq!(metadata, expected);
    }

    #[test]
    fn the_trace_context_is_forwarded_unchanged_and_in_order() {
        let context = headers(&[
            ("traceparent", "00-a-b-01"),
            ("tracestate", "x=1,y=2"),
            ("tracestate", "z=3"),
        ]);
        assert_eq!(forwarded(&context, None), context);
    }

    #[test]
    fn a_trace_context_without_exactly_one_parent_is_not_forwarded() {
        for context in [
            headers(&[("tracestate", "x=1")]),
            headers(&[("traceparent", "a"), ("traceparent", "b"), ("tracestate", "x=1")]),
        ] {
            assert_eq!(forwarded(&context, None), HeaderMap::new(), "{context:?}");
        }
    }
}
