//! Deletes rows that have expired.
//!
//! Rows that were deleted are in the way until no transaction can see them any more: each time that they are passed, they
//! are looked at. While somebody makes a dump, these may be the rows of hours. So a step begins behind what the one before
//! has deleted, and a sweep begins with the first row that there was when the last one began.

mod expiry;
mod progress;
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
pub(crate) use expiry::{Expiry, Order, Tenants};
use progress::{Barrier, Deleted, Progress, Step};

/// How long a sweep may take to find the first row of all if it begins at the start of the table. That passes everything
/// that was deleted and is still in the way: half a billion rows. If it fails in the first sweep of all, the next one must
/// try it again.
const TIMEOUT_FROM_THE_START: Duration = Duration::from_secs(60);

/// How old the first row must be, so that no row with an earlier place becomes visible any more: longer than any
/// statement takes.
const SETTLED: Duration = Duration::from_secs(60);

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
    let Some(first) = first_row(connection, expiry, step.tenants, step.since)? else {
        return Ok(step.beginning(step.since.max(last)));
    };
    let barrier = match expiry.after {
        Some(after) => find_barrier(connection, after, step, last)?,
        None => step.barrier,
    };
    let step = Step { barrier, ..step };
    Ok(if first.is_settled {
        step.beginning(expiry.order.place(first.id, first.created_at))
    } else {
        step
    })
}

/// Returns where the table begins whose rows go first, for a whole sweep: until the next one it only moves on.
fn find_barrier(
    connection: &mut PgConnection,
    table: &Expiry,
    step: Step,
    last: i64,
) -> Result<Barrier, Error> {
    let since = if step.is_from_the_start() { i64::MIN } else { step.barrier.since };
    Ok(match first_row(connection, table, step.tenants, since)? {
        Some(first) => {
            let place = table.order.place(first.id, first.created_at);
            Barrier { since: if first.is_settled { place } else { since }, first: place }
        }
        // What was deleted had expired, so no row with an earlier id becomes visible any more.
        None => Barrier { since: since.max(last), first: i64::MAX },
    })
}

/// Returns the first row from a place on.
fn first_row(
    connection: &mut PgConnection,
    expiry: &Expiry,
    tenants: Tenants,
    since: i64,
) -> Result<Option<First>, Error> {
    let statement = statement::first_row(expiry.table, expiry.order, tenants);
    let query = bind_place(sql_query(statement).into_boxed::<Pg>(), expiry.order, since);
    let rows: Vec<First> = query.bind::<Double, _>(SETTLED.as_secs_f64()).load(connection)?;
    Ok(rows.into_iter().next())
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
    let query = bind_place(query, expiry.order, step.since);
    Ok(match expiry.after {
        Some(_) => query.bind::<BigInt, _>(step.barrier.first).load(connection)?,
        None => query.load(connection)?,
    })
}

type Query<'a> = diesel::query_builder::BoxedSqlQuery<'a, Pg, diesel::query_builder::SqlQuery>;

fn bind_place(query: Query<'_>, order: Order, place: i64) -> Query<'_> {
    match order {
        Order::Time => query.bind::<Timestamptz, _>(PgTimestamp(place)),
        Order::Id | Order::IdOfAll => query.bind::<BigInt, _>(place),
    }
}
