//! Every call ends with its deadline, and what it had not done by then is not done later.

use crate::support::{API_CALLS, App, Session, TERMINATE_BLOCKED_SESSIONS, Target};

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_at_its_deadline_and_changes_nothing_after_it() {
    let app = App::builder().server_args(&["--call-timeout", "500ms"]).start().await;
    let key = app.key_for_all().await;
    let mut session = Session::open(app.database.url());
    for call in API_CALLS {
        let target = app.target();
        let before = app.database.query(ALL_ROWS);
        // The key is known by now, so that the call itself waits.
        assert_ne!(call.result(&app, Some(&key), &absent(&app)).await, "OK", "{}", call.name);
        session.query("BEGIN; LOCK TABLE tasks, idempotency_keys, users IN ACCESS EXCLUSIVE MODE");
        let result = call.result(&app, Some(&key), &target).await;
        assert_eq!(result, "DEADLINE_EXCEEDED DEADLINE_EXCEEDED", "{}", call.name);
        // A statement that still waits is ended, as a server's own limit does.
        session.query(TERMINATE_BLOCKED_SESSIONS);
        session.query("COMMIT");
        assert_eq!(app.database.query(ALL_ROWS), before, "{}", call.name);
    }
}

/// Every row that a call may change.
const ALL_ROWS: &str = "SELECT t, a FROM tasks AS t LEFT JOIN task_assignees AS a \
    ON a.tenant_id = t.tenant_id AND a.task_id = t.id ORDER BY t.id, a.position";

/// A target that no call finds.
fn absent(app: &App) -> Target {
    let target = Target::of_case(app.case_id);
    Target { email: "nobody@example.com", idempotency_key: "unknown", ..target }
}
