//! Lists that take long, of tenants that have many tasks.

use domain::{ApiKey, Scope};
use reqwest::Method;
use tokio::task::JoinSet;

use crate::support::{App, Reply, Session, new_key};

/// Starts to request a list twice, which is as often as a tenant may at once.
fn list_twice(app: &App, lists: &mut JoinSet<Reply>, path: &str, key: &ApiKey) {
    for _ in 0..2 {
        lists.spawn(Reply::of(app.request(Method::GET, path).bearer_auth(key.expose())));
    }
}

/// As many lists as there may be at once are held up by a lock, here of two tenants.
#[tokio::test(flavor = "multi_thread")]
async fn lists_that_take_long_leave_a_connection_to_keys_and_look_ups() {
    let app = App::builder().server_args(&["--readers", "4"]).start().await;
    let (other, other_case, _) = app.other_tenant().await;
    let [key, other_key] = [new_key(), new_key()];
    let scopes = [Scope::TasksRead, Scope::CasesRead];
    app.store_key(app.tenant, &key, &scopes, None).await;
    app.store_key(other, &other_key, &scopes, None).await;
    for list in ["/CASE/tasks", "/CASE/tasks/1/events", ""] {
        let path = |case: i64| format!("/api/v2/cases{}", list.replace("CASE", &case.to_string()));
        let mut lists = JoinSet::new();
        let mut session = Session::open(app.database.url());
        session.query("BEGIN; LOCK TABLE tasks, cases IN ACCESS EXCLUSIVE MODE");
        list_twice(&app, &mut lists, &path(app.case_id), &key);
        list_twice(&app, &mut lists, &path(other_case), &other_key);
        session.await_blocked(3);

        // Neither the key nor the record is cached.
        let new_key = app.key_for_all().await;
        let request = app.request(Method::GET, "/api/v2/idempotency-keys/none");
        let found = Reply::of(request.bearer_auth(new_key.expose())).await;
        assert_eq!(found.status, 404, "{list}: {found:?}");

        session.query("COMMIT");
        // No task has the id.
        let expected = if list.ends_with("events") { 404 } else { 200 };
        while let Some(reply) = lists.join_next().await {
            assert_eq!(reply.unwrap().status, expected, "{list}");
        }
    }
}
