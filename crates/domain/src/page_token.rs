//! Page tokens: opaque to callers, and checked when they come back.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{Reason, Rule};

/// Which items a list has.
pub trait ListFilter {
    /// Adds what tells the list from others.
    fn hash(&self, hash: &mut Sha256);
}

/// A position in a list: the last item of a page, and a check sum over it and the list's filter.
///
/// It holds no secret and needs no signature: whoever forges one gets a list that starts elsewhere,
/// of items that it may see anyway. The check sum finds tokens that were cut, altered, or used with
/// another list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageToken {
    /// The id of the item: positive.
    after: i64,
    check: u64,
}

impl PageToken {
    /// Broken by a text that is not a token of this list.
    pub const INVALID: Rule = Rule {
        reason: Reason::InvalidPageToken,
        description: "the page token does not belong to a list with these fields",
    };

    /// The first two digits: the format. A token of another format is not understood.
    const FORMAT: &str = "01";

    /// Returns the position after the item with this id, in the list with this filter.
    #[must_use]
    pub fn after(id: i64, filter: &impl ListFilter) -> Self {
        Self { after: id, check: check(&[id], filter) }
    }

    /// Reads a token; `None` for another text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let [after, check] = parse_numbers(text, Self::FORMAT)?;
        Some(Self { after: i64::try_from(after).ok().filter(|after| *after > 0)?, check })
    }

    /// Returns the id of the item after which a caller goes on in the list with this filter; `None` for an
    /// empty text, which is the start.
    ///
    /// # Errors
    /// [`Self::INVALID`].
    pub(crate) fn position(
        text: &str,
        filter: &impl ListFilter,
    ) -> Result<Option<i64>, &'static Rule> {
        if text.is_empty() {
            return Ok(None);
        }
        let position = Self::parse(text).and_then(|token| token.position_in(filter));
        position.map(Some).ok_or(&Self::INVALID)
    }

    /// Returns the id of the item after which the list goes on; `None` if this is a token of another
    /// list.
    pub(crate) fn position_in(self, filter: &impl ListFilter) -> Option<i64> {
        (self.check == check(&[self.after], filter)).then_some(self.after)
    }
}

/// Writes the format, the id and the check sum, in hexadecimal digits.
impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:016x}{:016x}", Self::FORMAT, self.after, self.check)
    }
}

/// Reads the numbers of a token of a format, of 16 hexadecimal digits each.
pub(crate) fn parse_numbers<const N: usize>(text: &str, format: &str) -> Option<[u64; N]> {
    let digits = text.strip_prefix(format)?;
    let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() != 16 * N || !is_hex {
        return None;
    }
    let mut numbers = [0; N];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = u64::from_str_radix(digits.get(16 * index..16 * (index + 1))?, 16).ok()?;
    }
    Some(numbers)
}

/// Returns the check sum over a position and a list's filter.
pub(crate) fn check(position: &[i64], filter: &impl ListFilter) -> u64 {
    let mut hash = Sha256::new();
    for number in position {
        hash.update(number.to_be_bytes());
    }
    filter.hash(&mut hash);
    let digest: [u8; 32] = hash.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Filter(u8);

    impl ListFilter for Filter {
        fn hash(&self, hash: &mut Sha256) {
            hash.update([self.0]);
        }
    }

    fn filter() -> Filter {
        Filter(1)
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for id in [1, 2, i64::MAX] {
            let token = PageToken::after(id, &filter());
            assert_eq!(PageToken::parse(&token.to_string()), Some(token));
            assert_eq!(token.position_in(&filter()), Some(id));
            assert_eq!(token.position_in(&Filter(2)), None);
        }
    }

    #[test]
    fn a_token_with_any_other_character_is_none() {
        let token = PageToken::after(123_456, &filter()).to_string();
        let position = |text: &str| PageToken::parse(text).and_then(|t| t.position_in(&filter()));
        for index in 0..token.len() {
            for other in ["0", "f", "F", "+", " ", "é", ""] {
                let text = format!("{}{other}{}", &token[..index], &token[index + 1..]);
                assert!(text == token || position(&text).is_none(), "{text}");
            }
        }
        assert_eq!(position(""), None);
        assert_eq!(position(&format!("{token}0")), None);
    }
}
