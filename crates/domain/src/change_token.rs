//! Page tokens of lists in the order of changes.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    ListFilter, PageToken, Rule,
    page_token::{check, parse_numbers},
    time::micros,
};

/// A position in a list in the order of changes: the time and the id of the last item of a page, and a check sum as
/// that of a [`PageToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeToken {
    /// The time of the change, in microseconds since 1970.
    micros: i64,
    /// The id of the item: positive.
    after: i64,
    check: u64,
}

impl ChangeToken {
    /// The first two digits: the format.
    const FORMAT: &str = "02";

    /// Returns the position after the item with this id, which was changed at this time, in the list with this filter.
    #[must_use]
    pub fn after(time: SystemTime, id: i64, filter: &impl ListFilter) -> Self {
        let micros = i64::try_from(micros(Some(time))).unwrap_or(i64::MAX).max(0);
        Self { micros, after: id, check: check(&[micros, id], filter) }
    }

    /// Reads a token; `None` for another text.
    fn parse(text: &str) -> Option<Self> {
        let [micros, after, check] = parse_numbers(text, Self::FORMAT)?;
        let after = i64::try_from(after).ok().filter(|after| *after > 0)?;
        Some(Self { micros: i64::try_from(micros).ok()?, after, check })
    }

    /// Returns the time and the id of the item after which a caller goes on in the list with this filter; `None` for
    /// an empty text, which is the start.
    ///
    /// # Errors
    /// [`PageToken::INVALID`].
    pub(crate) fn position(
        text: &str,
        filter: &impl ListFilter,
    ) -> Result<Option<(SystemTime, i64)>, &'static Rule> {
        if text.is_empty() {
            return Ok(None);
        }
        let position = Self::parse(text).and_then(|token| token.position_in(filter));
        position.map(Some).ok_or(&PageToken::INVALID)
    }

    fn position_in(self, filter: &impl ListFilter) -> Option<(SystemTime, i64)> {
        let Self { micros, after, check } = self;
        if check != self::check(&[micros, after], filter) {
            return None;
        }
        let since_1970 = Duration::from_micros(micros.try_into().ok()?);
        Some((UNIX_EPOCH.checked_add(since_1970)?, after))
    }
}

/// Writes the format, the time, the id and the check sum, in hexadecimal digits.
impl fmt::Display for ChangeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:016x}{:016x}{:016x}", Self::FORMAT, self.micros, self.after, self.check)
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    struct Filter(u8);

    impl ListFilter for Filter {
        fn hash(&self, hash: &mut Sha256) {
            hash.update([self.0]);
        }
    }

    const FILTER: Filter = Filter(1);

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for since in [Duration::ZERO, Duration::from_micros(1_764_000_000_000_001)] {
            for id in [1, 2, i64::MAX] {
                let token = ChangeToken::after(UNIX_EPOCH + since, id, &FILTER).to_string();
                let position = Some((UNIX_EPOCH + since, id));
                assert_eq!(ChangeToken::position(&token, &FILTER), Ok(position));
                assert_eq!(ChangeToken::position(&token, &Filter(2)), Err(&PageToken::INVALID));
                // Nor is it one of a list in another order.
                assert_eq!(PageToken::position(&token, &FILTER), Err(&PageToken::INVALID));
            }
        }
        assert_eq!(ChangeToken::position("", &FILTER), Ok(None));
        let other = PageToken::after(7, &FILTER).to_string();
        assert_eq!(ChangeToken::position(&other, &FILTER), Err(&PageToken::INVALID));
    }

    #[test]
    fn a_token_with_any_other_character_is_none() {
        let time = UNIX_EPOCH + Duration::from_secs(1_764_000_000);
        let token = ChangeToken::after(time, 123_456, &FILTER).to_string();
        for index in 0..token.len() {
            for other in ["0", "f", "F", "+", " ", "é", ""] {
                let text = format!("{}{other}{}", &token[..index], &token[index + 1..]);
                let is_read = ChangeToken::position(&text, &FILTER).is_ok();
                assert!(text == token || !is_read, "{text}");
            }
        }
    }
}
