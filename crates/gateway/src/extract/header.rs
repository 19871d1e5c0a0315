//! Headers that a caller sends once or not at all.

use http::{HeaderMap, HeaderName};

/// A header that is repeated, or whose value is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Returns the parsed value of a header; `None` if it is absent.
///
/// # Errors
/// The header is repeated, or `parse` returns `None`.
pub(super) fn optional<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Malformed> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().ok().and_then(parse).map(Some).ok_or(Malformed),
        (Some(_), Some(_)) => Err(Malformed),
    }
}
