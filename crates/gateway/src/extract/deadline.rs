//! The time by which a call must be over, from the header `Request-Timeout`.

use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderMap, request::Parts};
use proto::wire::header::REQUEST_TIMEOUT;
use tokio::time::Instant;

use super::{
    Rejection,
    header::{self, Malformed},
};

/// The longest that any call may take, whatever its caller asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaxTimeout(pub(crate) Duration);

/// The time by which a call must be over. It is fixed when it is first extracted: a later
/// extractor of the same request gets the same one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(pub(super) Instant);

impl<S: Send + Sync> FromRequestParts<S> for Deadline
where
    MaxTimeout: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        if let Some(deadline) = parts.extensions.get::<Self>() {
            return Ok(*deadline);
        }
        let timeout = timeout(&parts.headers, MaxTimeout::from_ref(state))
            .map_err(|Malformed| Rejection::RequestTimeoutInvalid)?;
        let deadline = Self(Instant::now() + timeout);
        parts.extensions.insert(deadline);
        Ok(deadline)
    }
}

/// Returns the time that the call may take: what the caller asks for, up to the maximum.
pub(crate) fn timeout(
    headers: &HeaderMap,
    MaxTimeout(max): MaxTimeout,
) -> Result<Duration, Malformed> {
    let timeout = header::optional(headers, &REQUEST_TIMEOUT, parse)?;
    Ok(timeout.map_or(max, |timeout| timeout.min(max)))
}

/// Reads seconds with up to three decimals, more than zero: `5`, `0.25`.
fn parse(text: &str) -> Option<Duration> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str, max_digits: usize| {
        (1..=max_digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(seconds, 9) || !is_number(decimals, 3) {
        return None;
    }
    let millis: u64 = format!("{decimals:0<3}").parse().ok()?;
    let duration = Duration::from_secs(seconds.parse().ok()?) + Duration::from_millis(millis);
    (duration > Duration::ZERO).then_some(duration)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const MAX: Duration = Duration::from_secs(10);

    fn timeout_of(values: &[&[u8]]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&REQUEST_TIMEOUT, HeaderValue::from_bytes(value).unwrap());
        }
        timeout(&headers, MaxTimeout(MAX)).ok()
    }

    #[test]
    fn a_timeout_is_seconds_with_up_to_three_decimals_and_only_shortens() {
        for (text, millis) in
            [("1", 1000), ("0.25", 250), ("2.5", 2500), ("0.001", 1), ("11", 10_000), ("007", 7000)]
        {
            let timeout = timeout_of(&[text.as_bytes()]).unwrap();
            assert_eq!(timeout, Duration::from_millis(millis), "{text}");
        }
        assert_eq!(timeout_of(&[]), Some(MAX));
        for text in
            ["", "0", "0.0", "-1", "+1", "1s", "1.", ".5", "1.0000", "1e3", " 1", "1234567890", "١"]
        {
            assert_eq!(timeout_of(&[text.as_bytes()]), None, "{text:?}");
        }
        assert_eq!(timeout_of(&[b"1", b"1"]), None);
    }
}
