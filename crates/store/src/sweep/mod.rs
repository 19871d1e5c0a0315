//! Deletes rows that have expired.
//!
//! Rows that were deleted are in the way until no transaction can see them any more: each time that they are passed, they
//! are looked at. While somebody makes a dump, these may be the rows of hours. So a step begins behind what the one before
//! has deleted, and a sweep begins with the first row that there was when the last one began.

mod statement;

use std::time::{Duration, Instant};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    dsl::sql,
    pg::{Pg, data_types::PgTimestamp},
    select, sql_query,
    sql_types::{BigInt, Bool, Double, Text, Timestamptz},
};

use crate::{database::Database, error::Error};
pub(crate) use statement::{Order, Tenants};

/// How often a sweep begins with the first rows of all, rather than with the first one that the last sweep has seen. Only
/// this finds a row that became visible long after younger ones were deleted.
const FROM_THE_START: Duration = Duration::from_secs(3600);

/// How long such a beginning may take, which passes everything that was deleted and is still in the way: half a billion
/// rows. If it fails in the first sweep of all, the next one must try it again.
const TIMEOUT_FROM_THE_START: Duration = Duration::from_secs(60);

/// How old the first row must be, so that no row with an earlier place becomes visible any more: longer than any
/// statement takes.
const SETTLED: Duration = Duration::from_secs(60);

/// How the rows of one table expire.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// The name of the query in logs.
    pub(crate) name: &'static str,
    /// The advisory lock by which programs that sweep at the same time exclude each other.
    pub(crate) lock: i64,
    /// The table.
    pub(crate) table: &'static str,
    /// What orders the rows of a tenant. There is an index that the tenant leads, and this follows.
    pub(crate) order: Order,
}

impl Expiry {
    /// Returns the statement that deletes up to `most` rows of these tenants.
    pub(crate) fn deletion(&self, tenants: Tenants, most: u32) -> String {
        statement::deletion(self.table, self.order, tenants, most)
    }
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
}

/// The first row that is there.
#[derive(Clone, Copy, Debug, QueryableByName)]
struct First {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: PgTimestamp,
    /// Whether no row comes before it any more, unless its transaction takes longer than a minute.
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
        let (expiry, age, step) = (self.expiry, self.age, self.progress.next(now));
        let last = self.progress.last;
        let run = move |connection: &mut PgConnection| {
            connection.transaction::<_, Error, _>(|connection| {
                if !lock(connection, expiry)? {
                    return Ok(None);
                }
                let step =
                    if step.is_first { begin(connection, expiry, step, last)? } else { step };
                Ok(Some((step, delete(connection, expiry, age, step, most)?)))
            })
        };
        match self.database.write(expiry.name, run).await {
            Ok(Some((step, rows))) => {
                self.progress.go_on(now, step, expiry.order, &rows);
                if rows.len() < most as usize {
                    self.progress.end();
                }
                Ok(Swept::Rows(rows.len()))
            }
            Ok(None) => {
                self.progress.end();
                Ok(Swept::Busy)
            }
            Err(error) => {
                self.progress.fail(now, step);
                Err(error)
            }
        }
    }
}

/// Excludes other programs until the transaction ends. Returns whether none of them sweeps.
fn lock(connection: &mut PgConnection, expiry: &Expiry) -> Result<bool, Error> {
    let lock = format!("pg_try_advisory_xact_lock({})", expiry.lock);
    // What a crash undoes is deleted again. So it waits neither for the disk nor for a standby.
    let asynchronous = sql::<Text>("set_config('synchronous_commit', 'off', true)");
    let (is_locked, _): (bool, String) =
        select((sql::<Bool>(&lock), asynchronous)).get_result(connection)?;
    Ok(is_locked)
}

/// Returns the first step of a sweep, which begins with the first row that is there; if there is none, with the last one
/// that was deleted.
fn begin(
    connection: &mut PgConnection,
    expiry: &Expiry,
    step: Step,
    last: i64,
) -> Result<Step, Error> {
    if step.is_from_the_start() {
        let limit = TIMEOUT_FROM_THE_START.as_millis();
        let limit = format!("set_config('statement_timeout', '{limit}ms', true)");
        select(sql::<Text>(&limit)).get_result::<String>(connection)?;
    }
    let statement = statement::first_row(expiry.table, expiry.order, step.tenants);
    let query = sql_query(statement).into_boxed::<Pg>();
    let query = bind_place(query, expiry.order, step.since);
    let first: Vec<First> = query.bind::<Double, _>(SETTLED.as_secs_f64()).load(connection)?;
    Ok(match first.first() {
        Some(first) if first.is_settled => {
            step.beginning(expiry.order.place(first.id, first.created_at))
        }
        Some(_) => step,
        None => step.beginning(step.since.max(last)),
    })
}

fn delete(
    connection: &mut PgConnection,
    expiry: &Expiry,
    age: Duration,
    step: Step,
    most: u32,
) -> Result<Vec<Deleted>, Error> {
    let query = sql_query(expiry.deletion(step.tenants, most))
        .into_boxed::<Pg>()
        .bind::<Double, _>(age.as_secs_f64())
        .bind::<BigInt, _>(step.tenant);
    let query = bind_place(query, expiry.order, step.place);
    Ok(bind_place(query, expiry.order, step.since).load(connection)?)
}

type Query<'a> = diesel::query_builder::BoxedSqlQuery<'a, Pg, diesel::query_builder::SqlQuery>;

fn bind_place(query: Query<'_>, order: Order, place: i64) -> Query<'_> {
    match order {
        Order::Time => query.bind::<Timestamptz, _>(PgTimestamp(place)),
        Order::Id => query.bind::<BigInt, _>(place),
    }
}

impl Order {
    /// Returns the place of a row.
    fn place(self, id: i64, created_at: PgTimestamp) -> i64 {
        match self {
            Self::Time => created_at.0,
            Self::Id => id,
        }
    }
}

/// Where a step begins. As a time, the least place is Postgres' `-infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    tenants: Tenants,
    tenant: i64,
    /// In the rows of this tenant.
    place: i64,
    /// In those of all tenants after it.
    since: i64,
    /// Whether it is the first one of a sweep.
    is_first: bool,
}

impl Step {
    /// Returns the first step of a sweep that begins with a place in the rows of these tenants.
    fn first(tenants: Tenants, since: i64) -> Self {
        Self { tenants, tenant: i64::MIN, place: since, since, is_first: true }
    }

    /// Returns the same step, from a later place on.
    fn beginning(self, since: i64) -> Self {
        Self { place: since, since, ..self }
    }

    fn is_from_the_start(self) -> bool {
        self.is_first && self.tenants == Tenants::All
    }
}

/// How far sweeps have come.
#[derive(Debug)]
struct Progress {
    /// The next step of the present sweep; `None` between two sweeps.
    next: Option<Step>,
    /// Before this place there is nothing.
    since: i64,
    /// The last row of all that were deleted.
    last: i64,
    /// When a sweep began with the first rows of all.
    from_the_start: Option<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { next: None, since: i64::MIN, last: i64::MIN, from_the_start: None }
    }
}

impl Progress {
    /// Returns the next step.
    fn next(&self, now: Instant) -> Step {
        if let Some(next) = self.next {
            return next;
        }
        let is_recent = |begun: Instant| now.duration_since(begun) < FROM_THE_START;
        let has_begun = self.from_the_start.is_some_and(is_recent) && self.since != i64::MIN;
        if has_begun {
            Step::first(Tenants::WithKeys, self.since)
        } else {
            Step::first(Tenants::All, i64::MIN)
        }
    }

    /// Goes on behind the rows that a step has deleted.
    fn go_on(&mut self, now: Instant, step: Step, order: Order, rows: &[Deleted]) {
        if step.is_from_the_start() {
            self.from_the_start = Some(now);
        }
        // Also if the sweep fails later.
        self.since = self.since.max(step.since);
        let last = rows.iter().map(|row| order.place(row.id, row.created_at)).max();
        self.last = self.last.max(last.unwrap_or(i64::MIN));
        // Tenants are gone through in the order of their ids.
        let place = |row: &Deleted| (row.tenant_id, order.place(row.id, row.created_at));
        let end = rows.iter().map(place).max();
        let (tenant, place) = end.unwrap_or((step.tenant, step.place));
        self.next = Some(Step { tenant, place, is_first: false, ..step });
    }

    /// Ends a sweep.
    fn end(&mut self) {
        self.next = None;
    }

    /// Ends a sweep whose step has failed. If it began at the start, it may fail again: that is tried an hour later, unless
    /// there is no other way.
    fn fail(&mut self, now: Instant, step: Step) {
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
        is_first: true,
    };

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
        assert_eq!(second, Step::first(Tenants::WithKeys, 10));
        progress.go_on(now, second.beginning(60), Order::Id, &[]);
        progress.end();
        assert_eq!(progress.next(now), Step::first(Tenants::WithKeys, 60));
    }

    #[test]
    fn a_sweep_that_fails_begins_again_where_it_began() {
        let now = Instant::now();
        let mut progress = swept_since(now, 10);
        let step = progress.next(now).beginning(20);
        progress.go_on(now, step, Order::Id, &[deleted(1, 30)]);
        progress.fail(now, progress.next(now));
        assert_eq!(progress.next(now), Step::first(Tenants::WithKeys, 20));
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
        assert_eq!(progress.next(almost), Step::first(Tenants::WithKeys, 10));
        let later = now + FROM_THE_START;
        assert_eq!(progress.next(later), START);
        // Another program sweeps.
        progress.end();
        assert_eq!(progress.next(later), START);
        // If it fails, as it passes too much, it is tried again an hour later.
        progress.fail(later, START);
        assert_eq!(progress.next(later), Step::first(Tenants::WithKeys, 10));
        assert_eq!(progress.next(later + FROM_THE_START), START);
    }

    #[test]
    fn rows_that_are_ordered_by_time_are_in_that_order() {
        let (mut progress, now) = (Progress::default(), Instant::now());
        progress.go_on(now, START, Order::Time, &[deleted(1, 10), deleted(1, 20)]);
        assert_eq!(progress.next(now).place, -10);
    }
}
