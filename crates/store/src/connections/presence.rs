//! Whether the caller of a query still waits.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use crate::deadline;

/// Whether the caller of a query still waits for its result.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    present: Weak<()>,
    /// When the caller stops waiting, if that matters here.
    deadline: Option<Instant>,
}

impl Presence {
    /// Returns the presence of a caller that waits until `present` is dropped.
    pub(crate) fn of(present: &Arc<()>) -> Self {
        Self { present: Arc::downgrade(present), deadline: None }
    }

    /// The same, but not for longer than until the deadline of the call that runs.
    pub(super) fn until_deadline(present: &Arc<()>) -> Self {
        Self { deadline: deadline::current(), ..Self::of(present) }
    }

    /// Whether the caller has gone, as it does when its time is over. After a pause of the whole process it
    /// may not have noticed yet.
    pub(crate) fn is_gone(&self) -> bool {
        self.present.strong_count() == 0 || self.is_over()
    }

    /// Whether the caller's time is over.
    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}
