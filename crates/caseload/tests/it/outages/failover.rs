//! Failover from a primary to its synchronous standby.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use domain::Scope;
use localdb::Cluster;
use tokio::task::JoinSet;

use super::probes::{await_not_ready, await_ready, is_created};
use crate::{
    documentation::PageCommands,
    support::{App, CreateCall, Reply, TestDatabase, polling::eventually, psql},
};

/// The number of batches that each caller creates before and after a step.
const BATCHES: usize = 5;

/// The number of callers. Every second one uses idempotency keys.
const CALLERS: usize = 6;

/// A primary, its standby, and Caseload on both.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    app: Arc<App>,
}

impl Pair {
    /// Starts a primary that commits nothing before its standby has it, and Caseload on both.
    async fn start() -> Self {
        let primary = Cluster::temporary()
            .setting("synchronous_commit", "on")
            .setting("shared_buffers", "4MB")
            .setting("max_connections", "80")
            .start()
            .unwrap();
        // The name by which its primary knows it.
        let standby = Cluster::standby_of(&primary).setting("cluster_name", "standby");
        let standby = standby.start().unwrap();
        how_to("synchronous standby", "-d caseload", &primary);
        let url = primary.url("postgres").parse().unwrap();
        const IS_SYNCHRONOUS: &str = "SELECT sync_state = 'sync' FROM pg_stat_replication";
        eventually("a synchronous standby", async || {
            (psql(&url, IS_SYNCHRONOUS) == "t").then_some(())
        })
        .await;

        let url = primary.read_write_url(&standby, "caseload");
        let database = TestDatabase::create_behind(&primary, &url).await;
        let args = ["--checkout-timeout", "1s", "--key-ttl", "1h"];
        let app = App::builder().server_args(&args).start_on(database);
        let app = Arc::new(app.await);
        await_ready(&app).await;
        app.database.await_listeners(1);
        Self { primary, standby, app }
    }

    /// Returns the description of each task on the new primary, and how often it occurs.
    fn rows(&self) -> Vec<(String, u64)> {
        let url = self.standby.url("caseload").parse().unwrap();
        let rows = psql(&url, "SELECT description, count(*) FROM tasks GROUP BY description");
        let row = |line: &str| {
            let (description, count) = line.split_once('|').unwrap();
            (description.to_owned(), count.parse().unwrap())
        };
        rows.lines().map(row).collect()
    }

    /// Checks that no task was created twice and that no acknowledged task is missing.
    fn check(&self, acknowledged: &HashSet<String>) {
        let rows = self.rows();
        let twice: Vec<_> = rows.iter().filter(|(_, count)| *count != 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        let found: HashSet<String> = rows.into_iter().map(|(description, _)| description).collect();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
}

/// Runs commands of the how-to for a failover on a cluster, in place of the database that they name.
fn how_to(name: &str, database: &str, cluster: &Cluster) {
    let url = format!("-d '{}'", cluster.url("postgres"));
    PageCommands::of("docs/HOWTO.md", name).replace(database, &url).run();
}

/// Callers that create one batch after the other.
struct Load {
    created: Vec<Arc<AtomicUsize>>,
    is_over: Arc<AtomicBool>,
    callers: JoinSet<Vec<String>>,
}

impl Load {
    /// Starts the callers.
    fn start(app: &Arc<App>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let created: Vec<Arc<AtomicUsize>> = (0..CALLERS).map(|_| Arc::default()).collect();
        let mut callers = JoinSet::new();
        for (number, created) in created.iter().enumerate() {
            let (app, created) = (Arc::clone(app), Arc::clone(created));
            callers.spawn(call(app, number, created, Arc::clone(&is_over)));
        }
        Self { created, is_over, callers }
    }

    /// Waits until each caller has created [`BATCHES`] more.
    async fn await_progress(&self) {
        let created = || self.created.iter().map(|created| created.load(Ordering::SeqCst));
        let before: Vec<_> = created().collect();
        eventually("progress of all callers", async || {
            created().zip(&before).all(|(now, before)| now >= before + BATCHES).then_some(())
        })
        .await;
    }

    /// Stops the callers and returns the descriptions of all acknowledged batches.
    async fn stop(self) -> HashSet<String> {
        self.is_over.store(true, Ordering::SeqCst);
        self.callers.join_all().await.into_iter().flatten().collect()
    }
}

/// Creates batches one after the other until `is_over`. Every second caller has an idempotency key
/// for each batch, and repeats it until it is acknowledged.
async fn call(
    app: Arc<App>,
    number: usize,
    created: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
) -> Vec<String> {
    let is_keyed = number.is_multiple_of(2);
    let mut acknowledged = Vec::new();
    let mut turn = 0;
    while !is_over.load(Ordering::SeqCst) {
        let name = format!("{number}-{turn}");
        let body = format!(r#"{{"tasks":[{{"description":"{name}"}}]}}"#);
        let request = app.post().body(body);
        let request = if is_keyed { request.header("idempotency-key", &name) } else { request };
        let reply = Reply::of(request).await;
        if is_created(&reply) {
            created.fetch_add(1, Ordering::SeqCst);
            acknowledged.push(name);
            turn += 1;
        } else {
            assert!([500, 503, 504].contains(&reply.status.as_u16()), "{reply:?}");
            turn += usize::from(!is_keyed);
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_primary_loses_no_acknowledged_batch_and_duplicates_none() {
    let mut pair = Pair::start().await;
    let load = Load::start(&pair.app);
    load.await_progress().await;

    pair.primary.kill().unwrap();
    how_to("promotion", "-h db2.example -d caseload", &pair.standby);
    load.await_progress().await;
    await_ready(&pair.app).await;

    pair.check(&load.stop().await);
}

/// Connections stay open and reads still work, so only the periodic check notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_becomes_read_only_is_replaced_by_the_promoted_standby() {
    let pair = Pair::start().await;
    let load = Load::start(&pair.app);
    load.await_progress().await;

    let url = pair.primary.url("postgres").parse().unwrap();
    psql(&url, "ALTER SYSTEM SET default_transaction_read_only = on");
    psql(&url, "SELECT pg_reload_conf()");
    await_not_ready(&pair.app).await;
    pair.standby.promote().unwrap();
    load.await_progress().await;
    await_ready(&pair.app).await;

    pair.check(&load.stop().await);
}

/// Connections stay open and no response arrives on them, so only the promoted standby's responses
/// show that the primary is to be replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_is_replaced_by_the_promoted_standby() {
    let mut pair = Pair::start().await;
    let revoked = pair.app.key_with(&[Scope::TasksRead]).await;
    let app = Arc::clone(&pair.app);
    let call = CreateCall::new(&app).key(&revoked);
    assert_eq!(call.result_over_grpc(&app).await, "PERMISSION_DENIED SCOPE_REQUIRED");
    let load = Load::start(&pair.app);
    load.await_progress().await;

    pair.primary.pause().unwrap();
    await_not_ready(&pair.app).await;
    pair.standby.promote().unwrap();
    load.await_progress().await;
    await_ready(&pair.app).await;

    // The key is in the cache for an hour, and the thread that listened to the old primary may wait for it.
    let url = pair.standby.url("caseload").parse().unwrap();
    let newest = "id = (SELECT max(id) FROM api_keys)";
    psql(&url, &format!("UPDATE api_keys SET revoked_at = now() WHERE {newest}"));
    eventually("the revocation to arrive", async || {
        let result = call.result_over_grpc(&app).await;
        (result == "UNAUTHENTICATED KEY_INVALID").then_some(())
    })
    .await;

    // The old primary does not matter any more when it resumes.
    pair.primary.resume().unwrap();
    load.await_progress().await;
    pair.check(&load.stop().await);
}
