//! A sweep a minute, on a clock that the test sets, while somebody makes a dump: what was deleted stays in the way.

use std::time::Duration;

use store::{Database, Sweep, Swept};

use crate::support::{Session, TestDatabase, open};

/// For how long rows are kept.
const AGE: Duration = Duration::from_secs(3600);

/// The tenants, not all of whose ids are there.
const TENANTS: [u32; 3] = [2, 3, 7];

/// How many rows of each tenant have expired when the first sweep begins, and how many more expire each minute.
const BACKLOG: u32 = 10_000;
const EACH_MINUTE: u32 = 20;

/// How many sweeps there are after the first one: not as many as are made until one begins at the start.
const SWEEPS: u32 = 50;

/// The time, for those who look for functions in the schema `fake` first.
const CLOCK: &str = "
    CREATE SCHEMA fake;
    CREATE TABLE fake.clock AS SELECT pg_catalog.now() AS time;
    CREATE FUNCTION fake.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT time FROM fake.clock'";

/// A database with a clock, and rows in one table.
struct Minutes {
    database: TestDatabase,
}

impl Minutes {
    /// Writes rows in the order of time. `insert` has a row `n` of tenant `tenant`, of the time `time`.
    fn write(insert: &str) -> Self {
        let database = TestDatabase::create();
        database.query(CLOCK);
        let tenants = TENANTS.map(|tenant| tenant.to_string()).join(", ");
        database.query(&format!(
            "INSERT INTO tenants (id, name) SELECT t, 'tenant ' || t FROM unnest(ARRAY[{tenants}]) AS t;
             INSERT INTO api_keys (tenant_id, name, digest, scopes)
             SELECT t, 'key', sha256(t::text::bytea), ARRAY['tasks:write']
             FROM unnest(ARRAY[{tenants}]) AS t"
        ));
        // A row expires when the clock has passed its time and the age. Rows of a time stay behind, which nobody sweeps.
        let seconds = AGE.as_secs();
        let last = (SWEEPS + 10) * EACH_MINUTE;
        database.query(&format!(
            "WITH rows AS (
                 SELECT
                     n, tenant,
                     (SELECT time FROM fake.clock) - interval '{seconds} seconds'
                         + CASE
                             WHEN n <= 0 THEN n * interval '0.1 seconds' - interval '1 second'
                             ELSE (n - 0.5) * interval '60 seconds' / {EACH_MINUTE}
                         END AS time
                 FROM generate_series(1 - {BACKLOG}, {last}) AS n, unnest(ARRAY[{tenants}]) AS tenant
                 ORDER BY n, tenant
             )
             {insert} FROM rows ORDER BY n, tenant"
        ));
        Self { database }
    }

    /// Connects somebody to whom the time is that of the clock.
    fn open(&self) -> Database {
        let url = self.database.url().expose();
        open(&format!("{url}&options=-csearch_path%3Dfake,pg_catalog,public").parse().unwrap())
    }

    fn pass(&self) {
        self.database.query("UPDATE fake.clock SET time = time + interval '1 minute'");
    }
}

/// Deletes all that has expired. Returns how many rows that were.
async fn run_once(sweep: &mut Sweep) -> u32 {
    const MOST: u32 = 1000;
    let mut all = 0;
    loop {
        let Swept::Rows(rows) = sweep.step(MOST).await.unwrap() else { panic!("it is busy") };
        let rows = u32::try_from(rows).unwrap();
        all += rows;
        if rows < MOST {
            return all;
        }
    }
}

/// Sweeps each minute. Returns how many pages of the table, and of its indexes, were read.
async fn pages_read(table: &str, insert: &str, sweep_of: fn(&Database) -> Sweep) -> [u64; 2] {
    let minutes = Minutes::write(insert);
    let database = &minutes.database;
    database.query("ANALYZE");
    database.reset_statistics();
    let mut dump = Session::open(database.url());
    dump.query(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM {table}"));

    let admin = minutes.open();
    let mut sweep = sweep_of(&admin);
    let tenants = u32::try_from(TENANTS.len()).unwrap();
    assert_eq!(run_once(&mut sweep).await, BACKLOG * tenants);
    for minute in 1..=SWEEPS {
        minutes.pass();
        assert_eq!(run_once(&mut sweep).await, EACH_MINUTE * tenants, "minute {minute}");
    }
    drop((admin, sweep));
    dump.query("COMMIT");
    drop(dump);
    database.await_end_of_sessions();
    let pages = database.query(&format!(
        "SELECT heap_blks_read + heap_blks_hit, idx_blks_read + idx_blks_hit
         FROM pg_statio_user_tables WHERE relname = '{table}'"
    ));
    let (rows, entries) = pages.split_once('|').unwrap();
    [rows, entries].map(|pages| pages.parse().unwrap())
}

/// Of each table, all rows that were deleted have 30,000 places in the table and 120 pages of an index. Sweeps that passed
/// them each minute would read 1,500,000 pages of the table, and those that looked for tenants among their entries
/// 14,000 of the index.
#[tokio::test]
async fn a_sweep_of_each_minute_does_not_read_what_those_before_have_deleted() {
    let events = "
        INSERT INTO task_events (tenant_id, kind, case_id, task_id, api_key_id, request_id, created_at)
        SELECT tenant, 'completed', 1, 1, 1, 'r', time";
    let creations = "
        INSERT INTO creation_events
            (id, tenant_id, case_id, api_key_id, task_ids, user_ends, request_id, created_at)
        SELECT nextval('task_events_id_seq'), tenant, 1, 1, '{1}', '{0}', 'r', time";
    let keys = "
        INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint, created_at)
        SELECT tenant, 'key ' || n, 'batch_create_tasks', sha256(''), time";
    for (table, insert, sweep_of) in [
        (
            "task_events",
            events,
            (|database| database.sweep_of_task_events(AGE)) as fn(&Database) -> Sweep,
        ),
        ("creation_events", creations, |database| database.sweep_of_creation_events(AGE)),
        ("idempotency_keys", keys, |database| database.sweep_of_idempotency_keys(AGE)),
    ] {
        let [rows, entries] = pages_read(table, insert, sweep_of).await;
        assert!(rows < 300_000, "{table}: {rows} pages of the table were read");
        assert!(entries < 5_000, "{table}: {entries} pages of indexes were read");
    }
}
