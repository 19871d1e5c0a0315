//! What was done to tasks is kept for a certain time.

use std::time::Duration;

use store::{Database, Sweep, Swept};

use crate::support::{Session, TestDatabase};

/// Writes events of tenants, each so many hours old, in the order of their ids. The tenants need not
/// exist.
fn write(database: &TestDatabase, events: &[(i64, u32)]) {
    for (tenant, hours) in events {
        database.query(&format!(
            "INSERT INTO task_events
                 (tenant_id, kind, case_id, task_id, api_key_id, request_id, created_at)
             VALUES ({tenant}, 'completed', 1, 1, 1, 'r', now() - interval '{hours} hours')"
        ));
    }
}

/// Returns the events that are there: the tenant and the age in hours.
fn kept(database: &TestDatabase) -> String {
    database.query(
        "SELECT string_agg(
             tenant_id || ':' || round(extract(epoch FROM now() - created_at) / 3600), ' '
             ORDER BY tenant_id, id
         ) FROM task_events",
    )
}

/// Returns how many entries of indexes were read that lead to a row, be it one that was deleted.
fn entries_read(database: &TestDatabase, table: &str) -> u32 {
    let read = database.query(&format!(
        "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname = '{table}'"
    ));
    read.parse().unwrap()
}

#[tokio::test]
async fn events_are_deleted_once_they_are_old_in_small_steps_of_one_program_at_a_time() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let database = TestDatabase::create();
    let admin = database.open();
    let mut sweep = admin.sweep_of_task_events(DAY);
    write(&database, &[(1, 30), (2, 2), (1, 29), (3, 50), (1, 1), (3, 49), (1, 25), (2, 30)]);

    let mut other = Session::open(database.url());
    other.query("BEGIN; SELECT pg_advisory_xact_lock(x'6361736565766e74'::bit(64)::bigint)");
    assert_eq!(sweep.step(10).await.unwrap(), Swept::Busy);
    other.query("COMMIT");
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(2));
    assert_eq!(kept(&database), "1:1 1:25 2:2 2:30 3:50 3:49");
    // An event that is behind a younger one waits until that one has expired, too.
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(2));
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(0));
    assert_eq!(kept(&database), "1:1 1:25 2:2 2:30");
    let mut sweep = admin.sweep_of_task_events(DAY / 24);
    assert_eq!(sweep.step(10).await.unwrap(), Swept::Rows(4));
    assert_eq!(sweep.step(10).await.unwrap(), Swept::Rows(0));
}

/// The events of all tenants' creations expire together, in the order of their ids.
#[tokio::test]
async fn creations_are_deleted_once_they_are_old_in_small_steps_of_one_program_at_a_time() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let database = TestDatabase::create();
    for (id, (tenant, hours)) in (1..).zip([(3, 30), (1, 29), (2, 28), (1, 1), (3, 27), (2, 2)]) {
        database.query(&format!(
            "INSERT INTO creation_events
                 (id, tenant_id, case_id, api_key_id, task_ids, user_ends, request_id, created_at)
             VALUES ({id}, {tenant}, 1, 1, '{{1}}', '{{0}}', 'r', now() - interval '{hours} hours')"
        ));
    }
    let kept =
        || database.query("SELECT string_agg(id::text, ' ' ORDER BY id) FROM creation_events");
    let admin = database.open();
    let mut sweep = admin.sweep_of_creation_events(24 * HOUR);
    let mut other = Session::open(database.url());
    other.query("BEGIN; SELECT pg_advisory_xact_lock(x'6361736563726561'::bit(64)::bigint)");
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Busy);
    // The other table has a lock of its own.
    let swept = admin.sweep_of_task_events(24 * HOUR).step(2).await;
    assert_eq!(swept.unwrap(), Swept::Rows(0));
    other.query("COMMIT");
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(2));
    assert_eq!(kept(), "3 4 5 6");
    // What has expired behind a younger one is deleted with what comes before that, or later.
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(1));
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(0));
    assert_eq!(kept(), "4 5 6");
    let mut sweep = admin.sweep_of_creation_events(HOUR / 2);
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(2));
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(1));
    assert_eq!(sweep.step(2).await.unwrap(), Swept::Rows(0));
}

/// While creations are not deleted, as their sweep lags behind or fails, so are the changes of what they created.
#[tokio::test]
async fn what_was_done_to_tasks_is_kept_as_long_as_their_creations() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let database = TestDatabase::create();
    // Creations 2 and 5 of different tenants. Changes of tasks from before them, of each of theirs, and of a tenant
    // that has no creation.
    database.query(
        "INSERT INTO tenants (id, name) SELECT t, 'tenant ' || t FROM generate_series(1, 3) AS t;
         INSERT INTO api_keys (tenant_id, name, digest, scopes)
         SELECT t, 'key', sha256(t::text::bytea), ARRAY['tasks:write'] FROM generate_series(1, 3) AS t;
         INSERT INTO creation_events
             (id, tenant_id, case_id, api_key_id, task_ids, user_ends, request_id, created_at)
         SELECT id, tenant, 1, 1, '{1}', '{0}', 'r', now() - interval '2 hours'
         FROM (VALUES (2, 1), (5, 2)) AS creation (id, tenant);
         INSERT INTO task_events
             (id, tenant_id, kind, case_id, task_id, api_key_id, request_id, created_at)
         SELECT id, tenant, kind, 1, 1, 1, 'r', now() - interval '2 hours'
         FROM (
             VALUES (1, 1, 'completed'), (3, 1, 'completed'), (4, 1, 'deleted'), (6, 2, 'completed'),
                 (7, 3, 'deleted')
         ) AS event (id, tenant, kind)",
    );
    let kept = || database.query("SELECT string_agg(id::text, ' ' ORDER BY id) FROM task_events");
    let admin = database.open();
    // It goes on after creations were deleted; another one, further below, begins then.
    let mut known = admin.sweep_of_task_events(HOUR);
    let mut creations = admin.sweep_of_creation_events(HOUR);
    assert_eq!(known.step(10).await.unwrap(), Swept::Rows(1));
    assert_eq!(known.step(10).await.unwrap(), Swept::Rows(0));
    assert_eq!(kept(), "3 4 6 7");

    assert_eq!(creations.step(1).await.unwrap(), Swept::Rows(1));
    assert_eq!(known.step(10).await.unwrap(), Swept::Rows(2));
    assert_eq!(kept(), "6 7");
    let mut new = admin.sweep_of_task_events(HOUR);
    assert_eq!(new.step(10).await.unwrap(), Swept::Rows(0));
    assert_eq!(kept(), "6 7");

    assert_eq!(creations.step(10).await.unwrap(), Swept::Rows(1));
    assert_eq!(new.step(1).await.unwrap(), Swept::Rows(1));
    assert_eq!(new.step(1).await.unwrap(), Swept::Rows(1));
    assert_eq!(kept(), "");
}

#[tokio::test]
async fn sweeping_reads_no_more_of_a_tenant_than_what_has_expired() {
    let database = TestDatabase::create();
    database.query(
        "INSERT INTO task_events (tenant_id, kind, case_id, task_id, api_key_id, request_id)
         SELECT 1 + n % 100, 'completed', 1, n, 1, 'r' FROM generate_series(1, 10000) AS n",
    );
    write(&database, &[(1000, 5), (1000, 4)]);
    database.query("ANALYZE task_events");
    database.reset_statistics();
    let admin = database.open();
    let mut sweep = admin.sweep_of_task_events(Duration::from_secs(3600));
    assert_eq!(sweep.step(1000).await.unwrap(), Swept::Rows(2));
    drop((admin, sweep));
    database.await_end_of_sessions();
    let read = entries_read(&database, "task_events");
    assert!((1..1000).contains(&read), "{read} entries were read");
}

/// Rows that were deleted stay where they are while any transaction can see them, as that of a dump. A sweep
/// that begins at the start each time reads all of them each time.
#[tokio::test]
async fn sweeping_does_not_pass_again_what_it_has_deleted_before() {
    type Start = fn(&Database) -> Sweep;
    const AGE: Duration = Duration::from_secs(3600);
    const STEPS: u32 = 20;
    const ROWS: u32 = 50;
    for (table, write, start) in [
        (
            "task_events",
            "INSERT INTO task_events
                 (tenant_id, kind, case_id, task_id, api_key_id, request_id, created_at)
             SELECT 1 + n / 250, 'completed', 1, n, 1, 'r', now() - interval '2 hours'
             FROM generate_series(0, 999) AS n",
            (|database| database.sweep_of_task_events(AGE)) as Start,
        ),
        (
            "creation_events",
            "INSERT INTO creation_events
                 (id, tenant_id, case_id, api_key_id, task_ids, user_ends, request_id, created_at)
             SELECT 1 + n, 1 + n % 4, 1, 1, '{1}', '{0}', 'r', now() - interval '2 hours'
             FROM generate_series(0, 999) AS n",
            |database| database.sweep_of_creation_events(AGE),
        ),
        (
            "idempotency_keys",
            "INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint, created_at)
             SELECT
                 1 + n / 250, 'key-' || n, 'batch_create_tasks', sha256(''),
                 now() - interval '2 hours' + n * interval '1 second'
             FROM generate_series(0, 999) AS n",
            |database| database.sweep_of_idempotency_keys(AGE),
        ),
    ] {
        let database = TestDatabase::create();
        database.query(write);
        database.query(&format!("ANALYZE {table}"));
        database.reset_statistics();
        let mut dump = Session::open(database.url());
        dump.query(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM {table}"));
        let admin = database.open();
        let mut sweep = start(&admin);
        for _ in 0..STEPS {
            assert_eq!(sweep.step(ROWS).await.unwrap(), Swept::Rows(ROWS as usize));
        }
        // Those at the end, and later sweeps.
        for _ in 0..10 {
            assert_eq!(sweep.step(ROWS).await.unwrap(), Swept::Rows(0));
        }
        drop((admin, sweep));
        drop(dump);
        database.await_end_of_sessions();
        let read = entries_read(&database, table);
        assert!((1..3 * STEPS * ROWS).contains(&read), "{table}: {read} entries were read");
    }
}

/// Each sweep of changes looks for the first creation, which comes after those that were deleted.
#[tokio::test]
async fn sweeping_changes_does_not_pass_again_creations_that_were_deleted() {
    const AGE: Duration = Duration::from_secs(3600);
    const CREATIONS: u32 = 1000;
    const SWEEPS: u32 = 20;
    let database = TestDatabase::create();
    database.query(&format!(
        "INSERT INTO tenants (id, name) VALUES (1, 'tenant');
         INSERT INTO api_keys (tenant_id, name, digest, scopes)
         VALUES (1, 'key', sha256(''), ARRAY['tasks:write']);
         INSERT INTO creation_events
             (id, tenant_id, case_id, api_key_id, task_ids, user_ends, request_id, created_at)
         SELECT
             n, 1, 1, 1, '{{1}}', '{{0}}', 'r',
             now() - CASE WHEN n <= {CREATIONS} THEN 120 ELSE 30 END * interval '1 minute'
         FROM generate_series(1, {CREATIONS} + 1) AS n;
         INSERT INTO task_events
             (id, tenant_id, kind, case_id, task_id, api_key_id, request_id, created_at)
         SELECT n, 1, 'completed', 1, 1, 1, 'r', now() - interval '2 hours'
         FROM generate_series({CREATIONS} + 2, {CREATIONS} + 10) AS n"
    ));
    database.query("ANALYZE task_events, creation_events");
    database.reset_statistics();
    let mut dump = Session::open(database.url());
    dump.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM creation_events");
    let admin = database.open();
    let mut creations = admin.sweep_of_creation_events(AGE);
    assert_eq!(creations.step(2 * CREATIONS).await.unwrap(), Swept::Rows(CREATIONS as usize));
    let mut sweep = admin.sweep_of_task_events(AGE);
    for _ in 0..SWEEPS {
        assert_eq!(sweep.step(10).await.unwrap(), Swept::Rows(0));
    }
    drop((admin, creations, sweep));
    // It sees them as they were, until now.
    drop(dump);
    database.await_end_of_sessions();
    let read = entries_read(&database, "creation_events");
    assert!((CREATIONS..5 * CREATIONS).contains(&read), "{read} entries were read");
}
