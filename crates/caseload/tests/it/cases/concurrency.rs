//! Changes to the same case at the same time.

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::{CASES, Client};
use crate::support::{App, Reply, Session, polling::wait_until, start_gateway};

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_comes_before_or_after_each_batch_of_tasks() {
    const ROUNDS: usize = 12;
    const BATCHES: usize = 24;
    let app = App::start().await;
    let client = Client::new(&app).await;
    let second = app.start_server(&[]).await;
    let gateways = [app.http_addr, start_gateway(second, &app.shutdown).await];
    let http = crate::support::http_client();
    let mut created = 0;
    let events = "SELECT 'created', sum(cardinality(task_ids)) FROM creation_events \
         UNION ALL SELECT kind, count(*) FROM task_events GROUP BY 1 ORDER BY 1";
    for round in 0..ROUNDS {
        let (path, _) = client.create("a", &["one"]).await;
        let mut calls = JoinSet::new();
        for n in 0..BATCHES {
            let url = format!("http://{}{path}/tasks/batch", gateways[n % 2]);
            let tasks = json!({"tasks": [
                {"description": "x", "assignee_emails": ["user1@example.com"]},
                {"description": "y"},
            ]});
            let request = http.post(url).bearer_auth(client.key.expose()).json(&tasks);
            let request = if n % 3 == 0 {
                request.header("idempotency-key", format!("{round}-{n}"))
            } else {
                request
            };
            calls.spawn(Reply::of(request));
            if n == BATCHES / 2 {
                let request = client.request(Method::DELETE, &path);
                calls.spawn(Reply::of(request));
            }
        }
        let mut deleted = 0;
        while let Some(reply) = calls.join_next().await {
            let reply = reply.unwrap();
            match reply.status.as_u16() {
                204 => deleted += 1,
                201 => created += 1,
                404 => assert_eq!(reply.violations(), ["CASE_NOT_FOUND -"]),
                _ => panic!("{reply:?}"),
            }
        }
        assert_eq!(deleted, 1);
        assert_eq!(app.row_counts(), (0, 0));
        // Each task that was created was deleted, and the history says so.
        let count = 2 * created + round + 1;
        assert_eq!(app.database.query(events), format!("created|{count}\ndeleted|{count}"));
    }
    assert!(created > 0, "no batch came before its case was deleted");
}

/// Batches that overlap hold the lock that keeps a case from being deleted, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_deleted_while_tasks_are_created_in_it_without_a_break() {
    const CREATORS: usize = 12;
    let app = App::start().await;
    let client = Client::new(&app).await;
    let second = app.start_server(&[]).await;
    let gateways = [app.http_addr, start_gateway(second, &app.shutdown).await];
    // Each batch holds its locks for longer than the next one takes to begin, as where commits wait for a
    // standby.
    app.database.query(
        "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON tasks DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION pause()",
    );
    let (path, first) = client.create("a", &["one"]).await;
    assert_eq!(client.send(Method::PUT, &path, &json!({"name": "b"})).await.status, 200);
    let mut creators = JoinSet::new();
    for n in 0..CREATORS {
        let http = crate::support::http_client();
        let (url, key) = (format!("http://{}{path}/tasks", gateways[n % 2]), client.key.clone());
        creators.spawn(async move {
            let mut created = 0_usize;
            loop {
                let request = http.post(&url).bearer_auth(key.expose());
                let reply = Reply::of(request.json(&json!({"description": "x"}))).await;
                match reply.status.as_u16() {
                    201 => created += 1,
                    404 => return created,
                    _ => panic!("{reply:?}"),
                }
            }
        });
    }
    wait_until("tasks", || app.row_counts().0 > 2 * CREATORS as u64);
    let deletion = || client.request(Method::DELETE, &path).header("request-timeout", "8");
    // One that is not to be made needs no lock.
    let stale = Reply::of(deletion().header("if-match", first.header("etag"))).await;
    assert_eq!(stale.violations(), ["ETAG_MISMATCH -"]);
    assert_eq!(app.database.query("SELECT count(deletion_until) FROM cases"), "0");
    let deleted = Reply::of(deletion()).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let mut created = 0;
    while let Some(count) = creators.join_next().await {
        created += count.unwrap();
    }
    assert!(created >= 2 * CREATORS, "{created}");
    assert_eq!(app.row_counts(), (0, 0));
}

/// As a replica of an older release does, which knows no marks, a session holds the case without having
/// seen the mark.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_created_while_a_deletion_waits_for_a_case() {
    tasks_are_created_during_a_deletion_that_waits_for(
        "INSERT INTO tasks (tenant_id, case_id, description)
             SELECT tenant_id, max(id), 'x' FROM cases GROUP BY tenant_id",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_created_while_a_deletion_waits_for_a_task() {
    tasks_are_created_during_a_deletion_that_waits_for("UPDATE tasks SET completed = true").await;
}

async fn tasks_are_created_during_a_deletion_that_waits_for(change: &str) {
    let app = App::builder().server_args(&["--lock-timeout", "4s"]).start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &["x"]).await;
    let case = &created.body["case_id"];
    let mut session = Session::open(app.database.url());
    session.query(&format!("BEGIN; {change}"));
    let deletion = tokio::spawn(Reply::of(client.request(Method::DELETE, &path)));
    let locks = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' \
             AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND (classid, objid, objsubid) = (0, {case}, 1)"
    );
    wait_until("lock", || app.database.query(&locks) == "1");
    let request = client.request(Method::POST, &format!("{path}/tasks"));
    let request = request.header("request-timeout", "3").json(&json!({"description": "y"}));
    let reply = Reply::of(request).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    session.query("COMMIT");
    assert_eq!(deletion.await.unwrap().status, 204);
    assert_eq!(app.row_counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_a_batch_does_not_wait_for_a_deletion() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &[]).await;
    let batch = |key: &str| {
        let request = client.request(Method::POST, &format!("{path}/tasks/batch"));
        let request = request.header("idempotency-key", key).header("request-timeout", "5");
        Reply::of(request.json(&json!({"tasks": [{"description": "x"}]})))
    };
    let first = batch("used").await;
    assert_eq!(first.status, 201, "{first:?}");
    // As a deletion does that waits.
    let case = &created.body["case_id"];
    let mut session = Session::open(app.database.url());
    session.query(&format!(
        "UPDATE cases SET deletion_until = now() + interval '1 minute' WHERE id = {case}"
    ));
    session.query(&format!("BEGIN; SELECT pg_advisory_xact_lock({case})"));
    let repeat = batch("used").await;
    assert_eq!((repeat.status, &repeat.body), (first.status, &first.body));
    assert_eq!(repeat.header("idempotency-replayed"), "true");
    let new = tokio::spawn(batch("new"));
    session.await_blocked(1);
    session.query("COMMIT");
    assert_eq!(new.await.unwrap().status, 201);
    assert_eq!(app.row_counts(), (2, 0));
}

/// Nor does it wait behind another batch that does.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_does_not_wait_for_a_new_batch_that_waits_for_a_deletion() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &[]).await;
    let batch = |key: &str, seconds: &str| {
        let request = client.request(Method::POST, &format!("{path}/tasks/batch"));
        let request = request.header("idempotency-key", key).header("request-timeout", seconds);
        Reply::of(request.json(&json!({"tasks": [{"description": "x"}]})))
    };
    let first = batch("used", "5").await;
    assert_eq!(first.status, 201, "{first:?}");
    let case = &created.body["case_id"];
    let mut session = Session::open(app.database.url());
    session.query(&format!(
        "UPDATE cases SET deletion_until = now() + interval '1 minute' WHERE id = {case}"
    ));
    session.query(&format!("BEGIN; SELECT pg_advisory_xact_lock({case})"));
    let new = tokio::spawn(batch("new", "10"));
    let begun = || {
        app.database.query(
            "SELECT query_start FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    };
    session.await_blocked(1);
    // From the second time on, it is tried in the lane of those that wait for locks.
    let first_time = begun();
    wait_until("the second time", || !["", &*first_time].contains(&&*begun()));
    let repeat = batch("used", "3").await;
    assert_eq!((repeat.status, &repeat.body), (first.status, &first.body), "{repeat:?}");
    assert_eq!(repeat.header("idempotency-replayed"), "true");
    assert!(!new.is_finished());
    session.query("COMMIT");
    assert_eq!(new.await.unwrap().status, 201);
    assert_eq!(app.row_counts(), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_whoever_has_locked_a_task_or_creates_one() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let mut session = Session::open(app.database.url());
    let tenant = app.tenant;
    for statement in [
        // Another transaction has changed a task, assigned one, created one, or locked the case.
        "UPDATE tasks SET completed = true WHERE id = {task}",
        "INSERT INTO task_assignees SELECT tenant_id, {task}, min(id), 0 FROM users \
            WHERE tenant_id = {tenant} GROUP BY tenant_id",
        "INSERT INTO tasks (tenant_id, case_id, description) VALUES ({tenant}, {case}, 'new')",
        "SELECT FROM cases WHERE id = {case} FOR UPDATE",
        "DELETE FROM tasks WHERE id = {task}",
    ] {
        let (path, created) = client.create("a", &["one", "two"]).await;
        let statement = statement
            .replace("{task}", &created.body["tasks"][0]["id"].to_string())
            .replace("{case}", &created.body["case_id"].to_string())
            .replace("{tenant}", &tenant.to_string());
        session.query(&format!("BEGIN; {statement}"));
        let deletion = tokio::spawn(Reply::of(client.request(Method::DELETE, &path)));
        session.await_blocked(1);
        // Nobody else waits: neither who reads the case, nor who creates and changes others.
        assert_eq!(client.get(&path).await.status, 200);
        let (other, _) = client.create("b", &["x"]).await;
        assert_eq!(client.send(Method::PUT, &other, &json!({"name": "c"})).await.status, 200);
        session.query("COMMIT");
        assert_eq!(deletion.await.unwrap().status, 204, "{statement}");
        assert_eq!(client.delete(&other).await.status, 204);
        assert_eq!(app.row_counts(), (0, 0), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_does_not_wait_for_batches_nor_they_for_it() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &[]).await;
    let case = &created.body["case_id"];
    let mut session = Session::open(app.database.url());
    // As an update of the case does, and as a batch does.
    for (statement, request) in [
        (
            format!("UPDATE cases SET name = 'b' WHERE id = {case}"),
            client
                .request(Method::POST, &format!("{path}/tasks"))
                .json(&json!({"description": "x"})),
        ),
        (
            format!(
                "INSERT INTO tasks (tenant_id, case_id, description) VALUES ({}, {case}, 'y')",
                app.tenant
            ),
            client.request(Method::PUT, &path).json(&json!({"priority": "HIGH"})),
        ),
    ] {
        session.query(&format!("BEGIN; {statement}"));
        let reply = Reply::of(request.header("request-timeout", "5")).await;
        assert!(reply.status.is_success(), "{statement}: {reply:?}");
        session.query("COMMIT");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_waited_for_another_sees_what_that_has_done() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &[]).await;
    let case = &created.body["case_id"];
    let mut session = Session::open(app.database.url());
    session.query("BEGIN");
    session.query(&format!(
        "UPDATE cases SET priority = 'HIGH', updated_at = updated_at + interval '1 second' \
         WHERE id = {case}"
    ));
    let put = |body| client.request(Method::PUT, &path).json(&body);
    let change = tokio::spawn(Reply::of(put(json!({"name": "b"}))));
    session.await_blocked(1);
    session.query("COMMIT");
    let changed = change.await.unwrap();
    assert_eq!((&changed.body["name"], &changed.body["priority"]), (&json!("b"), &json!("HIGH")));

    session.query(&format!("BEGIN; DELETE FROM cases WHERE id = {case}"));
    let change = tokio::spawn(Reply::of(put(json!({"name": "c"}))));
    session.await_blocked(1);
    session.query("COMMIT");
    assert_eq!(change.await.unwrap().violations(), ["CASE_NOT_FOUND -"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_to_one_state_one_is_made() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &[]).await;
    let mut calls = JoinSet::new();
    for n in 0..16 {
        let request = client.request(Method::PUT, &path).header("if-match", created.header("etag"));
        calls.spawn(Reply::of(request.json(&json!({"name": n.to_string()}))));
    }
    let mut statuses: Vec<u16> = Vec::new();
    while let Some(reply) = calls.join_next().await {
        statuses.push(reply.unwrap().status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 412), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_time_is_over_is_not_made_later() {
    let app = App::start().await;
    let client = Client::new(&app).await;
    let (path, created) = client.create("a", &["one"]).await;
    let mut session = Session::open(app.database.url());
    let task = &created.body["tasks"][0]["id"];
    session.query(&format!("BEGIN; SELECT FROM tasks WHERE id = {task} FOR UPDATE"));
    let request = client.request(Method::DELETE, &path).header("request-timeout", "0.5");
    let late = tokio::spawn(Reply::of(request));
    session.await_blocked(1);
    assert_eq!(late.await.unwrap().violations(), ["DEADLINE_EXCEEDED -"]);
    session.query("COMMIT");
    // This one waits for its turn behind whatever the late one still does.
    let put = client.request(Method::PUT, &path).header("if-match", created.header("etag"));
    let last = Reply::of(put.json(&json!({"name": "b"}))).await;
    assert_eq!(last.status, 200, "the late deletion was made: {last:?}");
    assert_eq!(client.get(&format!("{CASES}/{}/tasks", created.body["case_id"])).await.status, 200);
}
