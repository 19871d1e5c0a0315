//! What can be wrong with a log.

use std::fmt;

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFault {
    /// Entries with these numbers are missing, the last one included.
    Missing {
        /// The first one.
        first: i64,
        /// The last one.
        last: i64,
    },
    /// An entry is not as it was written, or the one before it is not.
    Changed {
        /// Its number.
        number: i64,
    },
    /// An entry comes after the last one that the head of the log knows.
    Unknown {
        /// Its number.
        number: i64,
    },
    /// The log begins behind an entry, and no entry says that it was pruned up to there.
    BeginningMissing {
        /// The number of the last entry that is said to be pruned.
        number: i64,
    },
    /// There are entries, but the head of the log is missing.
    HeadMissing,
    /// The head of the log has another hash than its last entry.
    HeadChanged,
    /// The log ends before an entry that was there once.
    Shorter {
        /// The number of that entry.
        number: i64,
    },
    /// Up to an entry, the log is not what it was once.
    Rewritten {
        /// The number of that entry.
        number: i64,
    },
    /// An entry was pruned, so it can't be compared with what was there once.
    Pruned {
        /// The number of that entry.
        number: i64,
    },
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { first, last } if first == last => write!(f, "entry {first} is missing"),
            Self::Missing { first, last } => write!(f, "entries {first} to {last} are missing"),
            Self::Changed { number } => {
                write!(f, "entry {number} was changed, or does not follow the one before it")
            }
            Self::Unknown { number } => {
                write!(f, "entry {number} comes after the last one that the head of the log knows")
            }
            Self::BeginningMissing { number } => {
                write!(
                    f,
                    "the log begins behind entry {number}, and no entry says that it was pruned"
                )
            }
            Self::HeadMissing => f.write_str("the head of the log is missing"),
            Self::HeadChanged => {
                f.write_str("the head of the log does not have the hash of the last entry")
            }
            Self::Shorter { number } => {
                write!(f, "the log ends before entry {number}, which the anchor names")
            }
            Self::Rewritten { number } => {
                write!(f, "up to entry {number}, the log is not what the anchor stands for")
            }
            Self::Pruned { number } => {
                write!(f, "entry {number}, which the anchor names, was pruned")
            }
        }
    }
}
