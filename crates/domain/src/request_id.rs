//! The ids by which callers make their requests safe to repeat.

use std::fmt;

use crate::Reason;

/// The id that a caller gave a request (AIP-155): a repeat bears the same one, and is answered as
/// the first was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// The longest id, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Checks an id: 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// Which rule the text breaks.
    pub fn parse(text: String) -> Result<Self, Reason> {
        if text.is_empty() {
            Err(Reason::Required)
        } else if text.len() > Self::MAX_BYTES {
            Err(Reason::TooLong)
        } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(Reason::InvalidCharacter)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What tells two requests apart that bear the same id: the SHA-256 of what they ask for.
pub type Fingerprint = [u8; 32];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_1_to_255_visible_ascii_characters() {
        for text in ["a", "!~", "0af7651916cd43dd8448eb211c80319c", &"x".repeat(255)] {
            assert_eq!(RequestId::parse(text.to_owned()).unwrap().as_str(), text);
        }
        for (text, reason) in [
            ("", Reason::Required),
            (&*"x".repeat(256), Reason::TooLong),
            ("a b", Reason::InvalidCharacter),
            ("a\u{7f}", Reason::InvalidCharacter),
            ("é", Reason::InvalidCharacter),
            ("a\0", Reason::InvalidCharacter),
        ] {
            assert_eq!(RequestId::parse(text.to_owned()), Err(reason), "{text:?}");
        }
    }
}
