//! Reads the trace that a request is part of (W3C Trace Context, level 1).

use http::HeaderMap;
use proto::wire::header::TRACEPARENT;

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
