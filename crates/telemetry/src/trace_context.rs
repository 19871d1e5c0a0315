//! Reads and writes the trace that a request is part of (W3C Trace Context, level 1).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use proto::wire::header::{TRACEPARENT, TRACESTATE};
use traces::Context;

/// The most entries and bytes of a `tracestate` that are passed on (W3C Trace Context, 3.3.1.1 and 3.3.1.5).
const MOST_ENTRIES: usize = 32;
const MOST_BYTES: usize = 512;
/// Entries that are longer, in bytes, are the first to be left out.
const LONG_ENTRY: usize = 128;

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// Returns the id of the trace that a request with these headers is part of; `None` if it is in none,
    /// or its caller does not record it: then nobody finds the trace.
    #[must_use]
    pub fn of_sampled(headers: &HeaderMap) -> Option<Self> {
        let (value, context) = valid(headers)?;
        context.is_sampled.then(|| Self::parse(id_in(value))).flatten()
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
    valid(headers).map(|(value, _)| id_in(value))
}

/// Returns the context of the header `traceparent`. `None` if the header is missing, repeated or invalid.
pub(crate) fn context(headers: &HeaderMap) -> Option<Context> {
    valid(headers).map(|(_, context)| context)
}

fn valid(headers: &HeaderMap) -> Option<(&str, Context)> {
    let mut values = headers.get_all(&TRACEPARENT).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok()?,
        _ => return None,
    };
    Some((value, Context::parse(value)?))
}

/// Returns the trace id in a valid value: it is behind the version.
fn id_in(value: &str) -> &str {
    value.get(3..35).unwrap_or_default()
}

/// Returns what tracing systems have added to a valid `traceparent`: the entries of all headers, the newest first.
/// `None` if there are none, or one is malformed: then all of them are discarded. If they are too long, long entries are
/// left out, and then the oldest ones, as W3C Trace Context has it (3.3.1.5).
pub(crate) fn state(headers: &HeaderMap) -> Option<Arc<str>> {
    let mut entries: Vec<&str> = Vec::new();
    for value in headers.get_all(&TRACESTATE) {
        let found = value.to_str().ok()?.split(',').map(str::trim);
        for entry in found.filter(|entry| !entry.is_empty()) {
            if !is_entry(entry) {
                return None;
            }
            if entries.len() < MOST_ENTRIES {
                entries.push(entry);
            }
        }
    }
    // With the commas.
    let length = |entries: &[&str]| entries.iter().map(|entry| entry.len() + 1).sum::<usize>();
    if length(&entries) > MOST_BYTES + 1 {
        entries.retain(|entry| entry.len() <= LONG_ENTRY);
    }
    while length(&entries) > MOST_BYTES + 1 {
        entries.pop();
    }
    (!entries.is_empty()).then(|| entries.join(",").into())
}

/// Whether this is a key and a value (W3C Trace Context, 3.3.1.3), but for the form of a key with a tenant.
fn is_entry(entry: &str) -> bool {
    let Some((key, value)) = entry.split_once('=') else { return false };
    let of_key =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    let is_value = !value.is_empty() && !value.contains('=');
    is_value && !key.is_empty() && key.len() <= 256 && value.len() <= 256 && key.bytes().all(of_key)
}

/// Replaces the trace context in these headers.
pub(crate) fn write(headers: &mut HeaderMap, context: &Context, state: Option<&str>) {
    headers.remove(&TRACESTATE);
    headers.insert(&TRACEPARENT, header(context));
    // It was one, so it still is.
    if let Some(state) = state.and_then(|state| HeaderValue::try_from(state).ok()) {
        headers.insert(&TRACESTATE, state);
    }
}

/// Returns the value of a header `traceparent`.
#[must_use]
pub fn header(context: &Context) -> HeaderValue {
    // Digits and hyphens are a valid value.
    HeaderValue::try_from(context.to_string()).unwrap_or(HeaderValue::from_static(""))
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

    fn state_of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&TRACESTATE, value.parse().unwrap());
        }
        state(&headers).map(|state| state.to_string())
    }

    #[test]
    fn a_state_is_passed_on_in_its_order_up_to_its_limits() {
        assert_eq!(state_of(&[]), None);
        assert_eq!(state_of(&["", " , "]), None);
        assert_eq!(state_of(&["a=1 ,b=2", "c=3"]).as_deref(), Some("a=1,b=2,c=3"));
        let entries: Vec<String> = (0..40).map(|number| format!("k{number}=v")).collect();
        let kept = state_of(&[&entries.join(",")]).unwrap();
        assert_eq!(kept, entries[..32].join(","));
        let long = format!("b={}", "x".repeat(254));
        let kept = state_of(&["a=1", &long, &format!("c={}", "x".repeat(252)), "d=1"]);
        assert_eq!(kept.as_deref(), Some("a=1,d=1"));
        let longest = format!("b={}", "x".repeat(200));
        assert_eq!(state_of(&["a=1", &longest]), Some(format!("a=1,{longest}")));
        let entries = ["a", "b", "c", "d", "e"].map(|key| format!("{key}={}", "x".repeat(118)));
        assert_eq!(state_of(&[&entries.join(",")]), Some(entries[..4].join(",")));
    }

    #[test]
    fn a_malformed_state_is_discarded() {
        for malformed in ["a", "=1", "a=", "A=1", "a b=1", "a=1=2"] {
            assert_eq!(state_of(&["x=1", malformed]), None, "{malformed}");
        }
    }

    #[test]
    fn a_written_context_replaces_all_that_was_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [(&TRACEPARENT, "x"), (&TRACEPARENT, "y"), (&TRACESTATE, "a=1"), (&TRACESTATE, "b=2")]
        {
            headers.append(name, value.parse().unwrap());
        }
        let own = Context::parse(&format!("00-{ID}-b7ad6b7169203331-01")).unwrap();
        write(&mut headers, &own, Some("a=1"));
        assert_eq!(context(&headers), Some(own));
        assert_eq!(state(&headers).as_deref(), Some("a=1"));
        write(&mut headers, &own, None);
        assert_eq!((headers.len(), state(&headers)), (1, None));
    }
}
