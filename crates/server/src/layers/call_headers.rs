//! The headers of a call that its frame needs, read before tonic merges the trailers into them.

use domain::{ApiKey, AuthError};
use http::{HeaderMap, Request};
use proto::wire::{header, limits};

use crate::auth;

/// What the headers of a call say.
///
/// tonic merges a request's trailers into its metadata, replacing headers of the same name. A proxy
/// in front of the server checks and logs headers only, so the server must not believe trailers.
#[derive(Clone, Debug)]
pub(crate) struct CallHeaders {
    /// The API key, or why there is none.
    pub(crate) credentials: Result<ApiKey, AuthError>,
    /// The most metadata that the caller takes with a status, in bytes.
    pub(crate) max_status_bytes: usize,
}

/// A call without headers.
impl Default for CallHeaders {
    fn default() -> Self {
        Self { credentials: Err(AuthError::Missing), max_status_bytes: limits::STATUS_BYTES }
    }
}

/// Attaches the [`CallHeaders`] to a request.
pub(crate) fn read_call_headers<B>(mut request: Request<B>) -> Request<B> {
    let headers = CallHeaders {
        credentials: auth::api_key(request.headers()),
        max_status_bytes: max_status_bytes(request.headers()),
    };
    request.extensions_mut().insert(headers);
    request
}

/// A caller may ask for more than the default, up to a limit. Anything else counts as the default.
fn max_status_bytes(headers: &HeaderMap) -> usize {
    headers
        .get(&header::MAX_STATUS_BYTES)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .map_or(limits::STATUS_BYTES, |bytes| {
            bytes.clamp(limits::STATUS_BYTES, limits::MAX_STATUS_BYTES)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_may_ask_for_more_than_the_default_up_to_a_limit() {
        let read = |value: &'static str| {
            let headers = HeaderMap::from_iter([(
                header::MAX_STATUS_BYTES.clone(),
                http::HeaderValue::from_static(value),
            )]);
            max_status_bytes(&headers)
        };
        assert_eq!(max_status_bytes(&HeaderMap::new()), 8192);
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
            assert_eq!(read(value), bytes, "{value:?}");
        }
    }
}
