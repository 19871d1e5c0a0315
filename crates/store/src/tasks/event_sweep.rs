//! Deletes what was done to tasks long ago.

use std::time::Duration;

use crate::{
    database::Database,
    sweep::{Expiry, Order, Sweep},
};

/// Events have no index by time: it would cost every batch. Their ids ascend roughly with time, so the
/// events with the first ids of a tenant, along the primary key, are its oldest ones. Rows are never changed, so each
/// stays where it is until it is deleted.
///
/// What was done to a task later is kept as long as its creation, whose id is less: nobody reads a history that
/// begins with the creation and lacks what came next, and `verification` relies on it.
pub(super) static EXPIRY: Expiry = Expiry {
    name: "sweep_task_events",
    // "caseevnt" in ASCII, for "Caseload, events".
    lock: 0x6361_7365_6576_6e74,
    table: "task_events",
    order: Order::Id,
    after: Some(&CREATION_EXPIRY),
};

/// The ids of all tenants' creations ascend roughly with time, and lead the primary key.
pub(super) static CREATION_EXPIRY: Expiry = Expiry {
    name: "sweep_creation_events",
    // "casecrea" in ASCII, for "Caseload, creations".
    lock: 0x6361_7365_6372_6561,
    table: "creation_events",
    order: Order::IdOfAll,
    after: None,
};

impl Database {
    /// Returns a sweep of the events of tasks that are older than `age`.
    #[must_use]
    pub fn sweep_of_task_events(&self, age: Duration) -> Sweep {
        Sweep::new(self, &EXPIRY, age)
    }

    /// Returns a sweep of the events of creations that are older than `age`.
    #[must_use]
    pub fn sweep_of_creation_events(&self, age: Duration) -> Sweep {
        Sweep::new(self, &CREATION_EXPIRY, age)
    }
}
