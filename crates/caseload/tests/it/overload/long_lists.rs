//! Lists that take long, of tenants that have many tasks.

use domain::{ApiKey, Scope};
use reqwest::Method;
use tokio::task::JoinSet;

use crate::support::{App, Reply, Session, new_key};

/// Starts to list the tasks of a case as often as this.
fn list(app: &App, lists: &mut JoinSet<Reply>, case_id: i64, key: &ApiKey, count: usize) {
    for _ in 0..count {
        let path = format!("/api/v2/cases/{case_id}/tasks");
        lists.spawn(Reply::of(app.request(Method::GET, &path).bearer_auth(key.expose())));
    }
}

/// As many lists as there may be at once are held up by a lock, here of two tenants.
#[tokio::test(flavor = "multi_thread")]
async fn lists_that_take_long_leave_a_connection_to_keys_and_look_ups() {
    let app = App::builder().server_args(&["--readers", "4"]).start().await;
    let (other, other_case, _) = app.other_tenant().await;
    let [key, other_key] = [new_key(), new_key()];
    app.store_key(app.tenant, &key, &[Scope::TasksRead], None).await;
    app.store_key(other, &other_key, &[Scope::TasksRead], None).await;
    let mut lists = JoinSet::new();
    let mut session = Session::open(app.database.url());
    session.query("BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE");
    list(&app, &mut lists, app.case_id, &key, 2);
    list(&app, &mut lists, other_case, &other_key, 2);
    session.await_blocked(3);

    // Neither the key nor the record is cached.
    let new_key = app.key_for_all().await;
    let request = app.request(Method::GET, "/api/v2/idempotency-keys/none");
    let found = Reply::of(request.bearer_auth(new_key.expose())).await;
    assert_eq!(found.status, 404, "{found:?}");

    session.query("COMMIT");
    while let Some(reply) = lists.join_next().await {
        assert_eq!(reply.unwrap().status, 200);
    }
}
