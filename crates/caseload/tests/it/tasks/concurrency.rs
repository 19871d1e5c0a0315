//! Changes to the same tasks at the same time.

use domain::Scope;
use localdb::Cluster;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Client, emails, of};
use crate::support::{
    API_CALLS, App, Kind, Reply, Session, Target, TestDatabase, http_client, new_key,
    polling::wait_until, start_gateway,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_waited_for_another_sees_what_that_has_done() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, _) = client.create("a", &["user1@example.com"]).await;
    let path = client.path(&of(&task));
    let users = |email: &str| {
        app.database.query(&format!(
            "SELECT id FROM users WHERE tenant_id = {} AND email = '{email}'",
            app.tenant
        ))
    };
    let (id, user2) = (&task["id"], users("user2@example.com"));
    let mut session = Session::open(app.database.url());
    for (method, body, status) in [
        (Method::PUT, json!({"assignee_emails": ["user3@example.com", "user2@example.com"]}), 200),
        (Method::DELETE, json!({}), 200),
    ] {
        // Another transaction has changed the task and its assignees, and is about to commit.
        session.query("BEGIN");
        session.query(&format!(
            "UPDATE tasks SET updated_at = updated_at + interval '1 second' WHERE id = {id}"
        ));
        session.query(&format!("DELETE FROM task_assignees WHERE task_id = {id}"));
        session.query(&format!(
            "INSERT INTO task_assignees VALUES ({}, {id}, {user2}, 0)",
            app.tenant
        ));
        let call = tokio::spawn(Reply::of(client.request(method.clone(), &path).json(&body)));
        session.await_blocked(1);
        session.query("COMMIT");
        let reply = call.await.unwrap();
        assert_eq!(reply.status, status, "{method}: {reply:?}");
        if method == Method::PUT {
            assert_eq!(emails(&reply.body["task"]), ["user3@example.com", "user2@example.com"]);
            assert_eq!(client.get(&path).await.body, reply.body);
        }
    }
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_over_the_same_tasks_in_other_orders_do_not_deadlock() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    // Each server lets one of a tenant's changes wait at a time, so it takes several.
    let mut gateways = vec![app.http_addr];
    for _ in 0..2 {
        let server = app.start_server(&[]).await;
        gateways.push(start_gateway(server, &app.shutdown).await);
    }
    let path = client.path("/batch");
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(client.create(&n.to_string(), &[]).await.0["id"].clone());
    }
    let batch = |ids: &[Value], emails: &[&str]| {
        let tasks = ids.iter().map(|id| json!({"id": id, "assignee_emails": emails}));
        json!({"tasks": tasks.collect::<Vec<_>>()})
    };
    let forward = batch(&ids, &["user1@example.com", "user2@example.com"]);
    ids.reverse();
    let backward = batch(&ids, &["user2@example.com", "user3@example.com"]);
    let mut calls = JoinSet::new();
    let http = http_client();
    for number in 0..40 {
        for body in [&forward, &backward] {
            let gateway = gateways[number % gateways.len()];
            let request = http.put(format!("http://{gateway}{path}")).json(body);
            calls.spawn(Reply::of(request.bearer_auth(client.key.expose())));
        }
    }
    while let Some(reply) = calls.join_next().await {
        let reply = reply.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    assert_eq!(app.row_counts(), (10, 20));
    // Each batch was made as a whole.
    let distinct = app.database.query("SELECT count(DISTINCT user_id) FROM task_assignees");
    assert_eq!(distinct, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_to_one_state_one_is_made() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (task, etag) = client.create("a", &[]).await;
    let path = client.path(&of(&task));
    let mut calls = JoinSet::new();
    for n in 0..16 {
        let request = client.request(Method::PUT, &path).header("if-match", &etag);
        calls.spawn(Reply::of(request.json(&json!({"description": n.to_string()}))));
    }
    let mut statuses: Vec<u16> = Vec::new();
    while let Some(reply) = calls.join_next().await {
        statuses.push(reply.unwrap().status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 412), "{statuses:?}");
}

/// Rows that somebody else has locked delay those who change them, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn locked_tasks_delay_only_those_who_change_them() {
    let app = App::builder().server_args(&["--changers", "1", "--writers", "1"]).start().await;
    let client = Client::new(&app).await;
    let (locked, _) = client.create("locked", &[]).await;
    let (free, _) = client.create("free", &[]).await;
    let mut session = Session::open(app.database.url());
    session.query(&format!("BEGIN; SELECT FROM tasks WHERE id = {} FOR UPDATE", locked["id"]));
    let mut waiting = JoinSet::new();
    let path = client.path(&of(&locked));
    for n in 0..8 {
        let request = client.request(Method::PUT, &path);
        waiting.spawn(Reply::of(request.json(&json!({"description": n.to_string()}))));
    }
    session.await_blocked(1);

    // The same tenant reads everything, and changes what is free.
    assert_eq!(client.get(&path).await.body["task"], locked);
    let path = client.path(&of(&free));
    let changed = client.send(Method::PUT, &path, &json!({"completed": true})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let gone = Reply::of(client.request(Method::DELETE, &path)).await;
    assert_eq!(gone.status, 200, "{gone:?}");

    session.query("COMMIT");
    while let Some(reply) = waiting.join_next().await {
        assert_eq!(reply.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_time_is_over_is_not_made_later() {
    let app = App::builder().server_args(&["--lock-timeout", "9s"]).start().await;
    let client = Client::new(&app).await;
    let (task, etag) = client.create("a", &[]).await;
    let path = client.path(&of(&task));
    let mut session = Session::open(app.database.url());
    session.query(&format!("BEGIN; SELECT FROM tasks WHERE id = {} FOR UPDATE", task["id"]));
    let put = |text: &str| client.request(Method::PUT, &path).json(&json!({"description": text}));
    // Its time is over while it waits for the lock.
    let late = tokio::spawn(Reply::of(put("late").header("request-timeout", "0.5")));
    session.await_blocked(1);
    assert_eq!(late.await.unwrap().violations(), ["DEADLINE_EXCEEDED -"]);
    session.query("COMMIT");
    // This one waits for its turn behind whatever the late one still does.
    let last = Reply::of(put("last").header("if-match", &etag)).await;
    assert_eq!(last.status, 200, "the late change was made: {last:?}");
}

/// Whoever waits for locked rows waits apart, and each tenant by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_waits_for_locked_tasks_delays_no_other_one() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (locked, _) = client.create("locked", &[]).await;
    let (other, case_id, _) = app.other_tenant().await;
    let target = app.target_in(other.get(), case_id);
    let key = new_key();
    app.store_key(other, &key, &Scope::ALL, None).await;
    let mut session = Session::open(app.database.url());
    session.query(&format!("BEGIN; SELECT FROM tasks WHERE id = {} FOR UPDATE", locked["id"]));
    let mut waiting = JoinSet::new();
    let path = client.path(&of(&locked));
    for n in 0..20 {
        let request = client.request(Method::PUT, &path);
        waiting.spawn(Reply::of(request.json(&json!({"description": n.to_string()}))));
    }
    session.await_blocked(1);
    for call in API_CALLS.iter().filter(|call| !matches!(call.kind, Kind::GetRecord)) {
        let target = match call.kind {
            Kind::Delete | Kind::BatchDelete | Kind::DeleteCase => app.target_of(other.get()),
            _ => target.clone(),
        };
        assert_eq!(call.result(&app, Some(&key), &target).await, "OK", "{}", call.name);
    }
    let unknown = Target { idempotency_key: "unknown", ..target };
    for call in API_CALLS.iter().filter(|call| matches!(call.kind, Kind::GetRecord)) {
        let result = call.result(&app, Some(&key), &unknown).await;
        assert_eq!(result, "NOT_FOUND IDEMPOTENCY_KEY_UNKNOWN", "{}", call.name);
    }
    session.query("COMMIT");
    while let Some(reply) = waiting.join_next().await {
        assert_eq!(reply.unwrap().status, 200);
    }
}

/// A commit takes long while a standby is away. Reads go on then.
#[tokio::test(flavor = "multi_thread")]
async fn changes_whose_commits_hang_do_not_delay_reads() {
    let mut cluster = Cluster::temporary()
        .setting("synchronous_commit", "on")
        .setting("shared_buffers", "4MB")
        .start()
        .unwrap();
    let database = TestDatabase::create_on(&cluster).await;
    let app = App::builder().start_on(database).await;
    let client = Client::new(&app).await;
    let (task, _) = client.create("a", &[]).await;
    let path = client.path(&of(&task));
    app.database.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    app.database.query("SELECT pg_reload_conf()");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let mut changes = JoinSet::new();
    for n in 0..12 {
        let request = client.request(Method::PUT, &path).header("request-timeout", "9");
        changes.spawn(Reply::of(request.json(&json!({"description": n.to_string()}))));
    }
    wait_until("a commit that waits", || app.database.query(waits) != "0");
    for _ in 0..8 {
        assert_eq!(client.get(&path).await.status, 200);
        assert_eq!(client.get(&client.path("")).await.status, 200);
    }
    app.database.query("ALTER SYSTEM RESET synchronous_standby_names");
    app.database.query("SELECT pg_reload_conf()");
    while let Some(reply) = changes.join_next().await {
        assert_eq!(reply.unwrap().status, 200);
    }
    cluster.stop().unwrap();
}
