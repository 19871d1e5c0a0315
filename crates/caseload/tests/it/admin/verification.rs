//! `caseload admin verify`: what was changed behind the back of the service is found, and nothing else.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{API_CALLS, AdminShell, App, ONE_ASSIGNED_TASK, Reply, SAMPLE};

/// Returns what is wrong: each check that has found something, and what.
fn faults(shell: &AdminShell) -> BTreeSet<(String, String)> {
    let exited = shell.run(&["verify", "--json"]);
    let checks: Value = serde_json::from_str(&exited.stdout).unwrap();
    let mut faults = BTreeSet::new();
    for check in checks.as_array().unwrap() {
        let name = check["check"].as_str().unwrap();
        let examples = check["examples"].as_array().unwrap();
        assert_eq!(check["faults"], examples.len(), "{check}");
        for example in examples {
            let example = example.as_str().unwrap();
            assert!(exited.stderr.contains(&format!("error: not so: {name}: ")), "{exited:?}");
            assert!(exited.stderr.contains(example), "{exited:?}");
            faults.insert((name.to_owned(), example.to_owned()));
        }
    }
    assert_eq!(exited.code(), Some(i32::from(!faults.is_empty())), "{exited:?}");
    assert_eq!(exited.stderr.is_empty(), faults.is_empty(), "{exited:?}");
    faults
}

/// Starts a service whose tenant has tasks that were created, changed and deleted: 1 to 3 with an idempotency key, 4,
/// which was deleted, 5, 6, which was deleted, too, and 7. The events of these creations are 1, 2, 8, 9 and 11; those
/// of the deletions are 7 and 10. The creations 1 and 8 are in the table in which servers from before there was one
/// of its own for them wrote theirs.
async fn start() -> (App, AdminShell) {
    let app = App::start().await;
    let shell = AdminShell { database: app.database.clone() };
    let created = async |key: &str, body: &'static str| {
        let request = app.post().body(body);
        let request = if key.is_empty() { request } else { request.header("idempotency-key", key) };
        assert_eq!(Reply::of(request).await.status, 201);
    };
    let changed = async |method: Method, task: i64, body: Value| {
        let path = format!("/api/v2/cases/{}/tasks/{task}", app.case_id);
        let request = app.request(method, &path).bearer_auth(app.key.expose()).json(&body);
        assert_eq!(Reply::of(request).await.status, 200);
    };
    created("a-key", SAMPLE).await;
    created("", ONE_ASSIGNED_TASK).await;
    let change = json!({
        "description": "another", "completed": true, "assignee_emails": ["user2@example.com"],
    });
    changed(Method::PUT, 1, change).await;
    changed(Method::DELETE, 4, Value::Null).await;
    created("", ONE_ASSIGNED_TASK).await;
    created("", ONE_ASSIGNED_TASK).await;
    changed(Method::DELETE, 6, Value::Null).await;
    created("", ONE_ASSIGNED_TASK).await;
    // What is missing counts if it is younger than the first creation of its table.
    let columns = "tenant_id, id, case_id, task_ids, user_ends, user_ids, api_key_id, request_id, created_at, xid";
    shell.database.query(&format!(
        "WITH moved AS (DELETE FROM creation_events WHERE id IN (1, 8) RETURNING *)
         INSERT INTO task_events (kind, {columns}) SELECT 'created', {columns} FROM moved;
         UPDATE creation_events SET created_at = created_at - interval '1 hour' WHERE id = 2;
         UPDATE task_events SET created_at = created_at - interval '1 hour' WHERE id = 1"
    ));
    (app, shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_only_the_service_has_changed_is_consistent() {
    let (app, shell) = start().await;
    let key = app.key_for_all().await;
    app.use_idempotency_key("the-key");
    for call in API_CALLS {
        assert_eq!(call.result(&app, Some(&key), &app.target()).await, "OK", "{}", call.name);
    }
    // It was written by hand, without its task.
    shell.database.query("DELETE FROM idempotency_keys WHERE key = 'the-key'");
    assert_eq!(faults(&shell), BTreeSet::new());
    let table = shell.text(&["verify"]);
    for line in
        ["CHECK ", "migrations are complete ", "batches are complete ", "tasks_case_fkey holds "]
    {
        assert!(table.contains(line), "{line}: {table}");
    }
    // All rows are checked, also where they are more than a page.
    shell.database.query(
        "INSERT INTO tasks (tenant_id, case_id, description)
         SELECT 1, min(c.id), 'x' FROM cases AS c, generate_series(1, 12000)",
    );
    let count = shell.database.query("SELECT count(*) FROM tasks");
    let checks = shell.json(&["verify"]);
    let check = checks.as_array().unwrap().iter().find(|it| it["check"] == "tasks_case_fkey holds");
    assert_eq!(check.unwrap()["checked"].to_string(), count);
}

/// What is done, and what is found of it: the check, and a part of what it says.
type Sabotage = (&'static str, &'static [(&'static str, &'static str)]);

const SABOTAGE: [Sabotage; 28] = [
    (
        "DELETE FROM task_assignees WHERE task_id = 3 AND position = 0",
        &[
            (
                "assignees of tasks are complete",
                "task 3 of tenant 1 has no assignee at some position",
            ),
            (
                "tasks are as their events say",
                "task 3 of tenant 1 differs from its history in: assignees",
            ),
        ],
    ),
    (
        "DELETE FROM task_assignees WHERE task_id = 5",
        &[(
            "tasks are as their events say",
            "task 5 of tenant 1 differs from its history in: assignees",
        )],
    ),
    (
        "UPDATE tasks SET completed = false, description = 'x' WHERE id = 1",
        &[(
            "tasks are as their events say",
            "task 1 of tenant 1 differs from its history in: completed, description",
        )],
    ),
    (
        "DELETE FROM tasks WHERE id = 2",
        &[
            ("batches are complete", "task 2 of tenant 1, which event 1 created, is missing"),
            ("tasks of idempotency keys exist, unless they were deleted", "task 2 of tenant 1"),
        ],
    ),
    (
        "DELETE FROM tasks WHERE id = 1",
        &[
            ("batches are complete", "task 1 of tenant 1, which event 1 created, is missing"),
            ("tasks of idempotency keys exist, unless they were deleted", "task 1 of tenant 1"),
            (
                "tasks that were changed exist, unless they were deleted",
                "which event 3 is about, is missing",
            ),
            (
                "tasks that were changed exist, unless they were deleted",
                "which event 4 is about, is missing",
            ),
            (
                "tasks that were changed exist, unless they were deleted",
                "which event 5 is about, is missing",
            ),
            (
                "tasks that were changed exist, unless they were deleted",
                "which event 6 is about, is missing",
            ),
            (
                "task_assignees_task_fkey holds",
                "task_assignees (1,1,0) refers to tasks (1,1), which is missing",
            ),
        ],
    ),
    (
        "DELETE FROM creation_events WHERE id = 11",
        &[(
            "tasks have the event of their creation",
            "event 11 of tenant 1, which created task 7, is missing",
        )],
    ),
    (
        "DELETE FROM task_events WHERE id = 8",
        &[(
            "tasks have the event of their creation",
            "event 8 of tenant 1, which created task 5, is missing",
        )],
    ),
    (
        "DELETE FROM task_events WHERE id = 10",
        &[("creations are complete", "task 6 of tenant 1, which event 9 created, is missing")],
    ),
    (
        "INSERT INTO tasks (tenant_id, id, case_id, description) SELECT 1, 4, id, 'x' FROM cases",
        &[(
            "tasks that were changed exist, unless they were deleted",
            "task 4 of tenant 1, which event 7 is about, was deleted, and is still there",
        )],
    ),
    (
        "UPDATE task_events SET user_ends = '{1,1}' WHERE id = 1",
        &[(
            "events of batches have the parts of all tasks",
            "event 1 of tenant 1 has lists of different lengths",
        )],
    ),
    (
        "UPDATE creation_events SET user_ends = '{1,1}' WHERE id = 9",
        &[(
            "creations have the parts of all tasks",
            "event 9 of tenant 1 has lists of different lengths",
        )],
    ),
    (
        "DELETE FROM cases",
        &[
            ("tasks_case_fkey holds", "tasks (1,3) refers to cases (1,1), which is missing"),
            ("tasks_case_fkey holds", "tasks (1,4) refers to cases (1,1), which is missing"),
            ("tasks_case_fkey holds", "tasks (1,5) refers to cases (1,1), which is missing"),
            ("tasks_case_fkey holds", "tasks (1,7) refers to cases (1,1), which is missing"),
        ],
    ),
    (
        "SELECT setval('tasks_id_seq', 3)",
        &[(
            "the sequence of tasks is behind all ids",
            "the sequence of tasks is at 3, and there is an id 7",
        )],
    ),
    (
        "SELECT setval('task_events_id_seq', 8)",
        &[(
            "the sequence of creation_events is behind all ids",
            "the sequence of creation_events is at 8, and there is an id 9",
        )],
    ),
    (
        "ALTER TABLE api_keys DISABLE TRIGGER api_keys_changed",
        &[(
            "constraints, indexes and triggers are in force",
            "trigger api_keys_changed of api_keys is switched off",
        )],
    ),
    (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_case_fkey",
        &[(
            "constraints, indexes, triggers and types are complete",
            "tasks: foreign key tasks_case_fkey (tenant_id, case_id) -> cases (tenant_id, id) is missing",
        )],
    ),
    (
        "ALTER TABLE task_events DROP CONSTRAINT task_events_pkey",
        &[(
            "constraints, indexes, triggers and types are complete",
            "task_events: primary key task_events_pkey (tenant_id, id) is missing",
        )],
    ),
    (
        "ALTER TABLE tenants DROP CONSTRAINT tenants_name_key",
        &[(
            "constraints, indexes, triggers and types are complete",
            "tenants: unique key tenants_name_key (name) is missing",
        )],
    ),
    (
        "ALTER TABLE api_keys DROP CONSTRAINT api_keys_digest_check",
        &[(
            "constraints, indexes, triggers and types are complete",
            "api_keys: check api_keys_digest_check (digest) is missing",
        )],
    ),
    (
        "DROP INDEX cases_external_id_key",
        &[(
            "constraints, indexes, triggers and types are complete",
            "cases: unique index cases_external_id_key (tenant_id, external_id) of some rows is missing",
        )],
    ),
    (
        "DROP INDEX tasks_case_idx; CREATE INDEX tasks_case_idx ON tasks (tenant_id, id)",
        &[(
            "constraints, indexes, triggers and types are complete",
            "instead of tasks: index tasks_case_idx (tenant_id, case_id, id), there is tasks: index tasks_case_idx (tenant_id, id)",
        )],
    ),
    (
        "DROP TRIGGER task_events_of_one_task ON task_events",
        &[(
            "constraints, indexes, triggers and types are complete",
            "task_events: trigger task_events_of_one_task (before insert or update, each row, check_event_of_one_task) is missing",
        )],
    ),
    (
        "DROP TRIGGER api_keys_changed ON api_keys",
        &[(
            "constraints, indexes, triggers and types are complete",
            "api_keys: trigger api_keys_changed (",
        )],
    ),
    (
        "UPDATE idempotency_keys SET last_names = '{}'",
        &[("idempotency keys have the parts of all assignments", "has lists of different lengths")],
    ),
    (
        "UPDATE users SET
             email = 'erased-' || id || '@erased.invalid', first_name = '', last_name = '',
             deactivated_at = now(), erased_at = now(), scrubbed_at = now()
         WHERE email = 'user1@example.com'",
        &[(
            "names of erased users are gone from idempotency keys",
            "has the name of user 1, who was erased",
        )],
    ),
    (
        "UPDATE audit_entries SET role = 'x' WHERE number = 1",
        &[("audit logs are intact", "tenant 1: entry 1 was changed")],
    ),
    (
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')",
        &[("migrations are complete", "this program does not know migration 20990101000000")],
    ),
    (
        "DELETE FROM __diesel_schema_migrations WHERE version = '20261201020000'",
        &[("migrations are complete", "migration 2026-12-01-020000_create_audit_log is pending")],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_behind_the_back_of_the_service_is_found() {
    let (_app, shell) = start().await;
    let mut known = faults(&shell);
    assert_eq!(known, BTreeSet::new());
    for (sabotage, expected) in SABOTAGE {
        // As if no constraint had been in force.
        shell.database.query(&format!("SET session_replication_role = replica; {sabotage}"));
        let now = faults(&shell);
        let new: Vec<_> = now.difference(&known).collect();
        for (check, text) in expected {
            let is_found =
                new.iter().any(|(name, example)| name == check && example.contains(text));
            assert!(is_found, "{sabotage}: {check}: {text}: {new:#?}");
        }
        assert_eq!(new.len(), expected.len(), "{sabotage}: {new:#?}");
        known = now;
    }
}

/// What is missing counts only if something older of the same kind is kept.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_expired_is_not_missing() {
    let (_app, shell) = start().await;
    shell.database.query(
        "SET session_replication_role = replica;
         DELETE FROM task_events WHERE id = 8; DELETE FROM creation_events WHERE id = 11;
         DELETE FROM tasks WHERE id = 3; DELETE FROM task_assignees WHERE task_id = 3",
    );
    let failing = |sabotage: &str| -> BTreeSet<String> {
        shell.database.query(sabotage);
        faults(&shell).into_iter().map(|(check, _)| check).collect()
    };
    let of_keys = "tasks of idempotency keys exist, unless they were deleted";
    let of_tasks = "tasks have the event of their creation";
    // The creation of task 3 itself is kept, whatever its age.
    let batches = "batches are complete";
    for (event, creation, expected) in [
        (0, 0, &[batches][..]),
        (1, 0, &[batches, of_tasks, of_keys]),
        (0, 1, &[batches, of_tasks, of_keys]),
    ] {
        let found = failing(&format!(
            "UPDATE task_events SET created_at = now() - interval '{event} hours' WHERE id = 1;
             UPDATE creation_events SET created_at = now() - interval '{creation} hours' WHERE id = 2"
        ));
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }
    // If the tenant's first event is a change, creations may have been kept for as long in the other table only.
    let found = failing(
        "UPDATE creation_events SET created_at = now() WHERE id = 2;
         UPDATE task_events SET id = 0, created_at = now() - interval '1 hour' WHERE id = 3",
    );
    assert!(found.contains(of_keys) && !found.contains(of_tasks), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_very_many_faults_the_first_are_told_and_all_are_counted() {
    let (app, shell) = start().await;
    shell.database.query(&format!(
        "SET session_replication_role = replica;
         INSERT INTO tasks (tenant_id, case_id, description)
         SELECT {}, 77777, 'x' FROM generate_series(1, 12000)",
        app.tenant
    ));
    let exited = shell.run(&["verify", "--json"]);
    assert_eq!(exited.code(), Some(1), "{exited:?}");
    assert!(exited.stderr.contains("; and 11980 more"), "{exited:?}");
    let checks: Value = serde_json::from_str(&exited.stdout).unwrap();
    let faulty: Vec<_> =
        checks.as_array().unwrap().iter().filter(|check| check["faults"] != 0).collect();
    assert_eq!(faulty.len(), 1, "{faulty:?}");
    assert_eq!(
        (&faulty[0]["check"], &faulty[0]["faults"]),
        (&json!("tasks_case_fkey holds"), &json!(12000))
    );
    assert_eq!(faulty[0]["examples"].as_array().unwrap().len(), 20);
}
