//! What else an entry says.

use std::fmt;

/// What else there is to say: words and numbers, as `scopes=admin count=3`. There is nothing in them that a
/// person typed but names of hosts and networks, so neither names of people nor secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditDetails(String);

impl AuditDetails {
    /// The name under which an entry says up to where the log was pruned.
    pub const UP_TO: &'static str = "up_to";

    /// Returns the value of this name in details; `None` if there is none.
    #[must_use]
    pub fn value<'a>(details: &'a str, name: &str) -> Option<&'a str> {
        let mut values = details.split(' ').filter_map(|pair| pair.split_once('='));
        values.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Returns what there is to say of users or cases that were fed: how many were created and changed, and their ids.
    #[must_use]
    pub fn of_fed(created: &[i64], updated: &[i64]) -> Self {
        let counts = Self::default().with("created", created.len()).with("updated", updated.len());
        counts.with_ids("created_ids", created).with_ids("updated_ids", updated)
    }

    /// Adds a value. White space becomes an underscore.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        let value = value.to_string().replace(char::is_whitespace, "_");
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&value);
        self
    }

    /// Adds ids, in ascending order, as `1-500,777`; nothing if there are none.
    fn with_ids(self, name: &'static str, ids: &[i64]) -> Self {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        let runs = ids.chunk_by(|one, next| next.checked_sub(*one) == Some(1));
        let runs: Vec<_> = runs
            .filter_map(|run| match run {
                [] => None,
                [id] => Some(id.to_string()),
                [first, .., last] => Some(format!("{first}-{last}")),
            })
            .collect();
        if runs.is_empty() { self } else { self.with(name, runs.join(",")) }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_words() {
        let details = AuditDetails::default().with("reason", "a b").with("count", 3);
        assert_eq!(details.as_str(), "reason=a_b count=3");
    }

    #[test]
    fn ids_that_follow_each_other_are_a_range() {
        let details =
            |created: &[i64], updated: &[i64]| AuditDetails::of_fed(created, updated).into_string();
        assert_eq!(
            details(&[7, 5, 6], &[9, 1, 3, 2, 11]),
            "created=3 updated=5 created_ids=5-7 updated_ids=1-3,9,11"
        );
        assert_eq!(details(&[], &[4]), "created=0 updated=1 updated_ids=4");
        let most: Vec<_> = (0..500).map(|n| 9_000_000_000_000_000 + 2 * n).collect();
        assert!(details(&most, &[]).len() < 9_000);
    }
}
