//! Reads the trace that a request is part of (W3C Trace Context, level 1).

use http::HeaderMap;
use proto::wire::header::TRACEPARENT;

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// Returns the id of the trace that a request with these headers is part of; `None` if it is in none,
    /// or its caller does not record it: then nobody finds the trace.
    #[must_use]
    pub fn of_sampled(headers: &HeaderMap) -> Option<Self> {
        let id = trace_id(headers)?;
        // Valid, so the flags are the last one of the first four parts, two digits.
        let flags = headers.get(&TRACEPARENT)?.to_str().ok()?.split('-').nth(3)?;
        let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        is_sampled.then(|| Self::parse(id)).flatten()
    }

    /// Parses 32 hexadecimal digits in lower case, not all of them zero.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        is_id(text, 32).then(|| text.as_bytes().try_into().ok().map(Self)).flatten()
    }

    /// Returns the digits.
    pub(crate) fn as_str(&self) -> &str {
        // The bytes are digits.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Returns the trace id of the header `traceparent`: 32 lowercase hexadecimal digits. `None` if the
/// header is missing, repeated or invalid.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(&TRACEPARENT).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok()?,
        _ => return None,
    };
    let mut parts = value.split('-');
    let version = parts.next().filter(|version| is_hex(version, 2) && *version != "ff")?;
    let trace_id = parts.next().filter(|id| is_id(id, 32))?;
    parts.next().filter(|id| is_id(id, 16))?;
    parts.next().filter(|flags| is_hex(flags, 2))?;
    // Later versions may add parts.
    (version != "00" || parts.next().is_none()).then_some(trace_id)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// An id of zeros only is invalid.
fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn trace_id_of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&TRACEPARENT, value.parse().unwrap());
        }
        trace_id(&headers).map(str::to_owned)
    }

    #[test]
    fn a_valid_traceparent_has_a_trace_id() {
        for rest in ["b7ad6b7169203331-01", "b7ad6b7169203331-00"] {
            assert_eq!(trace_id_of(&[&format!("00-{ID}-{rest}")]).as_deref(), Some(ID));
        }
        let later = format!("01-{ID}-b7ad6b7169203331-01-more");
        assert_eq!(trace_id_of(&[&later]).as_deref(), Some(ID));
    }

    #[test]
    fn only_a_trace_that_is_recorded_is_named() {
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("03", true)] {
            let mut headers = HeaderMap::new();
            let value = format!("00-{ID}-b7ad6b7169203331-{flags}");
            headers.append(&TRACEPARENT, value.parse().unwrap());
            let id = TraceId::of_sampled(&headers);
            assert_eq!(id.as_ref().map(TraceId::as_str), is_sampled.then_some(ID), "{flags}");
        }
    }

    #[test]
    fn an_invalid_missing_or_repeated_traceparent_has_none() {
        let valid = format!("00-{ID}-b7ad6b7169203331-01");
        let zeros = "0".repeat(32);
        assert_eq!(trace_id_of(&[]), None);
        assert_eq!(trace_id_of(&[&valid, &valid]), None);
        for value in [
            "",
            ID,
            &format!("ff-{ID}-b7ad6b7169203331-01"),
            &format!("00-{zeros}-b7ad6b7169203331-01"),
            &format!("00-{ID}-0000000000000000-01"),
            &format!("00-{ID}-b7ad6b7169203331-01-more"),
            &format!("00-{ID}-b7ad6b7169203331"),
            &format!("00-{ID}-b7ad6b716920333-01"),
            &format!("00-{ID}0-b7ad6b7169203331-01"),
            &valid.to_uppercase(),
        ] {
            assert_eq!(trace_id_of(&[value]), None, "{value:?}");
        }
    }
}
