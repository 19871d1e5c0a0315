//! Every call says whether it may have changed something when the database goes away.

use std::sync::Arc;

use domain::{ApiKey, Scope, TenantId};
use localdb::Cluster;

use crate::support::{API_CALLS, ApiCall, App, Kind, Session, Target, TestDatabase, new_key};

const UNAVAILABLE: &str = "UNAVAILABLE DATABASE_UNAVAILABLE";

/// Returns the result of a call whose statement runs when the database crashes. The deletion of a case is
/// a transaction of several, whose end was not sent yet.
fn result_of_a_lost_statement(call: &ApiCall) -> &'static str {
    if call.kind.writes() && call.kind != Kind::DeleteCase {
        "UNKNOWN OUTCOME_UNKNOWN"
    } else {
        UNAVAILABLE
    }
}

/// Whether the call can be made at the same time as all others.
fn is_made(call: &ApiCall) -> bool {
    // Of deletions of cases that have to wait, a tenant has one at a time: another one would not be begun.
    let rest_deletion = call.name == "DELETE /api/v2/cases/{case_id}";
    // Those of the directory share two connections, and have a test of their own.
    !rest_deletion && !call.name.contains("Directory")
}

fn start_cluster() -> Cluster {
    Cluster::temporary()
        .setting("synchronous_commit", "on")
        .setting("shared_buffers", "4MB")
        .setting("max_connections", "240")
        .start()
        .unwrap()
}

/// Starts a system in which every call has a connection at once; a tenant has half of the readers and of the
/// changers.
async fn start_app(cluster: &Cluster, changers: &'static str) -> Arc<App> {
    let args = ["--writers", "4", "--readers", "60", "--checkout-timeout", "1s"];
    let args = [&args[..], &["--changers", changers]].concat();
    let database = TestDatabase::create_on(cluster).await;
    Arc::new(App::builder().server_args(&args).start_on(database).await)
}

/// Makes the calls, each with its key and about its target, and crashes the database once all of them wait
/// for what `lock` locks. Returns their results.
async fn results_of_a_crash(
    cluster: &mut Cluster,
    app: &Arc<App>,
    lock: &str,
    made: Vec<(ApiCall, ApiKey, Target)>,
) -> Vec<(&'static str, String)> {
    let mut session = Session::open(app.database.url());
    session.query(&format!("BEGIN; {lock}"));
    let mut calls = Vec::new();
    for (call, key, target) in made {
        let app = Arc::clone(app);
        let result = async move { call.result(&app, Some(&key), &target).await };
        calls.push((call.name, tokio::spawn(result)));
        session.await_blocked(calls.len());
    }
    cluster.kill().unwrap();
    let mut results = Vec::new();
    for (name, call) in calls {
        results.push((name, call.await.unwrap()));
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_statement_is_lost_has_an_unknown_outcome_only_if_it_may_have_written() {
    let mut cluster = start_cluster();
    let app = start_app(&cluster, "40").await;
    let key = app.key_for_all().await;
    app.use_idempotency_key("the-key");
    // The key is known from now on.
    let absent = Target { email: "nobody@example.com", ..Target::of_case(app.case_id) };
    let first = API_CALLS[0].result(&app, Some(&key), &absent).await;
    assert_eq!(first, "INVALID_ARGUMENT UNKNOWN_USER");

    let api_calls: Vec<_> = API_CALLS.into_iter().filter(is_made).collect();
    let lock = "LOCK TABLE cases, tasks, idempotency_keys, users IN ACCESS EXCLUSIVE MODE";
    let made = api_calls.iter().map(|call| (*call, key.clone(), app.target())).collect();
    let results = results_of_a_crash(&mut cluster, &app, lock, made).await;
    for (call, (name, result)) in api_calls.iter().zip(results) {
        assert_eq!(result, result_of_a_lost_statement(call), "{name}");
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

/// A change that waits for rows has a transaction, and has changed nothing yet. A tenant has one such change
/// at a time, so each has a tenant of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_lost_while_it_waits_for_rows_is_known_not_to_be_made() {
    let mut cluster = start_cluster();
    let app = start_app(&cluster, "120").await;
    let waits = |call: &ApiCall| {
        matches!(
            call.kind,
            Kind::Update | Kind::Delete | Kind::BatchDelete | Kind::UpdateCase | Kind::DeleteCase
        )
    };
    let mut made = Vec::new();
    for call in API_CALLS.into_iter().filter(waits) {
        let insert = format!("INSERT INTO tenants (name) VALUES ('{}') RETURNING id", call.name);
        let tenant: i64 = app.database.query(&insert).parse().unwrap();
        let key = new_key();
        app.store_key(TenantId::new(tenant).unwrap(), &key, &Scope::ALL, None).await;
        made.push((call, key, app.target_of(tenant)));
    }
    assert!(made.len() >= 10, "{}", made.len());
    let lock = "SELECT FROM tasks FOR UPDATE; SELECT FROM cases FOR UPDATE";
    for (name, result) in results_of_a_crash(&mut cluster, &app, lock, made).await {
        assert_eq!(result, UNAVAILABLE, "{name}");
    }
}
