//! A server, or Postgres, that stands still for a moment under very many calls that don't wait.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use http::StatusCode;
use localdb::Cluster;
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    attack::{
        http2::{Peer, Takes},
        message::{Batch, rest_head},
        swarm::Swarm,
    },
    caller::{Outcome, Sample},
    deployment::{Deployment, EMAIL, Setup, Tenant},
    figures::{Bounds, Figures},
    siege::{Siege, bounds, judge, remains},
    stage::Stage,
    support::TestDatabase,
    tap::Tap,
};

/// Calls a second, in the full form and in the short one, which runs as a debug build: there a thousand
/// would keep two processors busy, and their neighbours waiting.
const RATE: u32 = 1_000;
const SHORT_RATE: u32 = 300;

/// The time that each of them grants.
const GRANTED: &str = "0.2";

/// How long queries wait for a connection, in the full form and in the short one: the default of 2 s, and as long
/// as the server stands still, since that counts.
const CHECKOUT_TIMEOUT: &str = "4500ms";
const SHORT_CHECKOUT_TIMEOUT: &str = "3500ms";

/// The connections over which they come.
const CONNECTIONS: u32 = 5;

/// What the descriptions of their tasks begin with.
const NAME: &str = "hasty-";

/// What statements with tasks have: those of these callers, or of their neighbours.
const WRITTEN: &[&str] = &[NAME, EMAIL];

/// The default of `--writers`.
const WRITERS: usize = 2;

/// How long after it goes on everything is served again.
const RECOVERY: Duration = Duration::from_millis(1_500);

/// What the gateway logs about a connection that broke.
const LOST: &str = "lost a call to the server";

/// Freezes the server, while its writers wait for Postgres. A writer that has just decided to begin a batch
/// would send it when it goes on, and nothing in the server can tell.
pub(crate) async fn run_server(stage: Stage) -> Figures {
    let (tap, database) = Tap::start(&TestDatabase::create(), WRITTEN);
    let setup = Setup {
        server_args: vec!["--checkout-timeout", checkout_timeout(&stage)],
        database: Some(database),
        tap: Some(tap.clone()),
        ..Setup::default()
    };
    let deployment = Deployment::start(&stage, setup).await;
    let siege = Siege::without_health(&deployment, &deployment.tenants[1..], 6).await;
    let hasty = Hasty::default();
    let swarm = hasty.start(&stage, &deployment).await;
    let frozen = frozen(&stage);
    let freeze = async {
        sleep(Duration::from_millis(300)).await;
        let held = tap.clone();
        spawn_blocking(move || held.hold_results(WRITERS)).await.unwrap();
        deployment.freeze_server();
        tap.release_results();
        sleep(frozen).await;
        deployment.resume_server();
        sleep(RECOVERY).await;
    };
    tokio::join!(swarm.attack_for(Duration::from_millis(300) + frozen + RECOVERY / 2), freeze);
    let (samples, failures) = siege.stop().await;
    let remains = remains(deployment).await;
    let bounds = Bounds { answered: frozen + bounds(&stage).answered, fair: None };
    let mut figures = judge(&samples, failures, bounds, &remains);
    let lost = remains.gateway_log.lines().filter(|line| line.contains(LOST)).count();
    if lost > 0 {
        figures.defect(format!("the gateway's connection broke: {lost} × {LOST}"));
    }
    figures.late(&hasty.take(), &remains);
    figures
}

/// Freezes Postgres. While it stands still nobody can be served, so only the calls afterwards are
/// judged, and that nothing is written late.
pub(crate) async fn run_postgres(stage: Stage) -> Figures {
    let cluster = spawn_blocking(|| Cluster::temporary().start().unwrap()).await.unwrap();
    let (tap, database) = Tap::start(&TestDatabase::create_on(&cluster).await, WRITTEN);
    let setup = Setup { database: Some(database), tap: Some(tap), ..Setup::default() };
    let deployment = Deployment::start(&stage, setup).await;
    let siege = Siege::without_health(&deployment, &deployment.tenants[1..], 6).await;
    let hasty = Hasty::default();
    let swarm = hasty.start(&stage, &deployment).await;
    let frozen = frozen(&stage);
    let freeze = spawn_blocking(move || {
        let mut cluster = cluster;
        std::thread::sleep(Duration::from_millis(300));
        cluster.pause().unwrap();
        std::thread::sleep(frozen);
        cluster.resume().unwrap();
        (cluster, Instant::now())
    });
    swarm.attack_for(Duration::from_millis(300) + frozen + RECOVERY / 2).await;
    let (cluster, resumed) = freeze.await.unwrap();
    sleep((resumed + RECOVERY + Duration::from_secs(1)).saturating_duration_since(Instant::now()))
        .await;
    let (samples, failures) = siege.stop().await;
    let remains = remains(deployment).await;
    let (after, before): (Vec<_>, Vec<_>) =
        samples.into_iter().partition(|sample| sample.sent > resumed + RECOVERY);
    let mut figures = judge(&after, failures, bounds(&stage), &remains);
    figures.late(&before, &remains);
    figures.late(&hasty.take(), &remains);
    spawn_blocking(move || drop(cluster)).await.unwrap();
    figures
}

/// Shorter than the time after which connections that don't answer are replaced.
fn frozen(stage: &Stage) -> Duration {
    if stage.is_full { Duration::from_millis(2_500) } else { Duration::from_millis(1_500) }
}

fn checkout_timeout(stage: &Stage) -> &'static str {
    if stage.is_full { CHECKOUT_TIMEOUT } else { SHORT_CHECKOUT_TIMEOUT }
}

fn rate(stage: &Stage) -> u32 {
    if stage.is_full { RATE } else { SHORT_RATE }
}

/// Callers that grant little time, all of one tenant, and what they were told.
#[derive(Clone, Default)]
struct Hasty {
    told: Arc<Mutex<Vec<Sample>>>,
}

impl Hasty {
    async fn start(&self, stage: &Stage, deployment: &Deployment) -> Swarm {
        let mut swarm = Swarm::default();
        for connection in 0..CONNECTIONS {
            let peer = Peer::connect(stage.attacker, deployment.rest, Takes::All).await.unwrap();
            let (hasty, tenant) = (self.clone(), Arc::clone(&deployment.tenants[0]));
            let pause = Duration::from_secs(1) * CONNECTIONS / rate(stage);
            swarm.add(move || {
                hasty.clone().call_often(peer.clone(), Arc::clone(&tenant), connection, pause)
            });
        }
        swarm
    }

    /// Makes calls at a fixed rate, without waiting for responses.
    async fn call_often(self, peer: Peer, tenant: Arc<Tenant>, connection: u32, pause: Duration) {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 0.. {
            ticks.tick().await;
            let name = format!("{NAME}{connection}-{number}");
            tokio::spawn(self.clone().call(peer.clone(), Arc::clone(&tenant), name));
        }
    }

    async fn call(self, peer: Peer, tenant: Arc<Tenant>, name: String) {
        let head = rest_head(tenant.case_id, Some(&tenant.key)).header("request-timeout", GRANTED);
        let body = Batch::short(tenant.case_id, name.clone()).json();
        let sent = Instant::now();
        let status = peer.call(head.body(()).unwrap(), body).await;
        if status.is_ok_and(|status| status == StatusCode::GATEWAY_TIMEOUT) {
            let outcome = Outcome::TimeOver(SystemTime::now());
            let sample = Sample { name, sent, latency: sent.elapsed(), outcome };
            self.told.lock().unwrap().push(sample);
        }
    }

    fn take(self) -> Vec<Sample> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}
