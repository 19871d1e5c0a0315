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
        let before = app.rows();
        session.query(
            "BEGIN; LOCK TABLE cases, tasks, idempotency_keys, users IN ACCESS EXCLUSIVE MODE",
        );
        let result = call.result(&app, Some(&key), &target).await;
        assert_eq!(result, "DEADLINE_EXCEEDED DEADLINE_EXCEEDED", "{}", call.name);
        // A statement that still waits is ended, as a server's own limit does.
        session.query(TERMINATE_BLOCKED_SESSIONS);
        session.query("COMMIT");
        assert_eq!(app.rows(), before, "{}", call.name);
    }
}

/// The calls that succeed whatever there is.
const NEED_NOTHING: [Kind; 5] =
    [Kind::ListCases, Kind::UpsertUsers, Kind::UpsertCases, Kind::ListUsers, Kind::ListFedCases];

/// A target that no call finds.
fn absent() -> Target {
    let target = Target::of_case(i64::MAX);
    Target { email: "nobody@example.com", idempotency_key: "unknown", ..target }
}
