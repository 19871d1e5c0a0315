//! Deletes what was done to tasks long ago.

use std::time::Duration;

use crate::{
    database::Database,
    sweep::{Expiry, Order, Sweep},
};

/// Events have no index by time: it would cost every batch. Their ids ascend roughly with time, so the
/// events with the first ids of a tenant, along the primary key, are its oldest ones. Rows are never changed, so each
/// stays where it is until it is deleted.
pub(super) static EXPIRY: Expiry = Expiry {
    name: "sweep_task_events",
    // "caseevnt" in ASCII, for "Caseload, events".
    lock: 0x6361_7365_6576_6e74,
    table: "task_events",
    order: Order::Id,
};

impl Database {
    /// Returns a sweep of the events of tasks that are older than `age`.
    #[must_use]
    pub fn sweep_of_task_events(&self, age: Duration) -> Sweep {
        Sweep::new(self, &EXPIRY, age)
    }
}
