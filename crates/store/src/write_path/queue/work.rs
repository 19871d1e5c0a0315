//! What the queue gives to workers, and takes back.

use crate::write_path::contended::{Addition, Turn};

/// What a worker is to do next.
#[derive(Debug)]
pub(in crate::write_path) enum Work<T> {
    /// Jobs that may share a statement.
    Shared(Vec<T>),
    /// Jobs in the lane that may repeat earlier ones: to be looked up, which takes no lock. Those that are none are
    /// to wait on.
    Repeats(Vec<T>),
    /// The jobs of a turn in the lane. No other worker gets one until that has ended.
    Lane(Turn<T>),
}

/// What became of a job that had waited for a lock in vain.
#[derive(Debug)]
pub(in crate::write_path) enum Blocked<T> {
    /// It is in the lane.
    Waits {
        /// Which jobs wait there with it from now on.
        with: Addition,
    },
    /// The lane is full.
    Refused(T),
}
