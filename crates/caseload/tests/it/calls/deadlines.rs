//! Every call ends with its deadline, and what it had not done by then is not done later.

use crate::support::{API_CALLS, App, Kind, Session, TERMINATE_BLOCKED_SESSIONS, Target};

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_at_its_deadline_and_changes_nothing_after_it() {
    let app = App::builder().server_args(&["--call-timeout", "500ms"]).start().await;
    let key = app.key_for_all().await;
    let mut session = Session::open(app.database.url());
    for call in API_CALLS {
        let target = app.target();
        // The key is known by now, so that the call itself waits.
        let known = call.result(&app, Some(&key), &absent()).await;
        assert!(known != "OK" || NEED_NOTHING.contains(&call.kind), "{}", call.name);
        let rows = || (app.database.query(ALL_ROWS), app.database.query(ALL_USERS));
        let before = rows();
        session.query(
            "BEGIN; LOCK TABLE cases, tasks, idempotency_keys, users IN ACCESS EXCLUSIVE MODE",
        );
        let result = call.result(&app, Some(&key), &target).await;
        assert_eq!(result, "DEADLINE_EXCEEDED DEADLINE_EXCEEDED", "{}", call.name);
        // A statement that still waits is ended, as a server's own limit does.
        session.query(TERMINATE_BLOCKED_SESSIONS);
        session.query("COMMIT");
        assert_eq!(rows(), before, "{}", call.name);
    }
}

/// The calls that succeed whatever there is.
const NEED_NOTHING: [Kind; 5] =
    [Kind::ListCases, Kind::UpsertUsers, Kind::UpsertCases, Kind::ListUsers, Kind::ListFedCases];

/// Every row that a call may change.
const ALL_ROWS: &str = "SELECT c, t, a FROM cases AS c \
    LEFT JOIN tasks AS t ON t.tenant_id = c.tenant_id AND t.case_id = c.id \
    LEFT JOIN task_assignees AS a ON a.tenant_id = t.tenant_id AND a.task_id = t.id \
    ORDER BY c.id, t.id, a.position";

/// Every user.
const ALL_USERS: &str = "SELECT * FROM users ORDER BY id";

/// A target that no call finds.
fn absent() -> Target {
    let target = Target::of_case(i64::MAX);
    Target { email: "nobody@example.com", idempotency_key: "unknown", ..target }
}
