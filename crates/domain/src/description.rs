//! The description of a task.

use crate::{Reason, Rule};

/// A task's description: 1 to 10,000 characters, none of them NUL, without leading or trailing
/// white space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// The most characters: Unicode scalar values, which is what Postgres counts too.
    pub const MAX_CHARS: usize = 10_000;

    /// Broken by a text that is empty or has white space only.
    pub const REQUIRED: Rule =
        Rule { reason: Reason::Required, description: "a description is required" };
    /// Broken past [`Self::MAX_CHARS`].
    pub const TOO_LONG: Rule = Rule {
        reason: Reason::TooLong,
        description: "a description has at most 10,000 characters",
    };
    /// Broken by a NUL character: Postgres' type `text` has none.
    pub const CONTAINS_NUL: Rule =
        Rule { reason: Reason::ContainsNul, description: "a NUL character can't be stored" };

    /// Removes leading and trailing white space (as Unicode defines it) and checks the rest.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(mut text: String) -> Result<Self, &'static Rule> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(&Self::REQUIRED);
        }
        // Counting bytes is quick, and a text has at least as many bytes as characters.
        if trimmed.len() > Self::MAX_CHARS && trimmed.chars().count() > Self::MAX_CHARS {
            return Err(&Self::TOO_LONG);
        }
        if trimmed.contains('\0') {
            return Err(&Self::CONTAINS_NUL);
        }
        if trimmed.len() < text.len() {
            text = trimmed.to_owned();
        }
        Ok(Self(text))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text as an owned string.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Reason> {
        let parsed = Description::parse(text.to_owned());
        parsed.map(Description::into_string).map_err(|rule| rule.reason)
    }

    #[test]
    fn is_trimmed_of_unicode_white_space() {
        assert_eq!(parse(" \t\u{2003}call them\u{a0}\n"), Ok("call them".to_owned()));
        assert_eq!(parse("\u{2003}\n"), Err(Reason::Required));
        assert_eq!(parse(""), Err(Reason::Required));
    }

    #[test]
    fn counts_characters_after_trimming() {
        let longest = "\u{1f680}".repeat(Description::MAX_CHARS);
        assert!(parse(&longest).is_ok());
        assert!(parse(&format!("  {longest}  ")).is_ok());
        assert_eq!(parse(&format!("{longest}x")), Err(Reason::TooLong));
    }

    #[test]
    fn contains_no_nul() {
        assert_eq!(parse("a\0b"), Err(Reason::ContainsNul));
        assert_eq!(parse("\0"), Err(Reason::ContainsNul));
    }
}
