//! What the lines of a file stand for.

use super::{fields::Fields, ndjson::JsonLine};

/// A column of a CSV file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) is_required: bool,
}

/// What each line stands for, and how it is read.
pub(super) trait Kind: 'static {
    /// What is sent to the server for a line.
    type Item: Send + Sync + 'static;

    /// The columns of a CSV file. They may come in any order.
    const COLUMNS: &'static [Column];

    /// The lines of one call.
    const BATCH: usize;

    /// The name of the request's list of items, which begins the paths of violations.
    const LIST: &'static str;

    /// Reads the fields of a CSV record, or returns what is wrong with them.
    fn read_fields(fields: &mut Fields) -> Result<Self::Item, String>;

    /// Reads a JSON object, or returns what is wrong with it.
    fn read_json(line: &JsonLine) -> Result<Self::Item, String>;

    /// Returns the text of a field of an item, where it helps to see it beside what is wrong with it.
    fn text<'a>(item: &'a Self::Item, field: &str) -> Option<&'a str>;
}

/// Returns a column that a file must have.
pub(super) const fn required(name: &'static str) -> Column {
    Column { name, is_required: true }
}

/// Returns a column that a file may have.
pub(super) const fn optional(name: &'static str) -> Column {
    Column { name, is_required: false }
}
