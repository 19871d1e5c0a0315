//! Which error a call with several gets.

use domain::Scope;

use crate::support::{API_CALLS, App, Kind, Target, new_key};

/// The id of a case or a task that does not exist.
const NOTHING: i64 = 4_000_000_000;

/// An email of no user.
const STRANGER: &str = "nobody@example.com";

const MALFORMED: &str = "INVALID_ARGUMENT REQUIRED INVALID_EMAIL";
const MALFORMED_NAME: &str = "INVALID_ARGUMENT REQUIRED";
const MALFORMED_EMAIL: &str = "INVALID_ARGUMENT INVALID_EMAIL";
const NO_CASE: &str = "NOT_FOUND CASE_NOT_FOUND";
const NO_TASK: &str = "NOT_FOUND TASK_NOT_FOUND";
const STALE: &str = "ABORTED ETAG_MISMATCH";
const NOT_FOUND: &str = "NOT_FOUND USER_NOT_FOUND";
const NO_USER: &str = "INVALID_ARGUMENT UNKNOWN_USER";

/// The results of a call with a valid key while its target gets better step by step: the fields are
/// well-formed, then the case exists, the task, its state is as it should be, and the user exists.
const fn results(kind: Kind) -> [&'static str; 6] {
    match kind {
        Kind::Create => [MALFORMED, NO_CASE, NO_USER, NO_USER, NO_USER, "OK"],
        Kind::Get => [NO_CASE, NO_CASE, NO_TASK, "OK", "OK", "OK"],
        Kind::ListOfCase => [MALFORMED_EMAIL, NO_CASE, NO_USER, NO_USER, NO_USER, "OK"],
        Kind::ListOfUser => [MALFORMED_EMAIL, NO_USER, NO_USER, NO_USER, NO_USER, "OK"],
        Kind::Update => [MALFORMED, NO_CASE, NO_TASK, STALE, NO_USER, "OK"],
        Kind::Delete => [NO_CASE, NO_CASE, NO_TASK, STALE, "OK", "OK"],
        Kind::BatchDelete => [NO_CASE, NO_CASE, NO_TASK, "OK", "OK", "OK"],
        Kind::GetRecord | Kind::ListCases | Kind::ListFedCases => ["OK"; 6],
        Kind::CreateCase => [MALFORMED, NO_USER, NO_USER, NO_USER, NO_USER, "OK"],
        Kind::GetCase => [NO_CASE, NO_CASE, "OK", "OK", "OK", "OK"],
        Kind::UpdateCase => [MALFORMED_NAME, NO_CASE, STALE, STALE, "OK", "OK"],
        Kind::DeleteCase => [NO_CASE, NO_CASE, STALE, STALE, "OK", "OK"],
        Kind::UpsertUsers | Kind::ListUsers => [MALFORMED_EMAIL, "OK", "OK", "OK", "OK", "OK"],
        Kind::UpsertCases => [MALFORMED_NAME, "OK", "OK", "OK", "OK", "OK"],
        Kind::FindUser => [MALFORMED_EMAIL, NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND, "OK"],
        // A user is created with each task.
        Kind::ChangeUser => [NOT_FOUND, NOT_FOUND, NOT_FOUND, "OK", "OK", "OK"],
        Kind::FindCase | Kind::CloseCase => [NO_CASE, NO_CASE, "OK", "OK", "OK", "OK"],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_run_in_the_documented_order_in_every_call() {
    let app = App::start().await;
    let (unknown, key) = (new_key(), app.key_for_all().await);
    app.use_idempotency_key("the-key");
    let malformed = Target {
        task_id: NOTHING,
        user_id: NOTHING,
        description: "",
        email: "not an email",
        etag: r#""1""#,
        ..Target::of_case(NOTHING)
    };
    let well_formed = Target { description: "a", email: STRANGER, ..malformed.clone() };
    for call in API_CALLS {
        let mut others = Scope::ALL.to_vec();
        others.retain(|scope| !call.kind.scopes().contains(scope));
        let without_scope = app.key_with(&others).await;
        for (key, expected) in [
            (None, "UNAUTHENTICATED KEY_REQUIRED"),
            (Some(&unknown), "UNAUTHENTICATED KEY_INVALID"),
            (Some(&without_scope), "PERMISSION_DENIED SCOPE_REQUIRED"),
        ] {
            // The gateway checks the form of a query before it makes a call.
            let checks_query = call.name.contains('?');
            let target = if checks_query { &well_formed } else { &malformed };
            assert_eq!(call.result(&app, key, target).await, expected, "{}", call.name);
        }
        // Each of them has its own: a call that succeeds may delete it.
        let case = || Target { case_id: app.target().case_id, ..well_formed.clone() };
        let task = || {
            let Target { case_id, task_id, user_id, .. } = app.target();
            Target { case_id, task_id, user_id, ..well_formed.clone() }
        };
        let targets = [
            malformed.clone(),
            well_formed.clone(),
            case(),
            task(),
            Target { etag: "", ..task() },
            Target { etag: "", email: "user1@example.com", ..task() },
        ];
        for (target, expected) in targets.iter().zip(results(call.kind)) {
            let result = call.result(&app, Some(&key), target).await;
            assert_eq!(result, expected, "{} about {target:?}", call.name);
        }
    }
}
