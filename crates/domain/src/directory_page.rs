//! The pages of the lists of the directory.

use crate::{Rule, TaskQuery};

/// The most items of a page of a list of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryPageSize(usize);

impl DirectoryPageSize {
    /// The items of a page, if the caller does not say.
    pub const DEFAULT: usize = 100;

    /// Checks the number that a caller asks for, of which 0 stands for the default. More than `most` counts
    /// as `most`.
    ///
    /// # Errors
    /// [`TaskQuery::NEGATIVE`].
    pub(crate) fn parse(size: i32, most: usize) -> Result<Self, &'static Rule> {
        match usize::try_from(size) {
            Ok(0) => Ok(Self(Self::DEFAULT)),
            Ok(size) => Ok(Self(size.min(most))),
            Err(_) => Err(&TaskQuery::NEGATIVE),
        }
    }

    /// Returns the number, at least 1.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }

    /// Returns how many items to read: one more than a page has, to know whether there are more.
    #[must_use]
    pub fn limit(self) -> i64 {
        i64::try_from(self.0 + 1).unwrap_or(i64::MAX)
    }

    /// Removes the item that a page has too many, if [`Self::limit`] were read. Returns whether it was
    /// there.
    pub fn cut<T>(self, items: &mut Vec<T>) -> bool {
        let has_more = items.len() > self.0;
        items.truncate(self.0);
        has_more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_100_items_unless_the_caller_says_so() {
        let parse = |size| DirectoryPageSize::parse(size, 500).map(DirectoryPageSize::get);
        for (size, expected) in [(0, 100), (1, 1), (500, 500), (501, 500), (i32::MAX, 500)] {
            assert_eq!(parse(size), Ok(expected));
        }
        assert_eq!(parse(-1), Err(&TaskQuery::NEGATIVE));
    }

    #[test]
    fn one_item_more_tells_that_there_are_more() {
        let size = DirectoryPageSize::parse(2, 500).unwrap();
        assert_eq!(size.limit(), 3);
        for (len, has_more) in [(0, false), (2, false), (3, true)] {
            let mut items = vec![(); len];
            assert_eq!((size.cut(&mut items), items.len()), (has_more, len.min(2)));
        }
    }
}
