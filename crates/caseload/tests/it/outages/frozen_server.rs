//! A server that is frozen while its gateway has many callers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::{JoinHandle, JoinSet};

use super::probes::{await_ready, is_created};
use crate::support::{
    App, ONE_ASSIGNED_TASK, Reply, Session, polling::eventually, start_gateway_with,
    start_server_process,
};

/// How many callers there are. Each repeats its call as soon as its time is over, so that together
/// they make a thousand calls a second.
const CALLERS: u32 = 250;

/// How long each of them waits, in seconds.
const TIME: &str = "0.25";

/// How long the server is frozen: less than the gateway waits for the answer to a PING.
const FROZEN: Duration = Duration::from_secs(5);

/// How long the changes of a locked task may take.
const TIME_OF_CHANGES: Duration = Duration::from_secs(1);

/// Each call whose time is over is reset on the gateway's one connection. The server finds all of the
/// resets at once when it goes on, and must not take them for an attack: the calls that go on are on
/// the same connection.
#[tokio::test(flavor = "multi_thread")]
async fn time_outs_while_the_server_is_frozen_do_not_end_the_gateways_connection() {
    let mut app = App::start().await;
    let server = start_server_process(
        app.database.url().expose(),
        &["--grpc-addr", "127.0.0.1:0", "--writers", "1"],
    );
    let addr = server.wait_for_address("serving gRPC");
    app.http_addr = start_gateway_with(addr, &["--upstream-timeout", "30s"], &app.shutdown).await;
    await_ready(&app).await;
    let app = Arc::new(app);
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    // Without an idempotency key it is not repeated if the connection is lost.
    let in_flight = tokio::spawn(Reply::of(app.post().body(ONE_ASSIGNED_TASK)));
    session.await_blocked(1);

    server.freeze();
    let end = Instant::now() + FROZEN;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let app = Arc::clone(&app);
        callers.spawn(async move {
            while Instant::now() < end {
                let call = app.post().header("request-timeout", TIME).body(ONE_ASSIGNED_TASK);
                let reply = Reply::of(call).await;
                // The gateway refuses calls once it has too many that are not answered.
                assert!([503, 504].contains(&reply.status.as_u16()), "{reply:?}");
            }
        });
    }
    callers.join_all().await;
    server.resume();
    session.unlock();

    let reply = in_flight.await.unwrap();
    assert!(is_created(&reply), "{reply:?}");
    await_ready(&app).await;
    assert!(is_created(&app.create(ONE_ASSIGNED_TASK).await));
    assert_eq!(app.row_counts(), (2, 2), "no call whose time was over was begun");
}

/// When the server goes on, the thread that has waited for the lock may run before the timer that ends the
/// call.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_time_was_over_while_the_server_was_frozen_is_not_begun() {
    const CHANGES: usize = 4;
    let mut app = App::start().await;
    let server = start_server_process(
        app.database.url().expose(),
        &["--grpc-addr", "127.0.0.1:0", "--changers", "16"],
    );
    let addr = server.wait_for_address("serving gRPC");
    app.http_addr = start_gateway_with(addr, &[], &app.shutdown).await;
    await_ready(&app).await;
    let mut session = Session::open(app.database.url());
    let mut tasks = Vec::new();
    for _ in 0..CHANGES {
        let (tenant, case) = (app.tenant, app.case_id);
        let task = session.query(&format!(
            "INSERT INTO tasks (tenant_id, case_id, description) VALUES ({tenant}, {case}, 'x') \
             RETURNING id"
        ));
        tasks.push(format!("/api/v2/cases/{case}/tasks/{task}"));
    }
    for path in &tasks {
        session.query("BEGIN; SELECT FROM tasks FOR UPDATE");
        let late = blocked_change(&app, path, &mut session).await;
        // The server has the call already, so this is not before the end of its time.
        let end = Instant::now() + TIME_OF_CHANGES;
        server.freeze();
        assert_eq!(late.await.unwrap().violations(), ["DEADLINE_EXCEEDED -"]);
        tokio::time::sleep_until(end.into()).await;
        session.query("COMMIT");
        server.resume();
        await_ready(&app).await;
    }
    // This one waits for whatever the late ones still do.
    let last = app.request(reqwest::Method::DELETE, &tasks[0]).bearer_auth(app.key.expose());
    assert_eq!(Reply::of(last).await.status, 200);
    assert_eq!(app.database.query("SELECT count(*) FROM tasks WHERE completed"), "0");
}

/// Starts a change of a task that is locked, and waits until it is blocked by that. On a busy machine its time may be over
/// before: then it is made again.
async fn blocked_change(app: &App, path: &str, session: &mut Session) -> JoinHandle<Reply> {
    eventually("a change that is blocked", async || {
        let change = app
            .request(reqwest::Method::PUT, path)
            .bearer_auth(app.key.expose())
            .header("request-timeout", TIME_OF_CHANGES.as_secs().to_string())
            .json(&serde_json::json!({"completed": true}));
        let change = tokio::spawn(Reply::of(change));
        loop {
            if session.blocked() == 1 {
                return Some(change);
            }
            if change.is_finished() {
                return None;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}
