//! How a call to the server is made, from the headers of the request.

use std::fmt;

use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderMap, HeaderValue, request::Parts};
use proto::wire::{
    Reason,
    header::{
        ADDRESS_UNCERTAIN, FORWARDED_HOST, IDEMPOTENCY_KEY, REQUEST_ID, REQUEST_TIMEOUT,
        TRACEPARENT, TRACESTATE,
    },
    limits,
};
use serving::Client;
use tokio::time::Instant;

use super::{
    Rejection,
    deadline::{Deadline, MaxTimeout},
    forwarded::forwarded,
    forwarded_host::forwarded_host,
    header::{self, Malformed},
};
use crate::openapi::{
    Draft, Input,
    schema::{Seconds, Text, Traceparent},
};

/// How a call to the server is made.
pub(crate) struct CallOptions {
    /// The key that makes the call safe to repeat, from the header `Idempotency-Key`.
    pub(crate) idempotency_key: Option<String>,
    /// The time by which the call must be over.
    pub(crate) deadline: Instant,
    /// The headers of the request that the server gets as metadata.
    pub(crate) metadata: HeaderMap,
}

/// Without the metadata, which has the API key.
impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallOptions")
            .field("idempotency_key", &self.idempotency_key)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CallOptions
where
    MaxTimeout: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let idempotency_key = idempotency_key(&parts.headers)
            .map_err(|Malformed| Rejection::IdempotencyKeyInvalid)?;
        let Deadline(deadline) = Deadline::from_request_parts(parts, state).await?;
        let client = Client::of(&parts.extensions);
        let mut metadata = forwarded(&parts.headers, client.address());
        if client.address() != client.certain_address() {
            metadata.insert(&ADDRESS_UNCERTAIN, HeaderValue::from_static("true"));
        }
        if let Some(hosts) = forwarded_host(parts, client.is_behind_proxy()) {
            metadata.insert(&FORWARDED_HOST, hosts);
        }
        Ok(Self { idempotency_key, deadline, metadata })
    }
}

/// Returns the idempotency key, if the caller gave one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Malformed> {
    header::optional(headers, &IDEMPOTENCY_KEY, parse)
}

/// Reads 1 to 255 visible ASCII characters.
fn parse(text: &str) -> Option<String> {
    let is_key = (1..=limits::IDEMPOTENCY_KEY_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_key.then(|| text.to_owned())
}

impl Input for CallOptions {
    fn describe(draft: &mut Draft) {
        draft.header::<Seconds>(
            &REQUEST_TIMEOUT,
            "The most time that the call may take, in seconds, greater than 0 and with at most three \
             decimals. It can shorten the timeout of the service, but not extend it.",
        );
        draft.header::<Text>(
            &REQUEST_ID,
            "The id of the request in logs, 1 to 128 visible ASCII characters. Without a usable one, the \
             service makes one.",
        );
        draft.header::<Traceparent>(&TRACEPARENT, "The trace of the request (W3C Trace Context).");
        draft.header::<Text>(&TRACESTATE, "What tracing systems add to `traceparent`.");
        draft.reasons(&[Reason::IdempotencyKeyInvalid, Reason::RequestTimeoutInvalid]);
        draft.calls_server();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use http::Request;

    use super::*;

    const MAX: Duration = Duration::from_secs(10);

    async fn options(keys: &[&[u8]]) -> Result<CallOptions, Rejection> {
        let builder = keys
            .iter()
            .fold(Request::builder(), |request, key| request.header(&IDEMPOTENCY_KEY, *key));
        let (mut parts, _body) = builder.body(Body::empty()).unwrap().into_parts();
        CallOptions::from_request_parts(&mut parts, &MaxTimeout(MAX)).await
    }

    #[tokio::test]
    async fn an_idempotency_key_is_1_to_255_visible_ascii_characters() {
        let longest = "k".repeat(255);
        for key in ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", "\"quoted\"", &longest] {
            let options = options(&[key.as_bytes()]).await.unwrap();
            assert_eq!(options.idempotency_key.as_deref(), Some(key));
        }
        for keys in
            [&[&b""[..]][..], &[b"a b"], &[b"a\tb"], &[b"\xff"], &[&[b'k'; 256]], &[b"a", b"a"]]
        {
            let rejection = options(keys).await.unwrap_err();
            assert!(matches!(rejection, Rejection::IdempotencyKeyInvalid), "{keys:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_headers_a_call_has_no_key_and_the_longest_deadline() {
        let options = options(&[]).await.unwrap();
        assert_eq!(options.idempotency_key, None);
        assert_eq!(options.deadline, Instant::now() + MAX);
    }
}
