//! A row of one tenant is locked by another session, as by a forgotten transaction.

use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use tokio::task::JoinSet;

use crate::support::{App, ONE_ASSIGNED_TASK, Reply, Session, http_client};

/// How long the neighbours call: longer than the callers of the locked case wait.
const DURATION: Duration = Duration::from_secs(4);

/// Far above the lock timeout of a second, which is what a neighbour may have to wait, since the
/// machine may be busy; and far below a call's deadline of ten seconds.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Makes a call again and again until the time is over. Each must succeed. Returns how many there
/// were, and how long the slowest took.
async fn neighbour(call: RequestBuilder) -> (u64, Duration) {
    let (begin, mut count, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while begin.elapsed() < DURATION {
        let sent = Instant::now();
        let reply = Reply::of(call.try_clone().unwrap()).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        slowest = slowest.max(sent.elapsed());
        count += 1;
    }
    (count, slowest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_case_costs_its_callers_their_calls_and_its_neighbours_a_moment() {
    let app = App::builder().server_args(&["--lock-timeout", "1s"]).start().await;
    let impatient = app.start_gateway(&["--upstream-timeout", "2500ms"]).await;
    let (other, other_case, other_key) = app.other_tenant().await;
    let call = |addr, case_id, key: &domain::ApiKey| {
        http_client()
            .post(format!("http://{addr}/api/v2/cases/{case_id}/tasks/batch"))
            .bearer_auth(key.expose())
            .header("content-type", "application/json")
            .body(ONE_ASSIGNED_TASK)
    };
    let mut session = Session::open(app.database.url());
    let mut holder = Session::open(app.database.url());
    holder.query(&format!("BEGIN; SELECT id FROM cases WHERE id = {} FOR UPDATE", app.case_id));

    let mut blocked = JoinSet::new();
    for _ in 0..3 {
        blocked.spawn(Reply::of(call(impatient, app.case_id, &app.key)));
    }
    let mut neighbours = JoinSet::new();
    for _ in 0..8 {
        neighbours.spawn(neighbour(call(app.http_addr, other_case, &other_key)));
    }

    for reply in blocked.join_all().await {
        assert_eq!(reply.status, 504, "{reply:?}");
        assert_eq!(reply.violations(), ["DEADLINE_EXCEEDED -"]);
    }
    let mut acknowledged = 0;
    for (count, slowest) in neighbours.join_all().await {
        assert!(slowest < MAX_WAIT, "a neighbour waited for {slowest:?}");
        acknowledged += count;
    }
    // Nothing is written after its caller was told that the time is over, and the last attempt, which
    // was under way then, is over, too.
    session.await_blocked(0);
    holder.query("COMMIT");
    assert_eq!(app.create(ONE_ASSIGNED_TASK).await.status, 201);
    let tasks =
        |tenant| session.query(&format!("SELECT count(*) FROM tasks WHERE tenant_id = {tenant}"));
    assert_eq!([app.tenant, other].map(tasks), ["1".to_owned(), acknowledged.to_string()]);
}
