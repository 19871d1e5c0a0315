//! Ids in the path.

use axum::extract::{FromRequestParts as _, RawPathParams};
use http::request::Parts;

/// Returns the id in the path parameter of this name; `None` if it is malformed.
pub(super) async fn id<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Option<i64> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let (_, text) = params.iter().find(|(param, _)| *param == name)?;
    parse(text)
}

/// Reads a positive integer. Each id has one spelling: decimal digits, no sign, no leading zero.
fn parse(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_plain_positive_int64() {
        assert_eq!(parse("1"), Some(1));
        assert_eq!(parse("9223372036854775807"), Some(i64::MAX));
        for text in ["", "0", "01", "+1", "-1", "1.0", "1e3", "a", "9223372036854775808", "١", " 1"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
