//! Erasures of users with very many tasks and records, whose calls end early.

use proto::directory::v1::{EraseUserRequest, User};

use super::{TRACES, erase, feed, traces};
use crate::{
    directory::{Feeder, by_id},
    support::{App, Session, code_and_reasons, polling::eventually},
};

/// The records of the user. A step takes 5,000.
const RECORDS: u32 = 12_000;

const TASKS: u32 = 12_000;

/// The last record of the first step.
const FIRST_STEP: &str = "key-05000";

/// Gives the user tasks, and records of idempotency keys that name the user.
fn fill(app: &App, user: &User) {
    let (tenant, case, id) = (app.tenant, app.case_id, &user.id);
    app.database.query(&format!(
        "WITH task AS (
             INSERT INTO tasks (tenant_id, case_id, description)
             SELECT {tenant}, {case}, 'theirs' FROM generate_series(1, {TASKS})
             RETURNING id
         )
         INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
         SELECT {tenant}, id, {id}, 0 FROM task"
    ));
    app.database.query(&format!(
        "INSERT INTO idempotency_keys
             (tenant_id, key, operation, fingerprint, user_ids, first_names, last_names)
         SELECT {tenant}, 'key-' || lpad(n::text, 5, '0'), 'batch_create_tasks', sha256(''),
             ARRAY[{id}], ARRAY['{}'], ARRAY['{}']
         FROM generate_series(1, {RECORDS}) AS n",
        TRACES[1], TRACES[2],
    ));
}

/// Erases the user, while somebody holds a record of the second step, until calls that end at their deadline have
/// made the first step.
async fn erase_in_part(app: &App, feeder: &mut Feeder, user: &User) {
    let mut session = Session::open(app.database.url());
    session.query("BEGIN; SELECT FROM idempotency_keys WHERE key = 'key-07000' FOR UPDATE");
    eventually("the first step", async || {
        let request = EraseUserRequest { user: by_id(user) };
        let status = erase(feeder, request).await.unwrap_err();
        assert_eq!(code_and_reasons(&status), "DEADLINE_EXCEEDED DEADLINE_EXCEEDED");
        let up_to = format!("SELECT scrubbed_up_to FROM users WHERE id = {}", user.id);
        (app.database.query(&up_to) == FIRST_STEP).then_some(())
    })
    .await;
    session.query("COMMIT");
    // A name that is put back into a record of the first step, where nobody looks again.
    app.database.query(&format!(
        "UPDATE idempotency_keys SET first_names = ARRAY['{}'] WHERE key = 'key-00001'",
        TRACES[1]
    ));
}

/// Checks that the erasure is complete, but for the name that was put back.
fn assert_completed(app: &App, user: &User) {
    let pending = "SELECT count(*) FROM users WHERE erased_at IS NOT NULL AND scrubbed_at IS NULL";
    assert_eq!(app.database.query(pending), "0");
    assert_eq!(traces(&app.database).into_iter().collect::<Vec<_>>(), [TRACES[1]]);
    let named = "SELECT key FROM idempotency_keys WHERE first_names <> '{\"\"}'";
    assert_eq!(app.database.query(named), "key-00001");
    let assignments = format!("SELECT count(*) FROM task_assignees WHERE user_id = {}", user.id);
    assert_eq!(app.database.query(&assignments), TASKS.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_goes_on_where_the_call_has_ended() {
    let app = App::builder().server_args(&["--call-timeout", "500ms"]).start().await;
    let mut feeder = Feeder::new(&app).await;
    let doomed = feed(&mut feeder).await;
    fill(&app, &doomed);
    erase_in_part(&app, &mut feeder, &doomed).await;
    // Each repeat may end at its deadline again, on a busy machine.
    eventually("the erasure", async || {
        erase(&mut feeder, EraseUserRequest { user: by_id(&doomed) }).await.ok()
    })
    .await;
    assert_completed(&app, &doomed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_started_later_goes_on_where_the_call_has_ended() {
    let app = App::builder().server_args(&["--call-timeout", "500ms"]).start().await;
    let mut feeder = Feeder::new(&app).await;
    let doomed = feed(&mut feeder).await;
    fill(&app, &doomed);
    erase_in_part(&app, &mut feeder, &doomed).await;
    app.start_server(&[]).await;
    let scrubbed = format!("SELECT scrubbed_at IS NOT NULL FROM users WHERE id = {}", doomed.id);
    eventually("the erasure", async || (app.database.query(&scrubbed) == "t").then_some(())).await;
    assert_completed(&app, &doomed);
}
