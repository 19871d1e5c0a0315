//! What became of the lines of a file.

use std::{collections::BTreeMap, ops::AddAssign};

use serde::Serialize;

use crate::client::error::{CallError, ClientError};

/// What became of the records of a window.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) counts: Counts,
    /// Why records were refused, by their places in the window.
    pub(super) refused: BTreeMap<usize, String>,
}

/// How many records had which effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    /// Created by this run.
    pub(super) created: u64,
    /// Created by a run before, with the same idempotency key.
    pub(super) created_before: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) updated: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) unchanged: u64,
}

/// Why an import ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// A call failed.
    Call(CallError),
    /// The records of this window were imported before, with other contents.
    Conflict { first_line: u64, last_line: u64 },
    /// More records were imported before than the file has.
    Shortened,
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<Stop> for ClientError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Call(error) => error.into(),
            Stop::Conflict { first_line, last_line } => Self::BadInput(format!(
                "lines {first_line} to {last_line} are not what was imported from there before: the \
                 file was changed, or is another one of the same name. Import new lines, and those that \
                 --rejects has written, from a file of their own. To import the whole file as a new \
                 one, give --import-id"
            )),
            Stop::Shortened => Self::BadInput(
                "the file has fewer lines than were imported from there before: lines were removed, \
                 or it is another one of the same name. To import the whole file as a new one, give \
                 --import-id"
                    .to_owned(),
            ),
        }
    }
}

impl Counts {
    /// Counts tasks that were created by an earlier request: of this run, if an attempt was lost.
    pub(super) fn add_replayed(&mut self, count: usize, was_lost: bool) {
        let counter = if was_lost { &mut self.created } else { &mut self.created_before };
        *counter += count as u64;
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.created += other.created;
        self.created_before += other.created_before;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
