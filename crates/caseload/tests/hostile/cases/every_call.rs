//! A tenant makes every call of the contract without pause, over gRPC.

mod attacker;
mod cases;
mod tasks;
mod users;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    attack::{
        http2::{Peer, Takes},
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
};
use attacker::{Attacker, Calls};

/// The callers, and their connections.
const CALLERS: usize = 60;
const CONNECTIONS: usize = 4;

/// How often each call must have succeeded: in the full form, and in the short one.
const LEAST: usize = 4;
const LEAST_SHORT: usize = 1;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 6).await;
    let calls = Arc::new(Calls::default());
    let rounds = Arc::new(AtomicUsize::new(0));
    let mut swarm = Swarm::default();
    for _ in 0..CONNECTIONS {
        let peer = Peer::connect(stage.attacker, deployment.grpc, Takes::All).await.unwrap();
        for caller in 0..CALLERS / CONNECTIONS {
            let (tenant, calls) = (Arc::clone(&deployment.tenants[0]), Arc::clone(&calls));
            let attacker = Attacker { peer: peer.clone(), tenant, calls };
            let rounds = Arc::clone(&rounds);
            swarm.add(move || {
                let (attacker, round) = (attacker.clone(), rounds.fetch_add(1, Ordering::Relaxed));
                async move {
                    // A round ends early where a call that others need is refused. Of the directory, a tenant
                    // makes eight calls at once, and so a few more are tried.
                    let _ended = match caller {
                        0 | 1 => users::round(&attacker, round).await,
                        2 => cases::feeding_round(&attacker, round).await,
                        3..=8 => cases::round(&attacker).await,
                        _ => tasks::round(&attacker, round).await,
                    };
                }
            });
        }
    }
    let least = if stage.is_full { LEAST } else { LEAST_SHORT };
    swarm.attack_until(stage.attack, || calls.all_were_made(least)).await;
    let mut figures = siege.end(deployment, bounds(&stage)).await;
    calls.require(least, &mut figures);
    figures
}
