//! Texts that people write: how white space, length and NUL are treated.

use crate::{Reason, Rule};

/// Broken by a NUL character: Postgres' type `text` has none.
pub(crate) const CONTAINS_NUL: Rule =
    Rule { reason: Reason::ContainsNul, description: "a NUL character can't be stored" };

/// Removes leading and trailing white space (as Unicode defines it) and checks the rest: at most
/// `max_chars` characters, which are Unicode scalar values, none of them NUL.
///
/// # Errors
/// `too_long` or [`CONTAINS_NUL`].
pub(crate) fn trimmed(
    text: String,
    max_chars: usize,
    too_long: &'static Rule,
) -> Result<String, &'static Rule> {
    let trimmed = text.trim();
    // Counting bytes is quick, and a text has at least as many bytes as characters.
    if trimmed.len() > max_chars && trimmed.chars().count() > max_chars {
        return Err(too_long);
    }
    if trimmed.contains('\0') {
        return Err(&CONTAINS_NUL);
    }
    Ok(if trimmed.len() < text.len() { trimmed.to_owned() } else { text })
}
