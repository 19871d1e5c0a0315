//! What is said at the end of an import.

use serde::Serialize;

use super::outcome::Counts;

/// What became of a file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    /// How many records were sent to the server, or refused before.
    pub(super) records: u64,
    #[serde(flatten)]
    pub(super) counts: Counts,
    pub(super) refused: u64,
    /// The last line up to which everything is done.
    pub(super) last_line: u64,
    /// Whether that is the whole file.
    pub(super) is_complete: bool,
    /// Whether nothing was changed: the counts are what would be done.
    pub(super) dry_run: bool,
}

impl Summary {
    /// Returns it in a sentence, as in "3 records: 2 created, 1 refused".
    pub(super) fn sentence(&self) -> String {
        let Counts { created, created_before, updated, unchanged } = self.counts;
        let is_upsert = updated + unchanged > 0;
        let parts = [
            Some(format!("{created} created")),
            (created_before > 0).then(|| format!("{created_before} created before")),
            is_upsert.then(|| format!("{updated} changed")),
            is_upsert.then(|| format!("{unchanged} unchanged")),
            (self.refused > 0).then(|| format!("{} refused", self.refused)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let records = if self.records == 1 { "record" } else { "records" };
        let dry = if self.dry_run { "; a dry run: nothing was changed" } else { "" };
        format!("{} {records}: {}{dry}", self.records, parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_what_was_done() {
        let counts = Counts { created: 2, ..Counts::default() };
        let all = Summary { records: 2, counts, is_complete: true, ..Summary::default() };
        assert_eq!(all.sentence(), "2 records: 2 created");
        let again = Counts { created_before: 25, ..counts };
        let some = Summary { records: 28, counts: again, refused: 1, ..Summary::default() };
        assert_eq!(some.sentence(), "28 records: 2 created, 25 created before, 1 refused");
        let upserted = Counts { unchanged: 1, ..Counts::default() };
        let one = Summary { records: 1, counts: upserted, ..Summary::default() };
        assert_eq!(one.sentence(), "1 record: 0 created, 0 changed, 1 unchanged");
        let one = Summary { records: 1, dry_run: true, ..Summary::default() };
        assert_eq!(one.sentence(), "1 record: 0 created; a dry run: nothing was changed");
    }
}
