//! What the clients know about each batch at the end of a run.

use std::{collections::HashMap, sync::Mutex, time::Instant};

/// What became of a batch, as far as its client knows.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Acknowledged. The database must hold these rows, as
    /// [`crate::response::Response::expected_rows`] writes them.
    Acknowledged(Box<str>),
    /// Deleted with its case. The database must not hold it. If it was acknowledged, it had these rows.
    Deleted(Option<Box<str>>),
    /// Acknowledged. Its deletion with its case was given up: the database must hold all of these rows or
    /// none.
    MaybeDeleted(Box<str>),
    /// Given up after one attempt with an unknown outcome. The batch may exist or not.
    GivenUp,
    /// Given up after one attempt, when the response said that its time was over. The batch may exist,
    /// but only if it had been sent to the database by then.
    TimedOut(Instant),
    /// Given up after one attempt that was refused. The batch must not exist.
    Refused,
    /// Never acknowledged, although it was repeated until the time limit.
    Stuck,
}

impl Entry {
    /// Returns the rows that were acknowledged, whether or not they are there still.
    pub(crate) fn acknowledged(&self) -> Option<&str> {
        match self {
            Self::Acknowledged(rows) | Self::Deleted(Some(rows)) | Self::MaybeDeleted(rows) => {
                Some(rows)
            }
            Self::Deleted(None)
            | Self::GivenUp
            | Self::TimedOut(_)
            | Self::Refused
            | Self::Stuck => None,
        }
    }
}

/// The final entry of each batch, by the batch's name.
#[derive(Default)]
pub(crate) struct History(Mutex<HashMap<Box<str>, Entry>>);

impl History {
    pub(crate) fn record(&self, batch: &str, entry: Entry) {
        let before = self.0.lock().unwrap().insert(batch.into(), entry);
        assert!(before.is_none(), "two batches have the name {batch}");
    }

    /// Returns all entries, and leaves none.
    pub(crate) fn take(&self) -> HashMap<Box<str>, Entry> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
