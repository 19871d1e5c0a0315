//! Cuts texts that callers choose, so that no caller decides how long a log line is.

use std::borrow::Cow;

/// The most characters of a text that is logged.
const MAX_CHARS: usize = 200;

/// Returns a text of a caller as it is logged: its first 200 characters, and an ellipsis if there are
/// more.
#[must_use]
pub fn cut(text: &str) -> Cow<'_, str> {
    // A character has at least a byte.
    if text.len() <= MAX_CHARS {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for character in ["a", "é", "🚀"] {
            let longest = character.repeat(MAX_CHARS);
            assert_eq!(cut(&longest), longest);
            assert!(matches!(cut(&longest), Cow::Borrowed(_)));
            assert_eq!(cut(&format!("{longest}{character}")), format!("{longest}…"));
        }
        assert_eq!(cut(""), "");
    }
}
