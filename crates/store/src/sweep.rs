//! Deletes rows that have expired.

use std::time::{Duration, Instant};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    dsl::sql,
    pg::{Pg, data_types::PgTimestamp},
    select, sql_query,
    sql_types::{BigInt, Bool, Double, Text, Timestamptz},
};

use crate::{database::Database, error::Error};

/// How often a sweep begins with the first rows of all, rather than behind those that it has deleted. Only this
/// finds a row that became visible long after younger ones were deleted.
const FROM_THE_START: Duration = Duration::from_secs(3600);

/// How long a row must have expired when a sweep begins, so that no row with an earlier place becomes visible any more:
/// longer than any statement takes.
const SETTLED: Duration = Duration::from_secs(60);

/// How the rows of one table expire.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// The name of the query in logs.
    pub(crate) name: &'static str,
    /// The advisory lock by which programs that sweep at the same time exclude each other.
    pub(crate) lock: i64,
    /// What orders the rows of a tenant.
    pub(crate) order: Order,
    /// The statement that deletes rows, `{most}` at most, and returns those. The number is a part of the text, so
    /// that the planner knows it.
    ///
    /// - `$1`: how old they are at least, in seconds
    /// - `$2`, `$3`: the tenant with which it begins, and the place in its rows
    /// - `$4`: the place in the rows of all tenants after that one
    /// - `$5`: for how many seconds a row that is settled must have expired
    ///
    /// Rows that were deleted are in the way until no transaction can see them any more: each time that they are
    /// passed, they are looked at. While somebody makes a dump, these may be the rows of hours. So the statement
    /// must not read what is before these places.
    pub(crate) statement: &'static str,
}

/// What orders the rows of a tenant, and so is their place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// The time when they were created.
    Time,
    /// Their ids, which ascend roughly with time.
    Id,
}

/// A row that was deleted.
#[derive(Clone, Copy, Debug, QueryableByName)]
struct Deleted {
    #[diesel(sql_type = BigInt)]
    tenant_id: i64,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: PgTimestamp,
    /// Whether it had expired a minute before the sweep began. Then the sweep has passed all rows before its place, in
    /// each tenant, unless their transactions took longer than that minute.
    #[diesel(sql_type = Bool)]
    is_settled: bool,
}

/// What one step of a sweep has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// Nothing: another program sweeps.
    Busy,
    /// It has deleted so many rows. If that is fewer than it may delete, no expired rows are left.
    Rows(usize),
}

/// Deletes the rows of one table that have expired, step by step.
#[derive(Debug)]
pub struct Sweep {
    database: Database,
    expiry: &'static Expiry,
    age: Duration,
    progress: Progress,
}

impl Sweep {
    pub(crate) fn new(database: &Database, expiry: &'static Expiry, age: Duration) -> Self {
        Self { database: database.clone(), expiry, age, progress: Progress::default() }
    }

    /// Deletes up to `most` rows, in one transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::ConnectionLost`] and [`Error::Internal`]. The next step begins a new sweep.
    pub async fn step(&mut self, most: u32) -> Result<Swept, Error> {
        let now = Instant::now();
        let (expiry, age, cursor) = (self.expiry, self.age, self.progress.begin(now));
        let settled = self.progress.settled_after(now);
        let step = move |connection: &mut PgConnection| {
            connection.transaction::<_, Error, _>(|connection| {
                let lock = format!("pg_try_advisory_xact_lock({})", expiry.lock);
                // What a crash undoes is deleted again. So it waits neither for the disk nor for a standby.
                let asynchronous = sql::<Text>("set_config('synchronous_commit', 'off', true)");
                let (is_locked, _): (bool, String) =
                    select((sql::<Bool>(&lock), asynchronous)).get_result(connection)?;
                if !is_locked {
                    return Ok(None);
                }
                Ok(Some(delete(connection, expiry, (age, settled), cursor, most)?))
            })
        };
        match self.database.write(expiry.name, step).await {
            Ok(Some(rows)) => {
                let deleted = rows.len();
                self.progress.go_on(cursor, expiry.order, &rows);
                if deleted < most as usize {
                    self.progress.finish();
                }
                Ok(Swept::Rows(deleted))
            }
            Ok(None) => {
                self.progress.give_up();
                Ok(Swept::Busy)
            }
            Err(error) => {
                self.progress.give_up();
                Err(error)
            }
        }
    }
}

fn delete(
    connection: &mut PgConnection,
    expiry: &Expiry,
    (age, settled): (Duration, Duration),
    cursor: Cursor,
    most: u32,
) -> Result<Vec<Deleted>, Error> {
    let statement = expiry.statement.replace("{most}", &most.to_string());
    let query = sql_query(statement)
        .into_boxed::<Pg>()
        .bind::<Double, _>(age.as_secs_f64())
        .bind::<BigInt, _>(cursor.tenant);
    let query = match expiry.order {
        Order::Time => query
            .bind::<Timestamptz, _>(PgTimestamp(cursor.place))
            .bind::<Timestamptz, _>(PgTimestamp(cursor.since)),
        Order::Id => query.bind::<BigInt, _>(cursor.place).bind::<BigInt, _>(cursor.since),
    };
    Ok(query.bind::<Double, _>(settled.as_secs_f64()).load(connection)?)
}

/// Where a step begins. As a time, the least place is Postgres' `-infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    tenant: i64,
    /// In the rows of this tenant.
    place: i64,
    /// In those of all tenants after it.
    since: i64,
}

impl Cursor {
    /// Before the rows of all tenants from a place on.
    fn since(since: i64) -> Self {
        Self { tenant: i64::MIN, place: since, since }
    }
}

/// How far sweeps have come.
#[derive(Debug)]
struct Progress {
    /// Where the present sweep goes on; `None` between two sweeps.
    cursor: Option<Cursor>,
    /// When the present sweep began.
    begun: Option<Instant>,
    /// The last settled row that the present sweep has deleted.
    settled: i64,
    /// Before this place, the last complete sweep has left nothing.
    since: i64,
    /// When a sweep began with the first rows of all.
    from_the_start: Option<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { cursor: None, begun: None, settled: i64::MIN, since: i64::MIN, from_the_start: None }
    }
}

impl Progress {
    /// Returns where the next step begins.
    fn begin(&mut self, now: Instant) -> Cursor {
        if let Some(cursor) = self.cursor {
            return cursor;
        }
        let is_recent = |begun: Instant| now.duration_since(begun) < FROM_THE_START;
        let since = if self.from_the_start.is_some_and(is_recent) { self.since } else { i64::MIN };
        if since == i64::MIN {
            self.from_the_start = Some(now);
        }
        self.settled = since;
        self.begun = Some(now);
        let cursor = Cursor::since(since);
        self.cursor = Some(cursor);
        cursor
    }

    /// Returns for how long a row that is settled must have expired.
    fn settled_after(&self, now: Instant) -> Duration {
        let sweeping = self.begun.map(|begun| now.duration_since(begun));
        SETTLED + sweeping.unwrap_or_default()
    }

    /// Goes on behind the rows that a step has deleted.
    fn go_on(&mut self, from: Cursor, order: Order, rows: &[Deleted]) {
        let place = |row: &Deleted| match order {
            Order::Time => row.created_at.0,
            Order::Id => row.id,
        };
        let settled = rows.iter().filter(|row| row.is_settled).map(place).max();
        self.settled = self.settled.max(settled.unwrap_or(i64::MIN));
        // Tenants are gone through in the order of their ids.
        if let Some((tenant, place)) = rows.iter().map(|row| (row.tenant_id, place(row))).max() {
            self.cursor = Some(Cursor { tenant, place, since: from.since });
        }
    }

    /// Ends a sweep that has left nothing.
    fn finish(&mut self) {
        self.since = self.since.max(self.settled);
        self.cursor = None;
    }

    /// Ends a sweep that may have left something.
    fn give_up(&mut self) {
        self.cursor = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deleted(tenant_id: i64, id: i64, is_settled: bool) -> Deleted {
        Deleted { tenant_id, id, created_at: PgTimestamp(-id), is_settled }
    }

    #[test]
    fn a_sweep_goes_on_behind_what_it_has_deleted_and_the_next_one_behind_what_is_settled() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        let start = Cursor::since(i64::MIN);
        assert_eq!(progress.begin(now), start);

        // In any order.
        let rows = [deleted(2, 30, true), deleted(3, 10, true), deleted(2, 20, true)];
        progress.go_on(start, Order::Id, &rows);
        let next = Cursor { tenant: 3, place: 10, since: i64::MIN };
        assert_eq!(progress.begin(now), next);
        progress.go_on(next, Order::Id, &[deleted(3, 40, true), deleted(3, 50, false)]);
        assert_eq!(progress.begin(now), Cursor { place: 50, ..next });
        progress.finish();
        assert_eq!(progress.begin(now), Cursor::since(40));

        // What is deleted then is behind it, too.
        progress.go_on(Cursor::since(40), Order::Id, &[deleted(1, 60, false)]);
        assert_eq!(progress.begin(now), Cursor { tenant: 1, place: 60, since: 40 });
        progress.finish();
        assert_eq!(progress.begin(now), Cursor::since(40));
    }

    #[test]
    fn a_sweep_that_failed_proves_nothing() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        let start = progress.begin(now);
        progress.go_on(start, Order::Id, &[deleted(1, 10, true)]);
        progress.give_up();
        assert_eq!(progress.begin(now), start);
        progress.finish();
        assert_eq!(progress.begin(now), start, "it has deleted nothing");
    }

    #[test]
    fn once_an_hour_a_sweep_begins_at_the_start() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        let start = progress.begin(now);
        progress.go_on(start, Order::Id, &[deleted(1, 10, true)]);
        progress.finish();
        let almost = now + FROM_THE_START - Duration::from_secs(1);
        assert_eq!(progress.begin(almost), Cursor::since(10));
        progress.finish();
        let later = now + FROM_THE_START;
        assert_eq!(progress.begin(later), start);
        // If it fails, as it passes too much, it is tried again an hour later.
        progress.give_up();
        assert_eq!(progress.begin(later), Cursor::since(10));
    }

    /// In the tenants that a long sweep has passed, rows have expired since.
    #[test]
    fn what_has_expired_while_a_sweep_goes_on_is_not_settled() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        progress.begin(now);
        assert_eq!(progress.settled_after(now), SETTLED);
        let later = now + Duration::from_secs(600);
        progress.begin(later);
        assert_eq!(progress.settled_after(later), SETTLED + Duration::from_secs(600));
        progress.finish();
        progress.begin(later);
        assert_eq!(progress.settled_after(later), SETTLED);
    }

    #[test]
    fn rows_that_are_ordered_by_time_are_in_that_order() {
        let mut progress = Progress::default();
        let start = progress.begin(Instant::now());
        progress.go_on(start, Order::Time, &[deleted(1, 10, true), deleted(1, 20, true)]);
        progress.finish();
        assert_eq!(progress.begin(Instant::now()), Cursor::since(-10));
    }
}
