//! A primary and its synchronous standby, which takes over.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use localdb::Cluster;
use tokio::task::JoinSet;

use super::{await_ready, is_created};
use crate::support::{App, Reply, TestDatabase, polling::eventually, psql};

/// How many batches each caller must have created before a step and after it.
const BATCHES: usize = 5;

/// Half of them with a key.
const CALLERS: usize = 6;

struct Pair {
    primary: Cluster,
    standby: Cluster,
    app: Arc<App>,
}

impl Pair {
    /// A primary that acknowledges nothing before its standby has it, and Caseload before both.
    async fn start() -> Self {
        let primary = Cluster::temporary()
            .setting("synchronous_commit", "on")
            .setting("shared_buffers", "4MB")
            .setting("max_connections", "40")
            .start()
            .unwrap();
        let standby = Cluster::standby_of(&primary).start().unwrap();
        let url = primary.url("postgres").parse().unwrap();
        psql(&url, "ALTER SYSTEM SET synchronous_standby_names = '*'");
        psql(&url, "SELECT pg_reload_conf()");
        const IS_SYNCHRONOUS: &str = "SELECT sync_state = 'sync' FROM pg_stat_replication";
        eventually("a synchronous standby", async || {
            (psql(&url, IS_SYNCHRONOUS) == "t").then_some(())
        })
        .await;

        let url = primary.read_write_url(&standby, "caseload");
        let database = TestDatabase::create_behind(&primary, &url).await;
        let app = App::builder().server_args(&["--checkout-timeout", "1s"]).start_on(database);
        let app = Arc::new(app.await);
        await_ready(&app).await;
        Self { primary, standby, app }
    }

    /// What became of each batch in the new primary: its description, and how often it is there.
    fn rows(&self) -> Vec<(String, u64)> {
        let url = self.standby.url("caseload").parse().unwrap();
        let rows = psql(&url, "SELECT description, count(*) FROM tasks GROUP BY description");
        let row = |line: &str| {
            let (description, count) = line.split_once('|').unwrap();
            (description.to_owned(), count.parse().unwrap())
        };
        rows.lines().map(row).collect()
    }

    fn check(&self, acknowledged: &HashSet<String>) {
        let rows = self.rows();
        let twice: Vec<_> = rows.iter().filter(|(_, count)| *count != 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        let found: HashSet<String> = rows.into_iter().map(|(description, _)| description).collect();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
}

/// Callers that create one batch after the other.
struct Load {
    created: Vec<Arc<AtomicUsize>>,
    is_over: Arc<AtomicBool>,
    callers: JoinSet<Vec<String>>,
}

impl Load {
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

    /// Waits until each caller has created more.
    async fn await_progress(&self) {
        let created = || self.created.iter().map(|created| created.load(Ordering::SeqCst));
        let before: Vec<_> = created().collect();
        eventually("progress of all callers", async || {
            created().zip(&before).all(|(now, before)| now >= before + BATCHES).then_some(())
        })
        .await;
    }

    /// The descriptions of all batches that were acknowledged.
    async fn stop(self) -> HashSet<String> {
        self.is_over.store(true, Ordering::SeqCst);
        self.callers.join_all().await.into_iter().flatten().collect()
    }
}

/// Every second caller has a key for each batch, and repeats it until it is acknowledged.
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
async fn nothing_that_was_acknowledged_is_lost_with_the_primary_and_nothing_is_there_twice() {
    let mut pair = Pair::start().await;
    let load = Load::start(&pair.app);
    load.await_progress().await;

    pair.primary.kill().unwrap();
    pair.standby.promote().unwrap();
    load.await_progress().await;
    await_ready(&pair.app).await;

    pair.check(&load.stop().await);
}

/// Its connections stay, and reads go on, so nothing but the check finds out.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_turns_read_only_is_left_for_the_one_that_takes_writes() {
    let pair = Pair::start().await;
    let load = Load::start(&pair.app);
    load.await_progress().await;

    let url = pair.primary.url("postgres").parse().unwrap();
    psql(&url, "ALTER SYSTEM SET default_transaction_read_only = on");
    psql(&url, "SELECT pg_reload_conf()");
    super::await_not_ready(&pair.app).await;
    pair.standby.promote().unwrap();
    load.await_progress().await;
    await_ready(&pair.app).await;

    pair.check(&load.stop().await);
}

/// Its connections stay, and nothing comes back on them: nobody has ended it, so nothing but the
/// standby's answers tells that it is to be left.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_hangs_is_left_for_the_standby_that_takes_over() {
    let mut pair = Pair::start().await;
    let load = Load::start(&pair.app);
    load.await_progress().await;

    pair.primary.pause().unwrap();
    super::await_not_ready(&pair.app).await;
    pair.standby.promote().unwrap();
    load.await_progress().await;
    await_ready(&pair.app).await;

    // What it does when it comes back is of no matter any more.
    pair.primary.resume().unwrap();
    load.await_progress().await;
    pair.check(&load.stop().await);
}
