//! The schema: up and down, and the rules that all of its tables keep.

use std::{fs, path::Path};

use crate::support::{Program, TestDatabase, open, postgres_program};

/// The tables of a tenant's data.
const TENANT_TABLES: &str = "('users', 'cases', 'tasks', 'task_assignees', 'idempotency_keys')";

#[tokio::test]
async fn up_down_and_up_again_is_as_good_as_up() {
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
    assert_eq!(left_behind(&database), "");

    assert_eq!(store.migrate().await.unwrap(), names);
    assert!(store.has_current_schema().await.unwrap());
    assert_eq!(dump(&database), schema);
}

#[tokio::test]
async fn looking_at_what_is_pending_changes_nothing_and_needs_no_right_to() {
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
async fn programs_that_migrate_at_the_same_time_take_turns() {
    let database = TestDatabase::create_empty();
    let url = database.url().expose();
    let migrate =
        || Program::start(env!("CARGO_BIN_EXE_caseload"), &["migrate", "--database-url", url]);

    let ended = [migrate(), migrate(), migrate()].map(Program::ended);

    assert!(ended.iter().all(|ended| ended.code() == Some(0)), "{ended:#?}");
    let migrated = ended.iter().filter(|ended| ended.stdout.contains("migrated: ")).count();
    assert_eq!(migrated, 1, "{ended:#?}");
    assert!(database.open().has_current_schema().await.unwrap());
}

#[test]
fn every_constraint_and_every_index_has_the_name_that_a_migration_gave_it() {
    let database = TestDatabase::create();
    let given = written_names();
    let unnamed = |sql: &str| -> Vec<String> {
        let names = database.query(sql);
        assert_ne!(names, "");
        names.lines().filter(|name| !given.iter().any(|it| it == name)).map(str::to_owned).collect()
    };

    // From version 18, Postgres keeps NOT NULL among the constraints.
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
fn every_key_and_every_index_of_a_tenants_data_is_led_by_the_tenant() {
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
    let others: Vec<_> = leading.lines().filter(|line| !line.ends_with("|tenant_id")).collect();
    assert!(others.is_empty(), "{others:?}");

    // A foreign key that didn't carry the tenant to the other side would let one tenant's row
    // point to another's.
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
fn the_rows_of_one_tenant_can_not_point_to_those_of_another() {
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
        // Errors in SQL end psql, so the block turns this one into a row.
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

/// Before the first ANALYZE the planner knows nothing of the tables. An index that doesn't find the
/// one row would then be read further with each task, until each batch costs more than the last.
#[test]
fn foreign_keys_are_checked_by_the_primary_key_also_without_statistics() {
    let database = TestDatabase::create();
    for table in ["tasks", "cases", "users"] {
        // The very query of Postgres' check.
        let plan = database.query(&format!(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
             PREPARE referenced(bigint, bigint) AS SELECT 1 FROM ONLY {table} AS x \
                 WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE OF x; \
             EXPLAIN EXECUTE referenced(1, 1)"
        ));
        assert!(plan.contains(&format!("using {table}_pkey on")), "{plan}");
    }
}

/// The whole schema as SQL, Diesel's table aside.
fn dump(database: &TestDatabase) -> String {
    let output = postgres_program("pg_dump")
        .args(["--schema-only", "--exclude-table", "__diesel_schema_migrations", "--dbname"])
        .arg(database.url().expose())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sql = String::from_utf8(output.stdout).unwrap();
    // Newer versions mark the dump with a random key.
    let lines = sql.lines().filter(|line| !line.contains("restrict "));
    lines.collect::<Vec<_>>().join("\n")
}

/// The names of what a schema that was taken down left there, and its history.
fn left_behind(database: &TestDatabase) -> String {
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

/// The names that migrations give, as in `CONSTRAINT name` and `INDEX name`.
fn written_names() -> Vec<String> {
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
