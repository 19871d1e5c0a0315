//! The headers by which a caller steers a call: an id to repeat it by, and the time it may take.

use std::time::Duration;

use http::HeaderMap;
use tonic::Code;

use crate::problem::Problem;

/// Makes a request safe to repeat (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The most time that the caller grants, in seconds.
const REQUEST_TIMEOUT: &str = "request-timeout";

/// The longest idempotency key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// How a call is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The id that makes the call safe to repeat; empty where the caller gave none.
    pub(crate) request_id: String,
    /// How long it may take.
    pub(crate) timeout: Duration,
}

impl Terms {
    /// What the caller asks for, within what the gateway grants at the most.
    ///
    /// # Errors
    /// The header that is at fault.
    pub(crate) fn of(headers: &HeaderMap, longest: Duration) -> Result<Self, BadHeader> {
        let request_id = one(headers, IDEMPOTENCY_KEY, to_key).ok_or(BadHeader::IdempotencyKey)?;
        let timeout =
            one(headers, REQUEST_TIMEOUT, to_duration).ok_or(BadHeader::RequestTimeout)?;
        Ok(Self {
            request_id: request_id.unwrap_or_default(),
            timeout: timeout.map_or(longest, |timeout| timeout.min(longest)),
        })
    }
}

/// The value of a header that may be left out; nothing where it is at fault.
fn one<T>(
    headers: &HeaderMap,
    name: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<Option<T>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => parse(value.to_str().ok()?).map(Some),
        (Some(_), Some(_)) => None,
    }
}

fn to_key(text: &str) -> Option<String> {
    let is_key =
        (1..=MAX_KEY_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    is_key.then(|| text.to_owned())
}

/// Seconds with up to three decimals, more than none: `5`, `0.25`.
fn to_duration(text: &str) -> Option<Duration> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(seconds, 9) || !is_number(decimals, 3) {
        return None;
    }
    let millis: u64 = format!("{decimals:0<3}").parse().ok()?;
    let duration = Duration::from_secs(seconds.parse().ok()?) + Duration::from_millis(millis);
    (duration > Duration::ZERO).then_some(duration)
}

/// A header that is given twice, or is not of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    IdempotencyKey,
    RequestTimeout,
}

impl From<BadHeader> for Problem {
    fn from(header: BadHeader) -> Self {
        let (reason, detail) = match header {
            BadHeader::IdempotencyKey => (
                "IDEMPOTENCY_KEY_INVALID",
                "an Idempotency-Key is given once and has 1 to 255 visible ASCII characters",
            ),
            BadHeader::RequestTimeout => (
                "REQUEST_TIMEOUT_INVALID",
                "a Request-Timeout is given once, in seconds above 0 with at most three decimals",
            ),
        };
        Self::new(Code::InvalidArgument, reason, detail)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(10);

    fn terms(name: &'static str, values: &[&[u8]]) -> Option<Terms> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        Terms::of(&headers, LONGEST).ok()
    }

    #[test]
    fn an_idempotency_key_is_1_to_255_visible_ascii_characters() {
        let longest = "k".repeat(255);
        for key in ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", "\"quoted\"", &longest] {
            assert_eq!(terms(IDEMPOTENCY_KEY, &[key.as_bytes()]).unwrap().request_id, key);
        }
        let none = Terms { request_id: String::new(), timeout: LONGEST };
        assert_eq!(terms(IDEMPOTENCY_KEY, &[]), Some(none));
        for values in
            [&[&b""[..]][..], &[b"a b"], &[b"a\tb"], &[b"\xff"], &[&[b'k'; 256]], &[b"a", b"a"]]
        {
            assert_eq!(terms(IDEMPOTENCY_KEY, values), None, "{values:?}");
        }
    }

    #[test]
    fn a_timeout_is_seconds_with_up_to_three_decimals_and_only_shortens() {
        for (text, millis) in
            [("1", 1000), ("0.25", 250), ("2.5", 2500), ("0.001", 1), ("11", 10_000), ("007", 7000)]
        {
            let timeout = terms(REQUEST_TIMEOUT, &[text.as_bytes()]).unwrap().timeout;
            assert_eq!(timeout, Duration::from_millis(millis), "{text}");
        }
        for text in
            ["", "0", "0.0", "-1", "+1", "1s", "1.", ".5", "1.0000", "1e3", " 1", "1234567890", "١"]
        {
            assert_eq!(terms(REQUEST_TIMEOUT, &[text.as_bytes()]), None, "{text:?}");
        }
        assert_eq!(terms(REQUEST_TIMEOUT, &[b"1", b"1"]), None);
    }
}
