//! When keys were used.

use domain::Scope;

use crate::support::{App, CreateCall, new_key, polling::eventually};

/// Returns when a key was used, as the database has it; empty if it was not.
fn last_used(app: &App, id: domain::KeyId) -> String {
    app.database.query(&format!("SELECT last_used_at FROM api_keys WHERE id = {id}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_minute_in_which_a_key_was_accepted_is_written_down() {
    let app = App::start().await;
    let (used, refused, unused) = (new_key(), new_key(), new_key());
    let [used_id, refused_id, unused_id] = [
        app.store_key(app.tenant, &used, &[Scope::TasksWrite], None).await,
        app.store_key(app.tenant, &refused, &[Scope::TasksWrite], None).await,
        app.store_key(app.tenant, &unused, &[Scope::TasksWrite], None).await,
    ];
    app.admin.revoke_api_key(app.tenant, refused_id).await.unwrap();
    assert_eq!(CreateCall::new(&app).key(&used).result_over_grpc(&app).await, "OK");
    CreateCall::new(&app).key(&refused).result_over_grpc(&app).await;

    eventually("the use to be written", async || {
        (!last_used(&app, used_id).is_empty()).then_some(())
    })
    .await;
    let is_a_minute = "SELECT bool_and(last_used_at = date_trunc('minute', last_used_at) \
        AND last_used_at > now() - interval '5 minutes') FROM api_keys";
    assert_eq!(app.database.query(is_a_minute), "t");
    assert_eq!((last_used(&app, refused_id), last_used(&app, unused_id)), Default::default());
}

/// A server that ends writes what it knows. It doesn't replace what another one has written since.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_use_is_kept_and_one_at_the_end_of_a_server_is_not_lost() {
    let app = App::start().await;
    let (early, late) = (new_key(), new_key());
    let early_id = app.store_key(app.tenant, &early, &[Scope::TasksWrite], None).await;
    let late_id = app.store_key(app.tenant, &late, &[Scope::TasksWrite], None).await;
    let sql =
        format!("UPDATE api_keys SET last_used_at = '2999-01-01 00:00Z' WHERE id = {late_id}");
    app.database.query(&sql);
    let before = last_used(&app, late_id);
    for key in [&early, &late] {
        assert_eq!(CreateCall::new(&app).key(key).result_over_grpc(&app).await, "OK");
    }
    app.shutdown.cancel();
    eventually("the use to be written", async || {
        (!last_used(&app, early_id).is_empty()).then_some(())
    })
    .await;
    assert_eq!(last_used(&app, late_id), before);
}

/// Whoever holds the rows, or the table, does not hold up calls.
#[tokio::test(flavor = "multi_thread")]
async fn uses_are_written_around_rows_that_are_locked() {
    let app = App::start().await;
    let (locked, free) = (new_key(), new_key());
    let locked_id = app.store_key(app.tenant, &locked, &[Scope::TasksWrite], None).await;
    let free_id = app.store_key(app.tenant, &free, &[Scope::TasksWrite], None).await;
    let mut session = crate::support::Session::open(app.database.url());
    session.query(&format!("BEGIN; SELECT FROM api_keys WHERE id = {locked_id} FOR UPDATE"));
    for key in [&locked, &free] {
        assert_eq!(CreateCall::new(&app).key(key).result_over_grpc(&app).await, "OK");
    }
    eventually("the use of the other key", async || {
        (!last_used(&app, free_id).is_empty()).then_some(())
    })
    .await;
    assert_eq!(last_used(&app, locked_id), "");
}
