//! Media types, as they are in `content-type` and `accept`.

/// Returns a media type in lower case, without its parameters.
pub(super) fn media_type(text: &str) -> String {
    let (media_type, _parameters) = text.split_once(';').unwrap_or((text, ""));
    media_type.trim().to_ascii_lowercase()
}
