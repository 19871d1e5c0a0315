//! Commits that wait for a synchronous standby, which Postgres lets wait without limit.

use std::time::Duration;

use localdb::Cluster;
use store::Swept;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::probes::{await_not_ready, await_not_serving, await_ready, is_created};
use crate::support::{
    App, ONE_ASSIGNED_TASK, Reply, Session, TestDatabase, new_key,
    polling::{eventually, wait_until},
    psql, start_gateway_with, start_server_process,
};

/// How many sessions wait for a standby to have their commits.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// Sets the standbys that commits wait for.
fn wait_for_standbys(cluster: &Cluster, names: &str) {
    let url = cluster.url("postgres").parse().unwrap();
    psql(&url, &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
    psql(&url, "SELECT pg_reload_conf()");
    // New sessions have it a moment later.
    wait_until("the new setting", || psql(&url, "SHOW synchronous_standby_names") == names);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_wait_for_a_standby_cost_readiness_until_they_are_done() {
    let cluster = Cluster::temporary()
        .setting("synchronous_commit", "on")
        .setting("shared_buffers", "4MB")
        .setting("max_connections", "80")
        .start()
        .unwrap();
    let mut app = App::builder().start_on(TestDatabase::create_on(&cluster).await).await;
    let args = "--grpc-addr 127.0.0.1:0 --max-statement-age 500ms --lock-timeout 400ms --writers 2";
    let args: Vec<_> = args.split(' ').collect();
    let server = start_server_process(app.database.url().expose(), &args);
    app.grpc_addr = server.wait_for_address("serving gRPC");
    app.http_addr =
        start_gateway_with(app.grpc_addr, &["--upstream-timeout", "30s"], &app.shutdown).await;
    await_ready(&app).await;
    // The server's first batches are those that wait: on a new connection, more comes before a statement.
    let mut health = HealthClient::new(app.channel().await);
    let watch = health.watch(HealthCheckRequest::default()).await.unwrap();
    let mut watch = watch.into_inner();
    let mut status = async || watch.message().await.unwrap().unwrap().status();
    assert_eq!(status().await, ServingStatus::Serving);

    wait_for_standbys(&cluster, "nobody");
    let url = cluster.url("postgres").parse().unwrap();
    let patient = app.post().header("idempotency-key", "patient").body(ONE_ASSIGNED_TASK);
    let patient = tokio::spawn(Reply::of(patient));
    let keyed = || app.post().header("idempotency-key", "k").body(ONE_ASSIGNED_TASK);
    let impatient = keyed().header("request-timeout", "0.5");
    assert_eq!(Reply::of(impatient).await.status, 504);
    assert_eq!(status().await, ServingStatus::NotServing);
    await_not_serving(&app).await;
    await_not_ready(&app).await;
    server.wait_for_log("not serving: a statement has been running for too long");
    // One, if the two batches share a statement.
    assert_ne!(psql(&url, WAITING), "0");

    wait_for_standbys(&cluster, "");
    assert_eq!(status().await, ServingStatus::Serving);
    await_ready(&app).await;
    let reply = patient.await.unwrap();
    assert!(is_created(&reply), "{reply:?}");
    assert_eq!(reply.header("idempotency-replayed"), "");
    // The commit was under way, so the batch exists: a repeat returns its result.
    let reply = eventually("the result of the batch", async || {
        Some(Reply::of(keyed()).await).filter(is_created)
    });
    assert_eq!(reply.await.header("idempotency-replayed"), "true");
    assert_eq!(app.row_counts(), (2, 2));
}

/// One that is slow keeps no caller from being served.
#[tokio::test(flavor = "multi_thread")]
async fn queries_that_do_not_write_for_callers_do_not_count_as_old_statements() {
    let database = TestDatabase::create();
    let mut session = Session::open(database.url());
    session.query("BEGIN; LOCK TABLE api_keys, idempotency_keys IN ACCESS EXCLUSIVE MODE");
    let (reader, sweeper) = (database.open(), database.open());
    let read = {
        let reader = reader.clone();
        tokio::spawn(async move { reader.find_api_key(new_key().digest()).await })
    };
    let sweep = {
        let mut sweep = sweeper.sweep_of_idempotency_keys(Duration::from_secs(3600));
        tokio::spawn(async move { sweep.step(1).await })
    };
    session.await_blocked(2);
    assert_eq!((reader.oldest_statement(), sweeper.oldest_statement()), (None, None));
    session.unlock();
    assert!(read.await.unwrap().unwrap().is_none());
    assert_eq!(sweep.await.unwrap().unwrap(), Swept::Rows(0));
}
