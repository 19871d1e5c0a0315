//! The ids by which callers know their own users and cases.

use crate::{Reason, Rule, text::CONTAINS_NUL};

/// A caller's own id of a user or a case, unique among those of the tenant: 1 to 200 characters, none of
/// them NUL. It is compared byte by byte, and otherwise opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId(String);

impl ExternalId {
    /// The longest id, in characters: Unicode scalar values.
    pub const MAX_CHARS: usize = 200;

    /// Broken by an empty text.
    pub const REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "an external id is required" };

    /// Broken past [`Self::MAX_CHARS`].
    pub const TOO_LONG: Rule =
        Rule { reason: Reason::TooLong, description: "an external id has at most 200 characters" };

    /// Checks an id.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: String) -> Result<Self, &'static Rule> {
        if text.is_empty() {
            return Err(&Self::REQUIRED);
        }
        // Counting bytes is quick, and a text has at least as many bytes as characters.
        if text.len() > Self::MAX_CHARS && text.chars().count() > Self::MAX_CHARS {
            return Err(&Self::TOO_LONG);
        }
        if text.contains('\0') {
            return Err(&CONTAINS_NUL);
        }
        Ok(Self(text))
    }

    /// Returns the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id as an owned string.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_1_to_200_characters_and_is_kept_as_it_is() {
        for id in ["1", " A ", "é", &"é".repeat(200)] {
            assert_eq!(
                ExternalId::parse(id.to_owned()).map(ExternalId::into_string),
                Ok(id.into())
            );
        }
        for (id, reason) in [
            (String::new(), Reason::Required),
            ("x".repeat(201), Reason::TooLong),
            ("a\0".to_owned(), Reason::ContainsNul),
        ] {
            assert_eq!(ExternalId::parse(id).unwrap_err().reason, reason);
        }
    }
}
