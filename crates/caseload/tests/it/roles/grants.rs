//! What the roles may do, by Postgres' catalog and by attempts.

use std::{collections::BTreeSet, fs, path::Path};

use store::DatabaseUrl;

use super::fixture::{ADMIN, OWNER, SERVICE, as_role, cluster, run_file, set_up};
use crate::support::{postgres_program, psql};

/// A privilege: role, object, privilege.
type Grant = (String, String, String);

/// Returns the privileges that the table in docs/OPERATIONS.md lists.
fn documented() -> BTreeSet<Grant> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("<!-- grants: begin -->").unwrap();
    let (table, _) = rest.split_once("<!-- grants: end -->").unwrap();
    let mut rows = table.lines().filter(|line| line.starts_with('|')).map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>()
    });
    let head = rows.next().unwrap();
    assert_eq!(head[1..], [SERVICE, ADMIN]);
    let mut grants = BTreeSet::new();
    for row in rows.skip(1) {
        for (role, privileges) in head.iter().zip(&row).skip(1) {
            for privilege in privileges.split(", ").filter(|it| !it.is_empty()) {
                grants.insert((role.clone(), row[0].clone(), privilege.to_owned()));
            }
        }
    }
    grants
}

/// Every privilege on tables, columns, sequences and functions that a role other than the owner and the
/// superuser has, by itself or as one of all roles.
const GRANTED: &str = "\
    SELECT grantee, table_name, privilege_type FROM information_schema.table_privileges
    WHERE table_schema = 'public' AND grantee NOT IN ('caseload_owner', 'caseload')
    UNION ALL
    SELECT c.grantee, c.table_name, c.privilege_type || ' (' || c.column_name || ')'
    FROM information_schema.column_privileges AS c
    WHERE c.table_schema = 'public' AND c.grantee NOT IN ('caseload_owner', 'caseload')
        AND NOT EXISTS (
            SELECT FROM information_schema.table_privileges AS t
            WHERE (t.table_schema, t.table_name, t.grantee, t.privilege_type)
                = (c.table_schema, c.table_name, c.grantee, c.privilege_type)
        )
    UNION ALL
    SELECT grantee, object_name, privilege_type FROM information_schema.usage_privileges
    WHERE object_schema = 'public' AND object_type = 'SEQUENCE'
        AND grantee NOT IN ('caseload_owner', 'caseload')
    UNION ALL
    SELECT grantee, routine_name, privilege_type FROM information_schema.routine_privileges
    WHERE routine_schema = 'public' AND routine_name NOT LIKE 'diesel%'
        AND grantee NOT IN ('caseload_owner', 'caseload')
    UNION ALL
    SELECT a.grantee::regrole::text, c.relname, a.privilege_type
    FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS a
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S'
        AND a.grantee::regrole::text NOT IN ('caseload_owner', 'caseload')";

/// Checks that the roles have the privileges that are documented, and no others.
pub(super) fn assert_as_documented(superuser: &DatabaseUrl) {
    let rows = psql(superuser, GRANTED);
    let granted: BTreeSet<Grant> = rows
        .lines()
        .map(|row| {
            let [role, object, privilege] = row.split('|').collect::<Vec<_>>()[..] else {
                panic!("{row}")
            };
            (role.to_owned(), object.to_owned(), privilege.to_owned())
        })
        .collect();
    assert_eq!(granted, documented());

    // What is no privilege on a table: attributes and memberships, objects, schema, database.
    let more = "\
        SELECT rolname || ' has an attribute' FROM pg_roles
        WHERE rolname LIKE 'caseload\\_%'
            AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
        UNION ALL
        SELECT member::regrole || ' is a member of ' || roleid::regrole FROM pg_auth_members
        WHERE member::regrole::text LIKE 'caseload\\_%'
        UNION ALL
        SELECT refobjid::regrole || ' owns ' || objid FROM pg_shdepend
        WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o'
            AND refobjid::regrole::text IN ('caseload_service', 'caseload_admin')
        UNION ALL
        SELECT r || ' may create objects in the schema'
        FROM unnest(ARRAY['caseload_service', 'caseload_admin']) AS r
        WHERE has_schema_privilege(r, 'public', 'CREATE')
        UNION ALL
        SELECT r || ' may ' || p || ' in the database'
        FROM unnest(ARRAY['caseload_owner', 'caseload_service', 'caseload_admin']) AS r,
            unnest(ARRAY['CREATE', 'TEMPORARY']) AS p
        WHERE has_database_privilege(r, current_database(), p)";
    assert_eq!(psql(superuser, more), "");
}

/// Returns the first line of the error that a statement ends with, or an empty text if it has none.
fn error(url: &DatabaseUrl, sql: &str) -> String {
    let output = postgres_program("psql")
        .args([url.expose(), "-XAtqv", "ON_ERROR_STOP=1", "-c", sql])
        .output()
        .unwrap();
    String::from_utf8(output.stderr).unwrap().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_roles_have_the_documented_privileges_and_no_others() {
    let cluster = cluster();
    set_up(&cluster);
    let superuser = cluster.url("caseload").parse().unwrap();
    assert_as_documented(&superuser);

    // A privilege that somebody added is taken back.
    psql(&superuser, "GRANT UPDATE (description), DELETE ON tasks TO caseload_service, PUBLIC");
    run_file(&superuser, "roles.sql", &[]);
    assert_as_documented(&superuser);
}

#[test]
fn the_service_can_neither_change_the_schema_nor_what_no_call_changes() {
    let cluster = cluster();
    set_up(&cluster);
    let url = cluster.url("caseload").parse().unwrap();
    for (role, statements) in [
        (
            SERVICE,
            &[
                "UPDATE tasks SET case_id = 2",
                "UPDATE tasks SET created_at = now()",
                "UPDATE tasks SET created_by = 1",
                "UPDATE tasks SET creation_event_id = 1",
                "UPDATE task_events SET api_key_id = 1",
                "UPDATE task_events SET created_at = now()",
                "UPDATE creation_events SET task_ids = NULL",
                "UPDATE task_assignees SET position = 1",
                "SELECT * FROM tenants",
                "UPDATE tenant_hosts SET exclusive = false",
                "DELETE FROM tenant_hosts",
                "UPDATE idempotency_keys SET key = 'x'",
                "INSERT INTO api_keys DEFAULT VALUES",
                "UPDATE api_keys SET scopes = '{admin}'",
                "SELECT * FROM audit_entries",
                "UPDATE audit_entries SET details = ''",
                "DELETE FROM audit_entries",
                "UPDATE audit_heads SET pruned_number = 1",
                "DELETE FROM audit_heads",
                "UPDATE api_keys SET revoked_at = NULL",
                "UPDATE api_keys SET expires_at = NULL",
                "DELETE FROM users",
                "UPDATE users SET id = 1",
                "UPDATE idempotency_keys SET task_ids = NULL",
                "UPDATE cases SET created_at = now()",
                "UPDATE cases SET external_id = 'x'",
                "INSERT INTO __diesel_schema_migrations (version) VALUES ('1')",
            ][..],
        ),
        (
            ADMIN,
            &[
                "SELECT * FROM tasks",
                "SELECT * FROM task_events",
                "SELECT * FROM creation_events",
                "SELECT * FROM idempotency_keys",
                "UPDATE api_keys SET scopes = '{admin}'",
                "UPDATE audit_entries SET details = ''",
                "DELETE FROM audit_entries",
                "DELETE FROM audit_heads",
                "UPDATE api_keys SET digest = sha256('')",
                "UPDATE api_keys SET last_used_at = NULL",
                "DELETE FROM tenants",
                "UPDATE tenant_hosts SET tenant_id = 1",
                "UPDATE users SET email = 'x@example.com'",
            ],
        ),
    ] {
        let schema = [
            "DROP TABLE tasks",
            "ALTER TABLE tasks ADD COLUMN x integer",
            "ALTER TABLE tasks DISABLE TRIGGER ALL",
            "TRUNCATE tasks CASCADE",
            "CREATE INDEX x ON tasks (id)",
            "CREATE TABLE x (id integer)",
            "CREATE TEMPORARY TABLE x (id integer)",
            "CREATE SCHEMA x",
            "CREATE FUNCTION x() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "CREATE ROLE x",
            "SET ROLE caseload_owner",
            "ALTER ROLE caseload_owner PASSWORD 'x'",
            "SELECT setval('tasks_id_seq', 1)",
            "ALTER SEQUENCE tasks_id_seq RESTART",
            "GRANT SELECT ON tasks TO PUBLIC",
            "COPY users TO PROGRAM 'cat'",
            "SELECT pg_read_file('PG_VERSION')",
        ];
        let url = as_role(&url, role);
        for sql in statements.iter().chain(&schema) {
            let error = error(&url, sql);
            assert!(
                ["permission denied", "must be", "no privileges were granted"]
                    .iter()
                    .any(|refusal| error.contains(refusal)),
                "{role}: {sql}: {error:?}"
            );
        }
    }
    // The owner has its tables, and nothing beside them.
    let owner = as_role(&url, OWNER);
    for sql in ["CREATE ROLE x", "CREATE SCHEMA x", "SELECT pg_read_file('PG_VERSION')"] {
        let error = error(&owner, sql);
        assert!(error.contains("permission denied"), "{sql}: {error:?}");
    }
}
