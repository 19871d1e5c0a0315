//! Deletes what was done to tasks long ago.

use std::time::Duration;

use crate::{database::Database, error::Error, sweep::Sweep};

/// Goes through the tenants one by one, along the primary key. The tenants are those of the events, so
/// that events of deleted tenants go, too.
///
/// Events have no index by time: it would cost every batch. Their ids ascend roughly with time, so the
/// events with the first ids of a tenant are its oldest ones; and if the first of all has not expired,
/// the others are not read. Rows are never changed, so each stays where it is until it is deleted.
pub(super) static SWEEP: Sweep = Sweep {
    name: "sweep_task_events",
    // "caseevnt" in ASCII, for "Caseload, events".
    lock: 0x6361_7365_6576_6e74,
    statement: "\
        WITH RECURSIVE first AS (
            (
                SELECT e.tenant_id, e.created_at
                FROM task_events AS e
                ORDER BY e.tenant_id, e.id
                LIMIT 1
            )
            UNION ALL
            SELECT next.tenant_id, next.created_at
            FROM first AS f
            CROSS JOIN LATERAL (
                SELECT e.tenant_id, e.created_at
                FROM task_events AS e
                WHERE e.tenant_id > f.tenant_id
                ORDER BY e.tenant_id, e.id
                LIMIT 1
            ) AS next
        )
        DELETE FROM task_events AS e
        WHERE e.ctid = ANY (ARRAY(
            SELECT oldest.row
            FROM first AS f
            CROSS JOIN LATERAL (
                SELECT o.ctid AS row, o.created_at
                FROM task_events AS o
                WHERE o.tenant_id = f.tenant_id
                ORDER BY o.id
                LIMIT {most}
            ) AS oldest
            WHERE f.created_at < now() - make_interval(secs => $1)
                AND oldest.created_at < now() - make_interval(secs => $1)
            LIMIT {most}
        ))",
};

impl Database {
    /// Deletes up to `most` events of tasks that are older than `age`. Returns how many it deleted; 0
    /// while another program sweeps.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::ConnectionLost`] and [`Error::Internal`].
    pub async fn sweep_task_events(&self, age: Duration, most: u32) -> Result<usize, Error> {
        self.sweep(&SWEEP, age, most).await
    }
}
