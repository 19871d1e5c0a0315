//! What was done to tasks is kept for a certain time.

use std::time::Duration;

use crate::support::{Session, TestDatabase, polling::wait_until};

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

#[tokio::test]
async fn events_are_deleted_once_they_are_old_in_small_steps_of_one_program_at_a_time() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let database = TestDatabase::create();
    let admin = database.open();
    write(&database, &[(1, 30), (2, 2), (1, 29), (3, 50), (1, 1), (3, 49), (1, 25), (2, 30)]);

    let mut other = Session::open(database.url());
    other.query("BEGIN; SELECT pg_advisory_xact_lock(x'6361736565766e74'::bit(64)::bigint)");
    assert_eq!(admin.sweep_task_events(DAY, 10).await.unwrap(), 0);
    other.query("COMMIT");
    assert_eq!(admin.sweep_task_events(DAY, 2).await.unwrap(), 2);
    assert_eq!(kept(&database), "1:1 1:25 2:2 2:30 3:50 3:49");
    // An event that is behind a younger one waits until that one has expired, too.
    assert_eq!(admin.sweep_task_events(DAY, 2).await.unwrap(), 2);
    assert_eq!(admin.sweep_task_events(DAY, 2).await.unwrap(), 0);
    assert_eq!(kept(&database), "1:1 1:25 2:2 2:30");
    assert_eq!(admin.sweep_task_events(DAY / 24, 10).await.unwrap(), 4);
    assert_eq!(admin.sweep_task_events(Duration::ZERO, 10).await.unwrap(), 0);
}

#[tokio::test]
async fn sweeping_reads_no_more_of_a_tenant_than_what_has_expired() {
    let database = TestDatabase::create();
    database.query(
        "INSERT INTO task_events (tenant_id, kind, case_id, task_id, api_key_id, request_id)
         SELECT 1 + n % 100, 'completed', 1, n, 1, 'r' FROM generate_series(1, 10000) AS n",
    );
    write(&database, &[(1000, 5), (1000, 4)]);
    database.query("ANALYZE task_events; SELECT pg_stat_reset()");
    let admin = database.open();
    assert_eq!(admin.sweep_task_events(Duration::from_secs(3600), 1000).await.unwrap(), 2);
    // A session reports what it has read when it ends.
    drop(admin);
    let read = "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes
        WHERE relname = 'task_events'";
    wait_until("statistics", || {
        let read: u64 = database.query(read).parse().unwrap();
        assert!(read < 1000, "{read} entries were read");
        read > 0
    });
}
