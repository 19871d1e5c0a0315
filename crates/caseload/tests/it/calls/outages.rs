//! Every call says whether it may have changed something when the database goes away.

use std::sync::Arc;

use localdb::Cluster;

use crate::support::{API_CALLS, ApiCall, App, Session, Target, TestDatabase};

const UNAVAILABLE: &str = "UNAVAILABLE DATABASE_UNAVAILABLE";

/// Returns the result of a call whose statement runs when the database crashes.
fn result_of_a_lost_statement(call: &ApiCall) -> &'static str {
    if call.kind.writes() { "UNKNOWN OUTCOME_UNKNOWN" } else { UNAVAILABLE }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_statement_is_lost_has_an_unknown_outcome_only_if_it_may_have_written() {
    let mut cluster = Cluster::temporary()
        .setting("synchronous_commit", "on")
        .setting("shared_buffers", "4MB")
        .setting("max_connections", "240")
        .start()
        .unwrap();
    let database = TestDatabase::create_on(&cluster).await;
    // Every call has a connection at once; a tenant has half of the readers and of the changers.
    let args =
        ["--writers", "4", "--readers", "60", "--changers", "40", "--checkout-timeout", "1s"];
    let app = Arc::new(App::builder().server_args(&args).start_on(database).await);
    let key = app.key_for_all().await;
    app.use_idempotency_key("the-key");
    // The key is known from now on.
    let absent = Target { email: "nobody@example.com", ..Target::of_case(app.case_id) };
    let first = API_CALLS[0].result(&app, Some(&key), &absent).await;
    assert_eq!(first, "INVALID_ARGUMENT UNKNOWN_USER");

    // Of deletions of cases that have to wait, a tenant has one at a time: another one would not be begun.
    let rest_deletion = |call: &ApiCall| call.name == "DELETE /api/v2/cases/{case_id}";
    // Those of the directory share two connections, and have a test of their own.
    let of_directory = |call: &ApiCall| call.name.contains("Directory");
    let is_made = |call: &ApiCall| !rest_deletion(call) && !of_directory(call);
    let api_calls: Vec<_> = API_CALLS.into_iter().filter(is_made).collect();
    let targets: Vec<_> = api_calls.iter().map(|_| app.target()).collect();
    let mut session = Session::open(app.database.url());
    session
        .query("BEGIN; LOCK TABLE cases, tasks, idempotency_keys, users IN ACCESS EXCLUSIVE MODE");
    let mut calls = Vec::new();
    for (call, target) in api_calls.iter().copied().zip(targets) {
        let (app, key) = (Arc::clone(&app), key.clone());
        calls.push(tokio::spawn(async move { call.result(&app, Some(&key), &target).await }));
        session.await_blocked(calls.len());
    }
    cluster.kill().unwrap();
    for (call, result) in api_calls.iter().zip(calls) {
        assert_eq!(result.await.unwrap(), result_of_a_lost_statement(call), "{}", call.name);
    }
    // Nothing is sent any more once the connections are known to be lost.
    let calls = api_calls.iter().copied().map(|call| {
        let (app, key, absent) = (Arc::clone(&app), key.clone(), absent.clone());
        tokio::spawn(async move { call.result(&app, Some(&key), &absent).await })
    });
    let calls: Vec<_> = calls.collect();
    for (call, result) in api_calls.iter().zip(calls) {
        assert_eq!(result.await.unwrap(), UNAVAILABLE, "{}", call.name);
    }
}
