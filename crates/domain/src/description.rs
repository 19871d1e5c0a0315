//! What a task says is to be done.

use crate::Reason;

/// A task's description: 1 to 10,000 characters, none of them NUL, without white space around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// The most characters (Unicode scalar values, as Postgres counts them too).
    pub const MAX_CHARS: usize = 10_000;

    /// Trims white space (Unicode's) off both ends and checks what remains.
    ///
    /// # Errors
    /// [`Reason::Required`] where nothing remains, [`Reason::TooLong`] past
    /// [`Self::MAX_CHARS`], [`Reason::ContainsNul`] where there is a NUL, which Postgres' text
    /// can't hold.
    pub fn parse(mut text: String) -> Result<Self, Reason> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(Reason::Required);
        }
        // The bytes are a quick bound: only a text that could be too long is counted.
        if trimmed.len() > Self::MAX_CHARS && trimmed.chars().count() > Self::MAX_CHARS {
            return Err(Reason::TooLong);
        }
        if trimmed.contains('\0') {
            return Err(Reason::ContainsNul);
        }
        if trimmed.len() < text.len() {
            text = trimmed.to_owned();
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as an owned string.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Reason> {
        Description::parse(text.to_owned()).map(Description::into_string)
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
    fn holds_no_nul() {
        assert_eq!(parse("a\0b"), Err(Reason::ContainsNul));
        assert_eq!(parse("\0"), Err(Reason::ContainsNul));
    }
}
