//! Deletes what was done to tasks long ago.

use std::time::Duration;

use crate::{
    database::Database,
    sweep::{Expiry, Order, Sweep},
};

/// Goes through the tenants one by one, along the primary key. The tenants are those of the events, so
/// that events of deleted tenants go, too.
///
/// Events have no index by time: it would cost every batch. Their ids ascend roughly with time, so the
/// events with the first ids of a tenant are its oldest ones; and if the first of all has not expired,
/// the others are not read. Rows are never changed, so each stays where it is until it is deleted.
pub(super) static EXPIRY: Expiry = Expiry {
    name: "sweep_task_events",
    // "caseevnt" in ASCII, for "Caseload, events".
    lock: 0x6361_7365_6576_6e74,
    order: Order::Id,
    statement: "\
        WITH RECURSIVE first AS (
            SELECT
                $2::bigint AS tenant_id,
                $3::bigint AS since,
                (
                    SELECT e.created_at
                    FROM task_events AS e
                    WHERE e.tenant_id = $2 AND e.id >= $3
                    ORDER BY e.id
                    LIMIT 1
                ) AS created_at
            UNION ALL
            SELECT next.tenant_id, $4::bigint, next.created_at
            FROM first AS f
            CROSS JOIN LATERAL (
                SELECT e.tenant_id, e.created_at
                FROM task_events AS e
                WHERE e.tenant_id > f.tenant_id AND e.id >= $4
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
                WHERE o.tenant_id = f.tenant_id AND o.id >= f.since
                ORDER BY o.id
                LIMIT {most}
            ) AS oldest
            WHERE f.created_at < now() - make_interval(secs => $1)
                AND oldest.created_at < now() - make_interval(secs => $1)
            LIMIT {most}
        ))
        RETURNING
            e.tenant_id, e.id, e.created_at,
            e.created_at < now() - make_interval(secs => $1 + $5) AS is_settled",
};

impl Database {
    /// Returns a sweep of the events of tasks that are older than `age`.
    #[must_use]
    pub fn sweep_of_task_events(&self, age: Duration) -> Sweep {
        Sweep::new(self, &EXPIRY, age)
    }
}
