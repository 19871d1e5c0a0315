//! The records of one call.

/// A record of a file.
#[derive(Debug)]
pub(super) struct Record<T> {
    /// The number of its first line, from 1.
    pub(super) line: u64,
    /// The number of its last line.
    pub(super) last_line: u64,
    /// The record as the file has it, if refused ones are kept, and if it was read as a whole.
    pub(super) raw: Vec<u8>,
    /// What it stands for, or what is wrong with it.
    pub(super) item: Result<T, String>,
}

impl<T> Record<T> {
    /// Returns which lines it takes, as in `line 7`.
    pub(super) fn lines(&self) -> String {
        let Self { line, last_line, .. } = self;
        if line == last_line {
            format!("line {line}")
        } else {
            format!("lines {line} to {last_line}")
        }
    }
}

/// Some records that follow each other: as many as a call takes, at the end of a file fewer.
#[derive(Debug)]
pub(super) struct Window<T> {
    /// The number of its first record, from 0.
    pub(super) first: u64,
    pub(super) records: Vec<Record<T>>,
    /// The number of the last line that was read.
    pub(super) last_line: u64,
    /// How many bytes of the file were read.
    pub(super) bytes: u64,
}

impl<T> Window<T> {
    /// Returns a window without records, which would begin with the record of this number.
    pub(super) fn behind_the_end(first: u64) -> Self {
        Self { first, records: vec![], last_line: 0, bytes: 0 }
    }

    /// Returns the items of the records that are well-formed, with their places in the window.
    pub(super) fn items(&self) -> Vec<(usize, &T)> {
        let records = self.records.iter().enumerate();
        records.filter_map(|(place, record)| Some((place, record.item.as_ref().ok()?))).collect()
    }

    /// Returns what is wrong with the records that are malformed, with their places.
    pub(super) fn faults(&self) -> impl Iterator<Item = (usize, &String)> {
        let records = self.records.iter().enumerate();
        records.filter_map(|(place, record)| Some((place, record.item.as_ref().err()?)))
    }
}
