//! Two tenants with 300 callers each, and a quiet third.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};

use crate::{
    attack::{
        http2::{Peer, Takes},
        message::{Batch, grpc_head},
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    figures::{Bounds, Figures},
    latencies::Latencies,
    siege::{Siege, bounds, judge, remains},
    stage::Stage,
    support::Session,
};

/// The callers of each of the two tenants.
const CALLERS: usize = 300;

/// The connections of each of them.
const CONNECTIONS: usize = 4;

/// The tasks in each batch of the one and of the other.
const TASKS: [usize; 2] = [1, 25];

/// The callers of the quiet tenant.
const QUIET: usize = 3;

/// How much longer than alone a call of the quiet tenant may take, besides one statement's time.
const FACTOR: u32 = 3;

/// A bound below this would be one of the processors, which the callers use as well.
const LEAST: Duration = Duration::from_millis(60);

/// The same for the short form, with a third of the callers and programs that are not optimized.
const LEAST_SHORT: Duration = Duration::from_millis(500);

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let quiet = &deployment.tenants[2..3];
    let alone = Siege::begin(&deployment, quiet, QUIET).await;
    sleep(stage.attack / 2).await;
    let (alone, _) = alone.stop().await;
    let alone = Latencies::of(&alone).quantile(99);

    let siege = Siege::begin(&deployment, quiet, QUIET).await;
    let statement = longest_statement(&deployment, stage.attack);
    flood(&stage, &deployment).await.attack_for(stage.attack).await;
    let (samples, failures) = siege.stop().await;
    let statement = statement.await.unwrap();

    let remains = remains(deployment).await;
    let least = if stage.is_full { LEAST } else { LEAST_SHORT };
    let fair = (alone * FACTOR + statement).max(least);
    let bounds = Bounds { fair: Some(fair), ..bounds(&stage) };
    let mut figures = judge(&samples, failures, bounds, &remains);
    figures.note(format!(
        "p99 alone {alone:.1?}, longest statement {statement:.1?}, bound {fair:.1?}"
    ));
    figures
}

/// Samples how long the statements of the server have been running, and returns the longest time.
fn longest_statement(deployment: &Deployment, during: Duration) -> JoinHandle<Duration> {
    const AGE: &str = "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)
        FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()";
    let url = deployment.database.url().clone();
    let end = std::time::Instant::now() + during;
    spawn_blocking(move || {
        let mut session = Session::open(&url);
        let mut longest: f64 = 0.0;
        while std::time::Instant::now() < end {
            longest = longest.max(session.query(AGE).parse().unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
        Duration::from_secs_f64(longest)
    })
}

async fn flood(stage: &Stage, deployment: &Deployment) -> Swarm {
    let callers = if stage.is_full { CALLERS } else { CALLERS / 3 };
    let mut swarm = Swarm::default();
    for (tenant, tasks) in deployment.tenants[..2].iter().zip(TASKS) {
        for _ in 0..CONNECTIONS {
            let peer = Peer::connect(stage.attacker, deployment.grpc, Takes::All).await.unwrap();
            let message = Batch::short(tenant.case_id, "flood".to_owned()).repeated(tasks).grpc();
            for _ in 0..callers / CONNECTIONS {
                let (peer, tenant, message) = (peer.clone(), Arc::clone(tenant), message.clone());
                swarm.add(move || {
                    let (peer, message) = (peer.clone(), message.clone());
                    let head = grpc_head(Some(&tenant.key)).body(()).unwrap();
                    async move {
                        let _any = peer.call(head, message).await;
                    }
                });
            }
        }
    }
    swarm
}
