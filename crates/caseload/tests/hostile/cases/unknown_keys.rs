//! A flood of calls, each with another key that does not exist; in the end while the look-up of keys
//! is stuck.

use std::sync::{Arc, Mutex};

use tokio::task::spawn_blocking;

use crate::{
    attack::{
        http2::{Peer, Takes},
        message::{Batch, grpc_head, rest_head, unknown_key},
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
    support::Session,
};

/// The callers over each protocol.
const CALLERS: usize = 200;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 6).await;
    flood(&stage, &deployment).await.attack_for(stage.attack / 3).await;

    let mut session = Session::open(deployment.database.url());
    session.query("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE");
    flood(&stage, &deployment).await.attack_for(stage.attack * 2 / 3).await;
    spawn_blocking(move || drop(session)).await.unwrap();
    siege.end(deployment, bounds(&stage)).await
}

async fn flood(stage: &Stage, deployment: &Deployment) -> Swarm {
    let case_id = deployment.tenants[0].case_id;
    let batch = Batch::short(case_id, "x".to_owned());
    let random = Arc::new(Mutex::new(stage.random(1)));
    let mut swarm = Swarm::default();
    for (to, is_grpc) in [(deployment.grpc, true), (deployment.rest, false)] {
        let peer = Peer::connect(stage.attacker, to, Takes::All).await.unwrap();
        for _ in 0..CALLERS {
            let (peer, batch, random) = (peer.clone(), batch.clone(), Arc::clone(&random));
            swarm.add(move || {
                let key = unknown_key(&mut random.lock().unwrap());
                let head =
                    if is_grpc { grpc_head(Some(&key)) } else { rest_head(case_id, Some(&key)) };
                let body = if is_grpc { batch.grpc() } else { batch.json() };
                let peer = peer.clone();
                async move {
                    let _any = peer.call(head.body(()).unwrap(), body).await;
                }
            });
        }
    }
    swarm
}
