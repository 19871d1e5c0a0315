//! The headers of a request that the server gets as metadata.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use proto::wire::header::{REQUEST_ID, USER_TOKEN};

/// Returns the metadata of the call for a request with these headers: the request id and
/// every API key. The server judges whether there is exactly one key, and a valid one.
pub(super) fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    if let Some(id) = headers.get(&REQUEST_ID) {
        metadata.insert(&REQUEST_ID, id.clone());
    }
    for authorization in headers.get_all(AUTHORIZATION) {
        metadata.append(AUTHORIZATION, authorization.clone());
    }
    for token in headers.get_all(&USER_TOKEN) {
        metadata.append(AUTHORIZATION, bearer(token));
    }
    metadata
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
        let metadata = forwarded(&headers(&[
            ("x-user-token", "two"),
            ("authorization", "Bearer one"),
            ("x-request-id", "id"),
            ("cookie", "a=b"),
        ]));
        let expected = headers(&[
            ("x-request-id", "id"),
            ("authorization", "Bearer one"),
            ("authorization", "Bearer two"),
        ]);
        assert_eq!(metadata, expected);
    }
}
