//! The schema: migrations up and down, and the rules that hold for all tables.

use std::{fs, path::Path};

use crate::support::{
    CASELOAD, Program, TestDatabase, open, postgres_program, start_server_process,
};

/// The tables of tenant data.
const TENANT_TABLES: &str = "('users', 'cases', 'tasks', 'task_assignees', 'task_events', 'creation_events', \
     'idempotency_keys', 'audit_heads', 'audit_entries', 'audit_outbox')";

/// The one key that begins with another column: new entries of it come last, see the migration. It has the tenant, too.
const KEY_THAT_AN_ID_LEADS: &str = "creation_events_pkey|id";

#[tokio::test]
async fn migrating_up_down_and_up_again_yields_the_same_schema() {
    let database = TestDatabase::create_empty();
    let store = database.open();
    let names = store.pending_migrations().await.unwrap();
    assert!(!names.is_empty());
    assert!(!store.has_current_schema().await.unwrap());

    assert_eq!(store.migrate().await.unwrap(), names);
    assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
    assert!(store.has_current_schema().await.unwrap());
    let schema = dump(&database);
    assert!(schema.contains("CREATE TABLE public.task_assignees"), "{schema}");
    assert_eq!(store.migrate().await.unwrap(), Vec::<String>::new());

    store.revert_migrations().await.unwrap();
    assert_eq!(store.pending_migrations().await.unwrap(), names);
    assert!(!store.has_current_schema().await.unwrap());
    assert_eq!(remaining_objects(&database), "");

    assert_eq!(store.migrate().await.unwrap(), names);
    assert!(store.has_current_schema().await.unwrap());
    assert_eq!(dump(&database), schema);
}

/// Servers from before creation_events read the events of creations in task_events.
#[test]
fn events_of_creations_survive_the_way_back() {
    let database = TestDatabase::create();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let name = "2026-12-03-010000_create_creation_events";
    let sql = |file: &str| fs::read_to_string(migrations.join(name).join(file)).unwrap();
    let columns = "tenant_id, id, case_id, api_key_id, created_at, xid, task_ids, user_ends, user_ids, request_id";
    database.query(
        "INSERT INTO creation_events
             (id, tenant_id, case_id, api_key_id, created_at, task_ids, user_ends, user_ids, request_id)
         VALUES (7, 1, 2, 3, now() - interval '1 day', '{4,5}', '{1,3}', '{6,7,8}', 'a'),
             (8, 2, 3, 4, now() - interval '1 hour', '{6}', '{0}', NULL, 'b')",
    );
    let before = database.query(&format!("SELECT {columns} FROM creation_events ORDER BY id"));
    assert_eq!(before.lines().count(), 2);

    database.run_in_transaction(&sql("down.sql"));
    let moved = format!("SELECT {columns} FROM task_events WHERE kind = 'created' ORDER BY id");
    assert_eq!(database.query(&moved), before);

    // They are not moved again.
    database.run_in_transaction(&sql("up.sql"));
    assert_eq!(database.query("SELECT count(*) FROM creation_events"), "0");
    assert_eq!(database.query(&moved), before);
}

/// Users of any email, also of one that looks like that of an erased user, and such users.
#[tokio::test]
async fn users_from_before_and_erased_users_survive_the_migrations() {
    let database = TestDatabase::create();
    let up_and_down = |name: &str, file: &str| {
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
        fs::read_to_string(migrations.join(name).join(file)).unwrap()
    };
    let migrations = [
        "2026-11-29-020000_add_user_columns",
        "2026-11-29-020100_index_users",
        "2026-11-29-030000_reserve_placeholders",
        "2026-11-29-030100_validate_placeholders",
    ];
    database.query(
        "INSERT INTO tenants (id, name) VALUES (1, 'A'); \
         INSERT INTO users (tenant_id, id, email, first_name, last_name, deactivated_at, erased_at) \
             VALUES (1, 1, 'erased-1@erased.invalid', '', '', now(), now())",
    );
    for migration in migrations.iter().rev() {
        database.run_in_transaction(&up_and_down(migration, "down.sql"));
    }
    database.query(
        "INSERT INTO users (tenant_id, id, email, first_name, last_name) \
             VALUES (1, 2, 'b@example.com', 'B', ''), (1, 3, 'c@erased.invalid', 'C', ''), \
                 (1, 4, 'erased-9@erased.invalid', 'D', ''), \
                 (1, 5, 'former-9@erased.invalid', 'E', ''), \
                 (1, 6, 'erased-6@erased.invalid', 'F', ''), \
                 (1, 7, 'former-6@erased.invalid', 'G', '')",
    );
    for migration in migrations {
        database.run_in_transaction(&up_and_down(migration, "up.sql"));
    }
    let erased = "SELECT id FROM users WHERE erased_at IS NOT NULL AND deactivated_at IS NOT NULL";
    assert_eq!(database.query(erased), "1");
    let others = "SELECT id, CASE email ~ '^former-6-[0-9a-f-]{36}@erased.invalid$' \
            WHEN true THEN 'another' ELSE email END \
         FROM users WHERE erased_at IS NULL ORDER BY id";
    assert_eq!(
        database.query(others),
        "2|b@example.com\n3|c@erased.invalid\n4|former-4@erased.invalid\n\
         5|former-9@erased.invalid\n6|another\n7|former-6@erased.invalid"
    );
    // All of them can be changed.
    database.query("UPDATE users SET deactivated_at = now() WHERE erased_at IS NULL");
}

#[tokio::test]
async fn listing_pending_migrations_changes_nothing_and_needs_no_write_permission() {
    let database = TestDatabase::create_empty();
    let before = dump(&database);
    let url =
        format!("{}&options=-c%20default_transaction_read_only%3Don", database.url().expose());
    let reader = open(&url.parse().unwrap());

    assert!(!reader.pending_migrations().await.unwrap().is_empty());
    assert!(!reader.has_current_schema().await.unwrap());
    assert!(reader.migrate().await.is_err(), "the session can't write");
    assert_eq!(dump(&database), before);

    database.open().migrate().await.unwrap();
    assert!(reader.has_current_schema().await.unwrap());
}

#[tokio::test]
async fn programs_that_migrate_at_the_same_time_run_one_after_the_other() {
    let database = TestDatabase::create_empty();
    let url = database.url().expose();
    let migrate = || Program::start(CASELOAD, &["migrate", "--database-url", url]);

    let exited = [migrate(), migrate(), migrate()].map(Program::wait_for_exit);

    assert!(exited.iter().all(|exited| exited.code() == Some(0)), "{exited:#?}");
    let migrated = exited.iter().filter(|exited| exited.stdout.contains("migrated: ")).count();
    assert_eq!(migrated, 1, "{exited:#?}");
    assert!(database.open().has_current_schema().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_in_utf8_is_neither_migrated_nor_served() {
    for encoding in ["SQL_ASCII", "LATIN1"] {
        let database = TestDatabase::create_encoded(encoding);
        let url = database.url().expose();
        let reason = format!(
            "the database's encoding is {encoding}, but must be UTF8: create another database with \
             ENCODING 'UTF8' TEMPLATE template0"
        );
        for args in [&["migrate"][..], &["migrate", "--check"]] {
            let exited = Program::run(CASELOAD, &[args, &["--database-url", url]].concat());
            assert_eq!(exited.code(), Some(1), "{exited:?}");
            assert_eq!(
                (exited.stdout, exited.stderr),
                (String::new(), format!("error: {reason}\n"))
            );
        }
        assert_eq!(
            database.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
            "0"
        );

        let server = start_server_process(url, &["--grpc-addr", "127.0.0.1:0"]);
        let addr = server.wait_for_address("serving gRPC").to_string();
        let line = server.wait_for_log("not serving: the database can't be used");
        assert_eq!((&line["level"], &line["reason"]), (&"ERROR".into(), &reason.into()));
        assert_eq!(Program::run(CASELOAD, &["health", "--grpc-addr", &addr]).code(), Some(1));
    }
}

#[test]
fn every_constraint_and_index_is_named_in_a_migration() {
    let database = TestDatabase::create();
    let given = names_in_migrations();
    let unnamed = |sql: &str| -> Vec<String> {
        let names = database.query(sql);
        assert_ne!(names, "");
        names.lines().filter(|name| !given.iter().any(|it| it == name)).map(str::to_owned).collect()
    };

    // Since version 18, Postgres lists NOT NULL among the constraints.
    let constraints = unnamed(
        "SELECT conname FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid \
         WHERE c.connamespace = 'public'::regnamespace AND contype <> 'n' \
             AND t.relname NOT LIKE '\\_\\_diesel%' ORDER BY 1",
    );
    assert_eq!(constraints, Vec::<String>::new());
    let indexes = unnamed(
        "SELECT indexname FROM pg_indexes \
         WHERE schemaname = 'public' AND tablename NOT LIKE '\\_\\_diesel%' ORDER BY 1",
    );
    assert_eq!(indexes, Vec::<String>::new());
}

#[test]
fn every_key_and_index_of_tenant_data_begins_with_the_tenant_id() {
    let database = TestDatabase::create();
    let leading = database.query(&format!(
        "SELECT conname, a.attname FROM pg_constraint AS c \
         JOIN pg_class AS t ON t.oid = c.conrelid \
         JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
         WHERE contype IN ('p', 'u', 'f', 'x') AND t.relname IN {TENANT_TABLES} \
         UNION ALL \
         SELECT i.relname, a.attname FROM pg_index AS x \
         JOIN pg_class AS t ON t.oid = x.indrelid \
         JOIN pg_class AS i ON i.oid = x.indexrelid \
         JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0] \
         WHERE t.relname IN {TENANT_TABLES} \
         ORDER BY 1, 2"
    ));
    assert!(leading.lines().count() >= 12, "{leading}");
    let mut others: Vec<_> = leading.lines().filter(|line| !line.ends_with("|tenant_id")).collect();
    others.dedup();
    assert_eq!(others, [KEY_THAT_AN_ID_LEADS]);
    let columns = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'creation_events_pkey'";
    assert_eq!(database.query(columns), "PRIMARY KEY (id, tenant_id)");

    // A foreign key that doesn't include the tenant on the referenced side would let a row of one
    // tenant reference a row of another.
    let crossing = database.query(&format!(
        "SELECT conname FROM pg_constraint AS c \
         JOIN pg_class AS t ON t.oid = c.conrelid \
         JOIN pg_class AS r ON r.oid = c.confrelid \
         JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = c.confkey[1] \
         WHERE contype = 'f' AND t.relname IN {TENANT_TABLES} \
             AND a.attname <> CASE r.relname WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END"
    ));
    assert_eq!(crossing, "");
}

#[test]
fn rows_of_one_tenant_cannot_reference_rows_of_another() {
    let database = TestDatabase::create();
    database.query(
        "INSERT INTO tenants (id, name) VALUES (1, 'A'), (2, 'B'); \
         INSERT INTO cases (tenant_id, id, name) VALUES (1, 1, 'of A'); \
         INSERT INTO users (tenant_id, id, email, first_name, last_name) \
             VALUES (1, 1, 'a@example.com', '', ''); \
         INSERT INTO cases (tenant_id, id, name) VALUES (2, 2, 'of B'); \
         INSERT INTO tasks (tenant_id, id, case_id, description) VALUES (2, 2, 2, 'of B')",
    );
    for (sql, constraint) in [
        (
            "INSERT INTO tasks (tenant_id, case_id, description) VALUES (2, 1, 'x')",
            "tasks_case_fkey",
        ),
        ("INSERT INTO task_assignees VALUES (2, 2, 1, 0)", "task_assignees_user_fkey"),
        ("INSERT INTO task_assignees VALUES (1, 2, 1, 0)", "task_assignees_task_fkey"),
    ] {
        // psql exits at an SQL error, so the block turns the expected one into a row.
        let broken = database.query(&format!(
            "CREATE TEMPORARY TABLE broken (name text); \
             DO $$ DECLARE name text; BEGIN {sql}; \
             EXCEPTION WHEN foreign_key_violation THEN \
                 GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME; \
                 INSERT INTO broken VALUES (name); \
             END $$; \
             SELECT name FROM broken"
        ));
        assert_eq!(broken, constraint, "{sql}");
    }
}

/// Which columns of the event of a task are set is decided by its kind. Those of batches, which have no
/// task, are not checked: see the migration.
#[test]
fn each_kind_of_event_of_a_task_has_the_columns_that_belong_to_it() {
    let database = TestDatabase::create();
    // The digits: task_id (always set), task_ids, user_ends, assignee_ids, description.
    let accepted = database.query(
        "CREATE TEMPORARY TABLE accepted (shape text); \
         DO $$ DECLARE kind text; n integer; BEGIN \
             FOREACH kind IN ARRAY ARRAY['created', 'completed', 'reopened', 'described', \
                     'assigned', 'unassigned', 'deleted', 'merged', ''] LOOP \
                 FOR n IN 16..31 LOOP BEGIN \
                     INSERT INTO task_events (tenant_id, case_id, api_key_id, request_id, kind, \
                         task_id, task_ids, user_ends, assignee_ids, description) \
                     VALUES (1, 1, 1, 'r', kind, \
                         1, \
                         CASE WHEN n & 8 > 0 THEN '{1}'::bigint[] END, \
                         CASE WHEN n & 4 > 0 THEN '{1}'::smallint[] END, \
                         CASE WHEN n & 2 > 0 THEN '{1}'::bigint[] END, \
                         CASE WHEN n & 1 > 0 THEN 'x' END); \
                     INSERT INTO accepted VALUES (kind || ' ' || n::bit(5)::text); \
                 EXCEPTION WHEN check_violation THEN NULL; END; END LOOP; \
             END LOOP; \
         END $$; \
         SELECT shape FROM accepted ORDER BY shape",
    );
    let accepted: Vec<&str> = accepted.lines().collect();
    let expected = [
        "assigned 10010",
        "completed 10000",
        "deleted 10000",
        "described 10001",
        "reopened 10000",
        "unassigned 10010",
    ];
    assert_eq!(accepted, expected);
}

/// Before the first ANALYZE the planner has no statistics. With an index other than the primary
/// key, the check would read more entries with each task, and each batch would cost more than the
/// last.
#[test]
fn foreign_keys_are_checked_with_the_primary_key_also_without_statistics() {
    let database = TestDatabase::create();
    for table in ["tasks", "cases", "users"] {
        // The query that Postgres runs for the check.
        let plan = database.query(&format!(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
             PREPARE referenced(bigint, bigint) AS SELECT 1 FROM ONLY {table} AS x \
                 WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE OF x; \
             EXPLAIN EXECUTE referenced(1, 1)"
        ));
        assert!(plan.contains(&format!("using {table}_pkey on")), "{plan}");
    }
}

/// Returns the whole schema as SQL, without Diesel's own table.
fn dump(database: &TestDatabase) -> String {
    let output = postgres_program("pg_dump")
        .args(["--schema-only", "--exclude-table", "__diesel_schema_migrations", "--dbname"])
        .arg(database.url().expose())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sql = String::from_utf8(output.stdout).unwrap();
    // Newer versions of pg_dump add lines with a random key.
    let lines = sql.lines().filter(|line| !line.contains("restrict "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the names of tables, types, functions and migrations that remain after reverting.
fn remaining_objects(database: &TestDatabase) -> String {
    database.query(
        "SELECT relname FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE '\\_\\_diesel%' \
         UNION ALL \
         SELECT typname FROM pg_type \
         WHERE typnamespace = 'public'::regnamespace AND typname NOT LIKE '%\\_\\_diesel%' \
         UNION ALL \
         SELECT proname FROM pg_proc \
         WHERE pronamespace = 'public'::regnamespace AND proname NOT LIKE 'diesel%' \
         UNION ALL \
         SELECT version FROM __diesel_schema_migrations",
    )
}

/// Returns the names that migrations give, as in `CONSTRAINT name` and `INDEX name`.
fn names_in_migrations() -> Vec<String> {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut names = Vec::new();
    for migration in fs::read_dir(migrations).unwrap() {
        let sql = fs::read_to_string(migration.unwrap().path().join("up.sql")).unwrap();
        let words: Vec<&str> = sql.split_whitespace().collect();
        let named = words.windows(2).filter(|pair| ["CONSTRAINT", "INDEX"].contains(&pair[0]));
        names.extend(named.map(|pair| pair[1].to_owned()));
    }
    names
}
