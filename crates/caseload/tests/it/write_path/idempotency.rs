//! Batches with a request id: created once, however often they are asked for.

use std::time::Duration;

use domain::{CreatedTasks, Error};
use store::WriterSettings;

use crate::support::{
    Session,
    write_path::{ONE_WRITER, Outcome, Tenant, WritePath, batch, batch_with_id, submit},
};

fn created(outcome: Outcome) -> CreatedTasks {
    let created = outcome.unwrap();
    assert!(!created.is_replay);
    created
}

fn replayed(outcome: Outcome) -> CreatedTasks {
    let created = outcome.unwrap();
    assert!(created.is_replay);
    created
}

fn count(path: &mut WritePath, table: &str) -> u64 {
    path.session.query(&format!("SELECT count(*) FROM {table}")).parse().unwrap()
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_whatever_has_become_of_what_it_names() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    let first = created(writer.create(a.id, batch_with_id(a, &["x", "y"], "k")).await);
    path.session.query(
        "DELETE FROM task_assignees; UPDATE users SET first_name = 'Other', email = 'other-' || email; \
         DELETE FROM tasks; DELETE FROM cases",
    );

    let again = replayed(writer.create(a.id, batch_with_id(a, &["x", "y"], "k")).await);
    assert_eq!(again.tasks, first.tasks);
    // White space around a text makes no other request of it.
    let again = replayed(writer.create(a.id, batch_with_id(a, &[" x", "y "], "k")).await);
    assert_eq!(again.tasks, first.tasks);
    assert_eq!(count(&mut path, "tasks"), 0);

    let other = writer.create(a.id, batch_with_id(a, &["x"], "k")).await;
    assert!(matches!(other, Err(Error::IdempotencyKeyReused)), "{other:?}");
}

#[tokio::test]
async fn an_id_is_its_tenants_own() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    for tenant in path.tenants {
        created(writer.create(tenant.id, batch_with_id(tenant, &["x"], "k")).await);
    }
    assert_eq!(count(&mut path, "tasks"), 3);
}

#[tokio::test]
async fn a_refusal_leaves_the_id_unused() {
    let path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, _] = path.tenants;
    let of_another = Tenant { case_id: b.case_id, ..a };
    let refused = writer.create(a.id, batch_with_id(of_another, &["x"], "k")).await;
    assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
    created(writer.create(a.id, batch_with_id(a, &["x"], "k")).await);
}

#[tokio::test]
async fn a_batch_without_an_id_leaves_nothing_behind() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    created(writer.create(a.id, batch(a, &["x"])).await);
    assert_eq!(count(&mut path, "task_batch_requests"), 0);
}

#[tokio::test]
async fn of_twins_in_one_statement_one_is_created() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, _] = path.tenants;
    let first = path.block(&writer);
    let calls = [
        (a, "x", "k"),
        (b, "x", "k"),
        (a, "x", "k"),
        (a, "other", "k"),
        (a, "plain", ""),
        (a, "x", "l"),
    ]
    .map(|(tenant, text, id)| submit(&writer, tenant, batch_with_id(tenant, &[text], id)).unwrap());
    path.release();

    created(first.await);
    let [one, of_b, twin, other, plain, of_l] = super::all(calls).await;
    let one = created(one);
    assert_eq!(replayed(twin).tasks, one.tasks);
    assert!(matches!(other, Err(Error::IdempotencyKeyReused)), "{other:?}");
    for outcome in [of_b, plain, of_l] {
        assert_ne!(created(outcome).tasks, one.tasks);
    }
    assert_eq!(count(&mut path, "tasks"), 5);
    assert_eq!(count(&mut path, "task_assignees"), 5);
}

/// They collide at every point of each other's way.
#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_repeats_through_many_writers_make_one_batch() {
    const REPEATS: usize = 8;
    const IDS: usize = 25;
    let mut path = WritePath::create().await;
    let writer = path.writer(WriterSettings {
        threads: 4,
        batches_per_statement: 7,
        queue_length: IDS * REPEATS,
        queue_length_per_tenant: IDS * REPEATS,
        ..ONE_WRITER
    });
    let a = path.tenants[0];
    // Neighbours have their ids in different orders.
    let id = |call: usize| {
        if call.is_multiple_of(2) { call / 2 % IDS } else { IDS - 1 - call / 2 % IDS }
    };
    let calls: Vec<_> = (0..IDS * REPEATS)
        .map(|call| {
            let id = format!("{}", id(call));
            submit(&writer, a, batch_with_id(a, &[&id, "y"], &id)).unwrap()
        })
        .collect();

    let mut firsts = vec![0; IDS];
    let mut answers: Vec<Option<Vec<domain::Task>>> = vec![None; IDS];
    for (call, outcome) in calls.into_iter().enumerate() {
        let CreatedTasks { tasks, is_replay } = outcome.await.unwrap();
        firsts[id(call)] += usize::from(!is_replay);
        assert_eq!(*answers[id(call)].get_or_insert_with(|| tasks.clone()), tasks);
    }
    assert_eq!(firsts, vec![1; IDS]);
    assert_eq!(count(&mut path, "tasks"), 2 * IDS as u64);
}

/// Cuts the connections whose statements wait for a lock, and waits until they are gone.
const CUT_OFF_WHO_WAITS: &str = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// The connection is cut while the statement runs: the truth is found out on another.
#[tokio::test(flavor = "multi_thread")]
async fn the_truth_about_a_batch_with_an_id_is_found_out() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    let first = path.block(&writer);
    let queued = ["k", ""].map(|id| submit(&writer, a, batch_with_id(a, &["x"], id)).unwrap());
    // What is cut off is the first one's statement; those behind it were not begun.
    let mut other = Session::open(path.database.url());
    other.query(CUT_OFF_WHO_WAITS);
    let lost = first.await;
    assert!(matches!(lost, Err(Error::OutcomeUnknown(_) | Error::Unavailable(_))), "{lost:?}");
    path.session.await_blocked(1);
    // Now both of those are in a statement.
    other.query(CUT_OFF_WHO_WAITS);
    path.session.await_blocked(1);
    path.release();

    let [with_id, without] = super::all(queued).await;
    with_id.unwrap();
    assert!(matches!(without, Err(Error::OutcomeUnknown(_))), "{without:?}");
    assert_eq!(count(&mut path, "tasks"), 1);
}

/// What lost its connection may be what breaks connections: it is run again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_in_doubt_takes_no_other_along() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    path.session.lock("tasks");
    let in_doubt = submit(&writer, a, batch_with_id(a, &["x"], "k")).unwrap();
    path.session.await_blocked(1);
    let behind_it = submit(&writer, a, batch(a, &["y"])).unwrap();
    let mut other = Session::open(path.database.url());
    // The second time both would be in one statement.
    for _ in 0..2 {
        other.query(CUT_OFF_WHO_WAITS);
        path.session.await_blocked(1);
    }
    path.release();

    let behind_it = behind_it.await;
    assert!(matches!(behind_it, Err(Error::Unavailable(_))), "{behind_it:?}");
    in_doubt.await.unwrap();
    assert_eq!(count(&mut path, "tasks"), 1);
}

#[tokio::test]
async fn old_requests_are_forgotten_in_steps_by_one_at_a_time() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let admin = path.database.open();
    let [a, b, _] = path.tenants;
    for (tenant, id) in [(a, "1"), (a, "2"), (b, "3"), (b, "young")] {
        created(writer.create(tenant.id, batch_with_id(tenant, &["x"], id)).await);
    }
    path.session.query(
        "UPDATE task_batch_requests SET created_at = now() - interval '25 hours' \
         WHERE request_id <> 'young'",
    );
    let day = Duration::from_secs(24 * 60 * 60);

    let mut other = Session::open(path.database.url());
    other.query("BEGIN; SELECT pg_advisory_xact_lock(x'6361736572657173'::bit(64)::bigint)");
    assert_eq!(admin.forget_requests(day, 10).await.unwrap(), 0);
    other.query("COMMIT");
    assert_eq!(admin.forget_requests(day, 2).await.unwrap(), 2);
    assert_eq!(admin.forget_requests(day, 2).await.unwrap(), 1);
    assert_eq!(admin.forget_requests(day, 2).await.unwrap(), 0);

    replayed(writer.create(b.id, batch_with_id(b, &["x"], "young")).await);
    created(writer.create(a.id, batch_with_id(a, &["x"], "1")).await);
}
