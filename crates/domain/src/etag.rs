//! Entity tags, by which a caller names the state of a task or a case that it has seen.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The tag of one state of a task or a case: another one after each change, since a change always moves
/// `updated_at` forward by at least a microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Etag(u64);

/// Which states of a task a change may be made to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Any.
    #[default]
    None,
    /// One of these. Possibly none, if the caller named no state that a task can have.
    OneOf(Vec<Etag>),
}

impl Precondition {
    /// The most entity tags of a list that are compared.
    pub const MAX_ETAGS: usize = 100;

    /// Reads what a caller sends: the value of `If-Match` (RFC 9110, 13.1.1), which is `*` or a list
    /// of entity tags. Tags are compared strongly, so a weak one equals none; nor does a text that
    /// is no tag. An empty text is no condition. Of a longer list, the first [`Self::MAX_ETAGS`] count:
    /// nobody has seen a task in more states, and each is compared in the database.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            "" | "*" => Self::None,
            list => {
                Self::OneOf(list.split(',').take(Self::MAX_ETAGS).filter_map(Etag::parse).collect())
            }
        }
    }
}

impl Etag {
    /// Reads a strong tag; `None` for another text.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix('"')?.strip_suffix('"')?;
        let value = Self(u64::from_str_radix(digits, 16).ok()?);
        // A tag has one spelling.
        (value.to_string() == text.trim()).then_some(value)
    }

    /// Returns the time at which a task with this tag was last changed.
    #[must_use]
    pub fn updated_at(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.0)
    }

    /// Returns the tag of a task that was last changed at this time, which has whole microseconds,
    /// as the database's times have.
    #[must_use]
    pub fn of(updated_at: SystemTime) -> Self {
        let since_1970 = updated_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX))
    }
}

/// Writes the tag as a strong one of RFC 9110 (8.8.3), quotes included.
impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{:x}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_microsecond_makes_another_tag() {
        let time = UNIX_EPOCH + Duration::from_micros(0x6_1234_5678_9abc);
        assert_eq!(Etag::of(time).to_string(), "\"6123456789abc\"");
        assert_ne!(Etag::of(time), Etag::of(time + Duration::from_micros(1)));
    }

    #[test]
    fn a_precondition_is_a_list_of_strong_tags() {
        let tags = |list: &[u64]| Precondition::OneOf(list.iter().copied().map(Etag).collect());
        for (text, precondition) in [
            ("", Precondition::None),
            (" * ", Precondition::None),
            ("\"1f\"", tags(&[0x1f])),
            ("\"1\" , \"2\"", tags(&[1, 2])),
            ("W/\"1\", \"2\"", tags(&[2])),
            ("W/\"1\"", tags(&[])),
            ("1f", tags(&[])),
            ("\"1F\"", tags(&[])),
            ("\"01\"", tags(&[])),
            ("\"+1\"", tags(&[])),
            ("\"\"", tags(&[])),
            ("\"", tags(&[])),
            ("\"a,b\"", tags(&[])),
            ("\"11111111111111111\"", tags(&[])),
        ] {
            assert_eq!(Precondition::parse(text), precondition, "{text}");
        }
    }

    #[test]
    fn of_a_long_list_only_so_many_tags_count() {
        let list = |count: usize| vec![r#""1""#; count].join(",");
        for (count, counted) in [(100, 100), (101, 100), (100_000, 100)] {
            let Precondition::OneOf(etags) = Precondition::parse(&list(count)) else { panic!() };
            assert_eq!(etags.len(), counted);
        }
    }
}
