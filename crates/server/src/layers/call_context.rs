//! What the layers and the frame of a call tell each other.

use domain::Principal;
use http::HeaderMap;
use proto::wire::{header, limits};

/// What the frame of a call gets from the layers.
///
/// It comes from the headers alone. tonic merges a request's trailers into its metadata, replacing
/// headers of the same name; a proxy in front of the server checks and logs headers only, so the
/// server must not believe trailers.
#[derive(Clone, Debug)]
pub(crate) struct CallContext {
    /// Who calls.
    pub(crate) caller: Principal,
    /// The most metadata that the caller takes with a status, in bytes.
    pub(crate) max_status_bytes: usize,
}

/// The size of the message of a response, in bytes, which the frame of a call attaches to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseBytes(pub(crate) usize);

/// A caller may ask for more than the default, up to `most`. Anything else counts as the default.
pub(super) fn max_status_bytes(headers: &HeaderMap, most: usize) -> usize {
    headers
        .get(&header::MAX_STATUS_BYTES)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .map_or(limits::STATUS_BYTES, |bytes| bytes.min(most).max(limits::STATUS_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_may_ask_for_more_than_the_default_up_to_a_limit() {
        let read = |value: &'static str, most| {
            let headers = HeaderMap::from_iter([(
                header::MAX_STATUS_BYTES.clone(),
                http::HeaderValue::from_static(value),
            )]);
            max_status_bytes(&headers, most)
        };
        let most = limits::MAX_STATUS_BYTES;
        assert_eq!(max_status_bytes(&HeaderMap::new(), most), 8192);
        for (value, bytes) in [
            ("16384", 16384),
            ("1048576", 1_048_576),
            ("1048577", 1_048_576),
            ("0", 8192),
            ("8191", 8192),
            ("99999999999999999999999", 8192),
            ("-1", 8192),
            ("much", 8192),
            ("", 8192),
        ] {
            assert_eq!(read(value, most), bytes, "{value:?}");
        }
        for (value, bytes) in [("12288", 12288), ("14337", 14336), ("1048576", 14336), ("0", 8192)]
        {
            assert_eq!(read(value, 14336), bytes, "{value:?}");
        }
    }
}
