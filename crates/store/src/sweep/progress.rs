//! Where each step of a sweep begins, by what those before it have found and deleted.

use std::time::{Duration, Instant};

use diesel::{
    QueryableByName,
    pg::data_types::PgTimestamp,
    sql_types::{BigInt, Timestamptz},
};

use super::expiry::{Order, Tenants};

/// How often a sweep begins with the first rows of all, rather than with the first one that the last sweep has seen. Only
/// this finds a row that became visible long after younger ones were deleted.
const FROM_THE_START: Duration = Duration::from_secs(3600);

/// A row that was deleted.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub(super) struct Deleted {
    #[diesel(sql_type = BigInt)]
    pub(super) tenant_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = Timestamptz)]
    pub(super) created_at: PgTimestamp,
}

/// Where a step begins. As a time, the least place is Postgres' `-infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) tenants: Tenants,
    pub(super) tenant: i64,
    /// In the rows of this tenant.
    pub(super) place: i64,
    /// In those of all tenants after it.
    pub(super) since: i64,
    pub(super) barrier: Barrier,
    /// Whether it is the first one of a sweep.
    pub(super) is_first: bool,
}

/// Where the table begins whose rows go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Barrier {
    /// Before this place it has nothing. It is looked through from here on, so that rows that were deleted are not
    /// passed again.
    pub(super) since: i64,
    /// Its first row: what is at a later place is kept. The greatest of all places if it has no row.
    pub(super) first: i64,
}

impl Default for Barrier {
    fn default() -> Self {
        Self { since: i64::MIN, first: i64::MAX }
    }
}

impl Step {
    /// Returns the first step of a sweep that begins with a place in the rows of these tenants.
    fn first(tenants: Tenants, since: i64, barrier: Barrier) -> Self {
        Self { tenants, tenant: i64::MIN, place: since, since, barrier, is_first: true }
    }

    /// Returns the same step, from a later place on.
    pub(super) fn beginning(self, since: i64) -> Self {
        Self { place: since, since, ..self }
    }

    /// Returns whether it begins a sweep at the start of the table.
    pub(super) fn is_from_the_start(self) -> bool {
        self.is_first && self.tenants == Tenants::All
    }
}

/// How far sweeps have come.
#[derive(Debug)]
pub(super) struct Progress {
    /// The next step of the present sweep; `None` between two sweeps.
    next: Option<Step>,
    /// Before this place there is nothing.
    since: i64,
    /// What the last sweep has found of the table whose rows go first.
    barrier: Barrier,
    /// The last row of all that were deleted.
    pub(super) last: i64,
    /// When a sweep began with the first rows of all.
    from_the_start: Option<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            next: None,
            since: i64::MIN,
            barrier: Barrier::default(),
            last: i64::MIN,
            from_the_start: None,
        }
    }
}

impl Progress {
    /// Returns the next step.
    pub(super) fn next(&self, now: Instant) -> Step {
        if let Some(next) = self.next {
            return next;
        }
        let is_recent = |begun: Instant| now.duration_since(begun) < FROM_THE_START;
        let has_begun = self.from_the_start.is_some_and(is_recent) && self.since != i64::MIN;
        if has_begun {
            Step::first(Tenants::WithKeys, self.since, self.barrier)
        } else {
            Step::first(Tenants::All, i64::MIN, self.barrier)
        }
    }

    /// Goes on behind the rows that a step has deleted.
    pub(super) fn go_on(&mut self, now: Instant, step: Step, order: Order, rows: &[Deleted]) {
        if step.is_from_the_start() {
            self.from_the_start = Some(now);
        }
        // Also if the sweep fails later.
        self.since = self.since.max(step.since);
        self.barrier = step.barrier;
        let last = rows.iter().map(|row| order.place(row.id, row.created_at)).max();
        self.last = self.last.max(last.unwrap_or(i64::MIN));
        // Tenants are gone through in the order of their ids.
        let place = |row: &Deleted| (row.tenant_id, order.place(row.id, row.created_at));
        let end = rows.iter().map(place).max();
        let (tenant, place) = end.unwrap_or((step.tenant, step.place));
        self.next = Some(Step { tenant, place, is_first: false, ..step });
    }

    /// Ends a sweep.
    pub(super) fn end(&mut self) {
        self.next = None;
    }

    /// Ends a sweep whose step has failed. If it began at the start, it may fail again: that is tried an hour later, unless
    /// there is no other way.
    pub(super) fn fail(&mut self, now: Instant, step: Step) {
        if step.is_from_the_start() {
            self.from_the_start = Some(now);
        }
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Step = Step {
        tenants: Tenants::All,
        tenant: i64::MIN,
        place: i64::MIN,
        since: i64::MIN,
        barrier: NO_BARRIER,
        is_first: true,
    };

    const NO_BARRIER: Barrier = Barrier { since: i64::MIN, first: i64::MAX };

    /// Returns the first step of a sweep that begins with a place.
    fn first(since: i64) -> Step {
        Step::first(Tenants::WithKeys, since, NO_BARRIER)
    }

    fn deleted(tenant_id: i64, id: i64) -> Deleted {
        Deleted { tenant_id, id, created_at: PgTimestamp(-id) }
    }

    /// A sweep that has begun at the start, found this place, and come to its end.
    fn swept_since(now: Instant, place: i64) -> Progress {
        let mut progress = Progress::default();
        let start = progress.next(now);
        assert_eq!(start, START);
        progress.go_on(now, start.beginning(place), Order::Id, &[]);
        progress.end();
        progress
    }

    #[test]
    fn a_sweep_goes_on_behind_what_it_has_deleted_and_the_next_one_where_it_began() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        let start = progress.next(now).beginning(10);

        // In any order.
        let rows = [deleted(2, 30), deleted(3, 10), deleted(2, 20)];
        progress.go_on(now, start, Order::Id, &rows);
        let next = Step { tenant: 3, place: 10, since: 10, is_first: false, ..START };
        assert_eq!(progress.next(now), next);
        progress.go_on(now, next, Order::Id, &[deleted(3, 40), deleted(4, 15)]);
        assert_eq!(progress.next(now), Step { tenant: 4, place: 15, ..next });
        assert_eq!(progress.last, 40);
        progress.end();

        // Other programs may have deleted as much as this one.
        let second = progress.next(now);
        assert_eq!(second, first(10));
        progress.go_on(now, second.beginning(60), Order::Id, &[]);
        progress.end();
        assert_eq!(progress.next(now), first(60));
    }

    #[test]
    fn a_sweep_that_fails_begins_again_where_it_began() {
        let now = Instant::now();
        let mut progress = swept_since(now, 10);
        let step = progress.next(now).beginning(20);
        progress.go_on(now, step, Order::Id, &[deleted(1, 30)]);
        progress.fail(now, progress.next(now));
        assert_eq!(progress.next(now), first(20));
    }

    #[test]
    fn each_sweep_looks_for_what_goes_first_from_where_the_last_one_has_found_it() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        let barrier = Barrier { since: 40, first: 50 };
        let step = Step { barrier, ..progress.next(now).beginning(10) };
        progress.go_on(now, step, Order::Id, &[deleted(1, 30)]);
        assert_eq!(progress.next(now).barrier, barrier);
        progress.end();
        assert_eq!(progress.next(now), Step::first(Tenants::WithKeys, 10, barrier));
    }

    #[test]
    fn the_first_sweep_begins_at_the_start_until_it_has_found_a_place() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        progress.fail(now, START);
        assert_eq!(progress.next(now), START);
        progress.go_on(now, START, Order::Id, &[]);
        progress.end();
        assert_eq!(progress.next(now), START);
    }

    #[test]
    fn once_an_hour_a_sweep_begins_at_the_start_if_it_gets_its_turn() {
        let now = Instant::now();
        let mut progress = swept_since(now, 10);
        let almost = now + FROM_THE_START - Duration::from_secs(1);
        assert_eq!(progress.next(almost), first(10));
        let later = now + FROM_THE_START;
        assert_eq!(progress.next(later), START);
        // Another program sweeps.
        progress.end();
        assert_eq!(progress.next(later), START);
        // If it fails, as it passes too much, it is tried again an hour later.
        progress.fail(later, START);
        assert_eq!(progress.next(later), first(10));
        assert_eq!(progress.next(later + FROM_THE_START), START);
    }

    #[test]
    fn rows_that_are_ordered_by_time_are_in_that_order() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        progress.go_on(now, START, Order::Time, &[deleted(1, 10), deleted(1, 20)]);
        assert_eq!(progress.next(now).place, -10);
    }
}
