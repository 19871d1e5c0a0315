//! Batches with an idempotency key: created once, however often they are submitted.

use std::time::Duration;

use domain::{CreatedTasks, Error};
use store::{Swept, WriterSettings};

use crate::support::{
    Session, TERMINATE_BLOCKED_SESSIONS,
    write_path::{ONE_WRITER, Outcome, Tenant, WritePath, batch, batch_with_key, outcomes, submit},
};

/// Checks that a batch was created now, and returns it.
fn created(outcome: Outcome) -> CreatedTasks {
    let created = outcome.unwrap();
    assert!(!created.is_replay);
    created
}

/// Checks that a batch had been created before, and returns it.
fn replayed(outcome: Outcome) -> CreatedTasks {
    let created = outcome.unwrap();
    assert!(created.is_replay);
    created
}

/// Returns the number of rows of a table.
fn count(path: &mut WritePath, table: &str) -> u64 {
    path.session.query(&format!("SELECT count(*) FROM {table}")).parse().unwrap()
}

#[tokio::test]
async fn a_repeat_gets_the_first_tasks_even_if_tasks_case_and_users_have_changed() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    let first = created(writer.create(a.actor(), batch_with_key(a, &["x", "y"], "k")).await);
    path.session.query(
        "DELETE FROM task_assignees; UPDATE users SET first_name = 'Other', email = 'other-' || email; \
         DELETE FROM tasks; DELETE FROM cases",
    );

    let again = replayed(writer.create(a.actor(), batch_with_key(a, &["x", "y"], "k")).await);
    assert_eq!(again.tasks, first.tasks);
    // White space around a description does not make it a different request.
    let again = replayed(writer.create(a.actor(), batch_with_key(a, &[" x", "y "], "k")).await);
    assert_eq!(again.tasks, first.tasks);
    assert_eq!(count(&mut path, "tasks"), 0);

    let other = writer.create(a.actor(), batch_with_key(a, &["x"], "k")).await;
    assert!(matches!(other, Err(Error::IdempotencyKeyReused)), "{other:?}");
}

#[tokio::test]
async fn a_key_that_another_operation_used_is_rejected_as_reused() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    created(writer.create(a.actor(), batch_with_key(a, &["x"], "k")).await);
    path.session.query("UPDATE idempotency_keys SET operation = 'another'");

    let other = writer.create(a.actor(), batch_with_key(a, &["x"], "k")).await;
    assert!(matches!(other, Err(Error::IdempotencyKeyReused)), "{other:?}");
    assert_eq!(count(&mut path, "tasks"), 1);
}

#[tokio::test]
async fn a_record_from_before_fingerprints_had_versions_still_matches() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    let first = created(writer.create(a.actor(), batch_with_key(a, &["x"], "new")).await);
    assert_eq!(path.session.query("SELECT fingerprint_version FROM idempotency_keys"), "1");
    // What the release before writes.
    path.session.query(
        "INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint, created_at, task_ids, \
             user_ids, first_names, last_names) \
         SELECT tenant_id, 'old', operation, fingerprint, created_at, task_ids, \
             user_ids, first_names, last_names FROM idempotency_keys",
    );

    let again = replayed(writer.create(a.actor(), batch_with_key(a, &["x"], "old")).await);
    assert_eq!(again.tasks, first.tasks);
    let other = writer.create(a.actor(), batch_with_key(a, &["y"], "old")).await;
    assert!(matches!(other, Err(Error::IdempotencyKeyReused)), "{other:?}");
}

/// A server of that release is asked next.
#[tokio::test]
async fn a_record_of_a_newer_release_is_neither_a_repeat_nor_another_request() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    created(writer.create(a.actor(), batch_with_key(a, &["x"], "k")).await);
    path.session.query("UPDATE idempotency_keys SET fingerprint_version = 2");

    let outcome = writer.create(a.actor(), batch_with_key(a, &["x"], "k")).await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    assert_eq!(count(&mut path, "tasks"), 1);
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_tenant() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    for tenant in path.tenants {
        created(writer.create(tenant.actor(), batch_with_key(tenant, &["x"], "k")).await);
    }
    assert_eq!(count(&mut path, "tasks"), 3);
}

#[tokio::test]
async fn a_rejected_batch_leaves_its_key_unused() {
    let path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, _] = path.tenants;
    let of_another = Tenant { case_id: b.case_id, ..a };
    let rejected = writer.create(a.actor(), batch_with_key(of_another, &["x"], "k")).await;
    assert!(matches!(rejected, Err(Error::NotFound(_))), "{rejected:?}");
    created(writer.create(a.actor(), batch_with_key(a, &["x"], "k")).await);
}

#[tokio::test]
async fn a_batch_without_a_key_leaves_no_idempotency_record() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    created(writer.create(a.actor(), batch(a, &["x"])).await);
    assert_eq!(count(&mut path, "idempotency_keys"), 0);
}

#[tokio::test]
async fn of_two_batches_with_one_key_in_one_statement_one_is_created() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let [a, b, _] = path.tenants;
    let first = path.block_writer(&writer);
    let batches = [
        (a, "x", "k"),
        (b, "x", "k"),
        (a, "x", "k"),
        (a, "other", "k"),
        (a, "without", ""),
        (a, "x", "l"),
    ]
    .map(|(tenant, text, key)| {
        submit(&writer, tenant, batch_with_key(tenant, &[text], key)).unwrap()
    });
    path.unblock_writer();

    created(first.await);
    let [one, of_b, repeat, other, without_key, of_l] = outcomes(batches).await;
    let one = created(one);
    assert_eq!(replayed(repeat).tasks, one.tasks);
    assert!(matches!(other, Err(Error::IdempotencyKeyReused)), "{other:?}");
    for outcome in [of_b, without_key, of_l] {
        assert_ne!(created(outcome).tasks, one.tasks);
    }
    assert_eq!(count(&mut path, "tasks"), 5);
    assert_eq!(count(&mut path, "task_assignees"), 5);
}

/// Repeats collide in the queue, within statements, and between writers.
#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_repeats_on_several_writers_create_one_batch() {
    const REPEATS: usize = 8;
    const KEYS: usize = 25;
    let mut path = WritePath::create().await;
    let writer = path.writer(WriterSettings {
        threads: 4,
        batches_per_statement: 7,
        queue_length: 2 * KEYS * REPEATS,
        queue_length_per_tenant: KEYS * REPEATS,
        ..ONE_WRITER
    });
    let a = path.tenants[0];
    // Statements beside each other have their keys in different orders.
    let key = |call: usize| {
        if call.is_multiple_of(2) { call / 2 % KEYS } else { KEYS - 1 - call / 2 % KEYS }
    };
    let calls: Vec<_> = (0..KEYS * REPEATS)
        .map(|call| {
            let key = format!("{}", key(call));
            submit(&writer, a, batch_with_key(a, &[&key, "y"], &key)).unwrap()
        })
        .collect();

    let mut firsts = vec![0; KEYS];
    let mut created: Vec<Option<Vec<domain::Task>>> = vec![None; KEYS];
    for (call, outcome) in calls.into_iter().enumerate() {
        let CreatedTasks { tasks, is_replay } = outcome.await.unwrap();
        firsts[key(call)] += usize::from(!is_replay);
        assert_eq!(*created[key(call)].get_or_insert_with(|| tasks.clone()), tasks);
    }
    assert_eq!(firsts, vec![1; KEYS]);
    assert_eq!(count(&mut path, "tasks"), 2 * KEYS as u64);
}

/// The connection is lost while the statement runs. Whether the batch was created is looked up on
/// another connection.
#[tokio::test(flavor = "multi_thread")]
async fn the_unknown_outcome_of_a_batch_with_a_key_is_resolved() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    let first = path.block_writer(&writer);
    let queued = ["k", ""].map(|key| submit(&writer, a, batch_with_key(a, &["x"], key)).unwrap());
    // This terminates the first batch's statement; those in the queue have not been started.
    let mut other = Session::open(path.database.url());
    other.query(TERMINATE_BLOCKED_SESSIONS);
    let lost = first.await;
    assert!(matches!(lost, Err(Error::OutcomeUnknown(_) | Error::Unavailable(_))), "{lost:?}");
    path.session.await_blocked(1);
    // Now both of the queued batches are in a statement.
    other.query(TERMINATE_BLOCKED_SESSIONS);
    path.session.await_blocked(1);
    path.unblock_writer();

    let [with_key, without] = outcomes(queued).await;
    with_key.unwrap();
    assert!(matches!(without, Err(Error::OutcomeUnknown(_))), "{without:?}");
    assert_eq!(count(&mut path, "tasks"), 1);
}

/// A batch that lost its connection may have caused the loss, so it is run again alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_an_unknown_outcome_is_run_again_alone() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let a = path.tenants[0];
    path.session.lock("tasks");
    let unknown = submit(&writer, a, batch_with_key(a, &["x"], "k")).unwrap();
    path.session.await_blocked(1);
    let behind_it = submit(&writer, a, batch(a, &["y"])).unwrap();
    let mut other = Session::open(path.database.url());
    // The second time, both batches would otherwise be in one statement.
    for _ in 0..2 {
        other.query(TERMINATE_BLOCKED_SESSIONS);
        path.session.await_blocked(1);
    }
    path.unblock_writer();

    // Never in a statement that was lost: it was not begun, or it is written in the end.
    let created = match behind_it.await {
        Ok(_) => 2,
        Err(Error::Unavailable(_)) => 1,
        Err(error) => panic!("{error:?}"),
    };
    unknown.await.unwrap();
    assert_eq!(count(&mut path, "tasks"), created);
}

#[tokio::test]
async fn old_idempotency_records_are_deleted_in_steps_by_one_server_at_a_time() {
    let mut path = WritePath::create().await;
    let writer = path.writer(ONE_WRITER);
    let admin = path.database.open();
    let [a, b, _] = path.tenants;
    for (tenant, key) in [(a, "1"), (a, "2"), (b, "3"), (b, "young")] {
        created(writer.create(tenant.actor(), batch_with_key(tenant, &["x"], key)).await);
    }
    path.session.query(
        "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' \
         WHERE key <> 'young'",
    );
    let day = Duration::from_secs(24 * 60 * 60);

    let mut other = Session::open(path.database.url());
    other.query("BEGIN; SELECT pg_advisory_xact_lock(x'636173656964656d'::bit(64)::bigint)");
    let mut sweep = admin.sweep_of_idempotency_keys(day);
    assert_eq!(sweep.step(10).await.unwrap(), Swept::Busy);
    other.query("COMMIT");
    for deleted in [2, 1, 0] {
        assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(deleted));
    }

    replayed(writer.create(b.actor(), batch_with_key(b, &["x"], "young")).await);
    created(writer.create(a.actor(), batch_with_key(a, &["x"], "1")).await);
}

#[tokio::test]
async fn records_of_tenants_that_no_longer_exist_are_deleted_too() {
    let mut path = WritePath::create().await;
    path.session.query(
        "INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint, created_at) \
         SELECT tenant, 'k', 'batch_create_tasks', sha256(''), now() - interval '2 hours' \
         FROM unnest(ARRAY[77777, 88888, 99999]) AS tenant",
    );
    let admin = path.database.open();
    let mut sweep = admin.sweep_of_idempotency_keys(Duration::from_secs(3600));
    assert_eq!(sweep.step(100).await.unwrap(), Swept::Rows(3));
    assert_eq!(count(&mut path, "idempotency_keys"), 0);
}
