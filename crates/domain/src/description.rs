//! The description of a task.

use crate::{Reason, Rule, text::trimmed};

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
    /// Removes leading and trailing white space (as Unicode defines it) and checks the rest.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: String) -> Result<Self, &'static Rule> {
        let text = trimmed(text, Self::MAX_CHARS, &Self::TOO_LONG)?;
        if text.is_empty() { Err(&Self::REQUIRED) } else { Ok(Self(text)) }
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
