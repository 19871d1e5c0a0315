//! Locks that other sessions hold: they cost the tenants that need them, and others next to nothing.

use std::{
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use domain::TaskBatch;
use store::{TaskWriter, WriterSettings};

use crate::support::{
    Session,
    polling::wait_until,
    populate,
    write_path::{
        ONE_WRITER, PendingBatch, Tenant, WritePath, batch, batch_with_key, descriptions, outcomes,
        submit,
    },
};

/// Short, as tests wait for it, and long enough for statements that need no lock.
const LOCK_TIMEOUT: Duration = Duration::from_millis(400);

const TWO_WRITERS: WriterSettings = WriterSettings { threads: 2, ..ONE_WRITER };

/// Whether a batch has no outcome yet.
fn is_pending(batch: &mut PendingBatch<'_>) -> bool {
    matches!(batch.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

/// Begins a transaction that locks the tenant's case.
fn lock_case(session: &mut Session, tenant: Tenant) {
    let Tenant { id, case_id } = tenant;
    session.query(&format!(
        "BEGIN; SELECT id FROM cases WHERE tenant_id = {id} AND id = {case_id} FOR UPDATE"
    ));
}

/// Submits a batch that needs a lock, and waits until it is known to have waited in vain.
fn submit_blocked<'a>(
    path: &mut WritePath,
    writer: &'a TaskWriter,
    tenant: Tenant,
    batch: TaskBatch,
) -> PendingBatch<'a> {
    let waits = submit(writer, tenant, batch).unwrap();
    path.session.await_blocked(1);
    // The pause between two attempts.
    path.session.await_blocked(0);
    waits
}

#[tokio::test]
async fn batches_that_share_a_statement_with_one_that_waits_for_a_lock_are_written_without_it() {
    let mut path = WritePath::create().await;
    let writer = path.writer_with(ONE_WRITER, LOCK_TIMEOUT);
    let [a, b, c] = path.tenants;
    let [mut holder, mut another] = [(); 2].map(|()| Session::open(path.database.url()));
    lock_case(&mut holder, a);
    lock_case(&mut another, c);

    // While it waits, the others come. They share the next statement.
    let mut waits = submit(&writer, a, batch(a, &["waits"])).unwrap();
    path.session.await_blocked(1);
    let [one, mut waits_too, two] =
        [b, c, b].map(|tenant| submit(&writer, tenant, batch(tenant, &["x"])).unwrap());
    for other in outcomes([one, two]).await {
        assert_eq!(descriptions(&other), ["x"]);
    }
    assert!(is_pending(&mut waits) && is_pending(&mut waits_too));

    holder.query("COMMIT");
    waits.await.unwrap();
    another.query("COMMIT");
    waits_too.await.unwrap();
    assert_eq!(path.session.query("SELECT count(*) FROM tasks"), "4");
}

#[tokio::test]
async fn a_tenant_that_waits_for_a_lock_keeps_one_worker_however_many_of_its_batches_come() {
    let mut path = WritePath::create().await;
    let writer = path.writer_with(TWO_WRITERS, LOCK_TIMEOUT);
    let [a, b, _] = path.tenants;
    let mut holder = Session::open(path.database.url());
    lock_case(&mut holder, a);
    let first = submit_blocked(&mut path, &writer, a, batch(a, &["waits"]));

    let more: Vec<_> = (0..20).map(|_| submit(&writer, a, batch(a, &["waits"])).unwrap()).collect();
    for _ in 0..50 {
        writer.create(b.actor(), batch(b, &["other"])).await.unwrap();
        let blocked = path.session.query(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        assert!(["0", "1"].contains(&&*blocked), "{blocked} workers wait for the lock");
    }

    holder.query("COMMIT");
    first.await.unwrap();
    for waits in more {
        waits.await.unwrap();
    }
    assert_eq!(path.session.query("SELECT count(*) FROM tasks"), "71");
}

/// If they took turns with the batches that wait, each would take as long as an attempt at the lock.
#[tokio::test]
async fn batches_of_other_cases_do_not_wait_while_their_tenant_waits_for_a_lock() {
    let mut path = WritePath::create().await;
    let writer = path.writer_with(TWO_WRITERS, LOCK_TIMEOUT);
    let a = path.tenants[0];
    let admin = path.database.open();
    let other = admin.create_case(a.id, "Another case".to_owned()).await.unwrap();
    let other = Tenant { case_id: other.id.get(), ..a };
    let mut holder = Session::open(path.database.url());
    lock_case(&mut holder, a);
    let mut waits = submit_blocked(&mut path, &writer, a, batch(a, &["waits"]));

    let begin = Instant::now();
    for _ in 0..50 {
        writer.create(a.actor(), batch(other, &["other"])).await.unwrap();
    }
    let took = begin.elapsed();
    assert!(took < 10 * LOCK_TIMEOUT, "{took:?}");
    assert!(is_pending(&mut waits));
    holder.query("COMMIT");
    waits.await.unwrap();
}

/// A statement with batches of many tenants, whose cases are all locked, costs a neighbour no more than
/// one with a single batch that waits.
#[tokio::test]
async fn many_tenants_that_wait_for_locks_cost_their_neighbours_a_moment() {
    const BOUND: Duration = Duration::from_millis(1500);
    let path = WritePath::create().await;
    let writer = path.writer_with(ONE_WRITER, Duration::from_secs(1));
    let (admin, b) = (path.database.open(), path.tenants[1]);
    let mut locked = Vec::new();
    for number in 0..25 {
        let (id, case_id) = populate(&admin, &format!("Locked {number}")).await;
        locked.push(Tenant { id, case_id });
    }
    let mut holder = Session::open(path.database.url());
    let cases = locked.iter().map(|tenant| tenant.case_id.to_string()).collect::<Vec<_>>();
    holder.query(&format!(
        "BEGIN; SELECT id FROM cases WHERE id IN ({}) FOR UPDATE",
        cases.join(",")
    ));

    // While the first one waits, the others come.
    let mut session = Session::open(path.database.url());
    let mut waiting = vec![submit(&writer, locked[0], batch(locked[0], &["waits"])).unwrap()];
    session.await_blocked(1);
    waiting.extend(
        locked[1..]
            .iter()
            .map(|tenant| submit(&writer, *tenant, batch(*tenant, &["waits"])).unwrap()),
    );
    let (begin, mut slowest) = (Instant::now(), Duration::ZERO);
    while begin.elapsed() < 4 * BOUND {
        let sent = Instant::now();
        writer.create(b.actor(), batch(b, &["neighbour"])).await.unwrap();
        slowest = slowest.max(sent.elapsed());
    }
    assert!(slowest < BOUND, "{slowest:?}");
    assert!(waiting.iter_mut().all(is_pending));

    holder.query("COMMIT");
    for waits in waiting {
        waits.await.unwrap();
    }
}

#[tokio::test]
async fn a_batch_whose_caller_leaves_while_it_waits_for_a_lock_is_not_written() {
    let mut path = WritePath::create().await;
    let writer = path.writer_with(ONE_WRITER, LOCK_TIMEOUT);
    let a = path.tenants[0];
    let mut holder = Session::open(path.database.url());
    lock_case(&mut holder, a);
    let waits = submit_blocked(&mut path, &writer, a, batch(a, &["leaves"]));
    let stays = submit(&writer, a, batch(a, &["stays"])).unwrap();

    drop(waits);
    // An attempt that was under way is written if it gets its lock. So the lock is released in a later
    // attempt, which is one at the other batch.
    let left = path.session.query("SELECT clock_timestamp()");
    let later = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query_start > '{left}'"
    );
    wait_until("a later attempt", || path.session.query(&later) != "0");
    holder.query("COMMIT");
    stays.await.unwrap();
    assert_eq!(path.session.query("SELECT string_agg(description, ' ') FROM tasks"), "stays");
}

/// Users, idempotency keys and whole tables can be locked as well as cases.
#[tokio::test]
async fn whatever_is_locked_only_the_batches_that_need_it_wait() {
    let mut path = WritePath::create().await;
    let [a, b, _] = path.tenants;
    let id = a.id;
    for (lock, waits, other) in [
        (
            format!("SELECT FROM users WHERE tenant_id = {id} FOR UPDATE"),
            batch(a, &["x"]),
            batch(b, &["x"]),
        ),
        (
            format!(
                "INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint) \
                 VALUES ({id}, 'k', 'other', sha256(''))"
            ),
            batch_with_key(a, &["x"], "k"),
            batch_with_key(b, &["x"], "k"),
        ),
        (
            "LOCK TABLE idempotency_keys".to_owned(),
            batch_with_key(a, &["x"], "l"),
            batch(b, &["x"]),
        ),
    ] {
        let writer = path.writer_with(ONE_WRITER, LOCK_TIMEOUT);
        let mut holder = Session::open(path.database.url());
        holder.query(&format!("BEGIN; {lock}"));

        let [mut waits, other] =
            [(a, waits), (b, other)].map(|(tenant, batch)| submit(&writer, tenant, batch).unwrap());
        other.await.unwrap_or_else(|error| panic!("{lock}: {error:?}"));
        assert!(is_pending(&mut waits), "{lock}");
        holder.query("ROLLBACK");
        waits.await.unwrap_or_else(|error| panic!("{lock}: {error:?}"));
    }
    assert_eq!(path.session.query("SELECT count(*) FROM tasks"), "6");
}

#[tokio::test]
async fn after_a_table_was_locked_all_batches_that_waited_are_written_once() {
    let mut path = WritePath::create().await;
    let writer = path.writer_with(TWO_WRITERS, LOCK_TIMEOUT);
    let tenants = path.tenants;
    let mut holder = Session::open(path.database.url());
    holder.lock("tasks");
    let first = submit_blocked(&mut path, &writer, tenants[0], batch(tenants[0], &["x"]));
    let more: Vec<_> = (0..30)
        .map(|number| {
            let tenant = tenants[number % 3];
            submit(&writer, tenant, batch_with_key(tenant, &["x"], &format!("{number}"))).unwrap()
        })
        .collect();
    // Long enough for more than one attempt.
    for _ in 0..2 {
        path.session.await_blocked(1);
        path.session.await_blocked(0);
    }
    holder.unlock();

    first.await.unwrap();
    for waits in more {
        assert!(!waits.await.unwrap().is_replay);
    }
    assert_eq!(path.session.query("SELECT count(*) FROM tasks"), "31");
}
