//! The first or last name of a user.

use crate::{Reason, Rule, text::trimmed};

/// A user's first or last name: at most 200 characters, none of them NUL, without leading or trailing
/// white space. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonName(String);

impl PersonName {
    /// The longest name, in characters: Unicode scalar values.
    pub const MAX_CHARS: usize = 200;

    /// Broken past [`Self::MAX_CHARS`].
    pub const TOO_LONG: Rule =
        Rule { reason: Reason::TooLong, description: "a name has at most 200 characters" };

    /// Removes leading and trailing white space (as Unicode defines it) and checks the rest.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: String) -> Result<Self, &'static Rule> {
        trimmed(text, Self::MAX_CHARS, &Self::TOO_LONG).map(Self)
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
