//! Rejections of a tenant that sends far more than its share.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::{App, ONE_TASK, Session, code_and_reasons};

/// Callers who repeat a rejected call at once would otherwise keep the server busy with rejections.
#[tokio::test(flavor = "multi_thread")]
async fn rejections_beyond_a_rate_are_held_back_but_not_those_of_other_tenants() {
    let args = ["--tenant-queue-length", "1"];
    let mut app = App::builder().server_args(&args).start().await;
    let mut session = Session::open(app.database.url());
    session.lock("tasks");
    let client = app.grpc_client().await;
    let mut calls = JoinSet::new();
    let start = Instant::now();
    for _ in 0..104 {
        let (mut client, request) = (client.clone(), app.one_task_request());
        calls.spawn(async move { client.batch_create_tasks(request).await });
    }
    // A few others wait: a writer has taken some of them.
    for _ in 0..96 {
        let rejected = calls.join_next().await.unwrap().unwrap().unwrap_err();
        assert_eq!(code_and_reasons(&rejected), "RESOURCE_EXHAUSTED TENANT_OVER_SHARE");
    }
    // 32 at once, and then one each 4 ms.
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());

    session.unlock();
    (_, app.case_id, app.key) = app.other_tenant().await;
    assert_eq!(app.create(ONE_TASK).await.status, 201);
}
