//! Two tenants with 300 callers each, and a quiet third.

use std::sync::Arc;

use crate::{
    attack::{
        http2::{Peer, Takes},
        message::{Batch, grpc_head},
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    fair_siege::FairSiege,
    figures::Figures,
    stage::Stage,
};

/// The callers of each of the two tenants.
const CALLERS: usize = 300;

/// The connections of each of them.
const CONNECTIONS: usize = 4;

/// The tasks in each batch of the one and of the other.
const TASKS: [usize; 2] = [1, 25];

/// The callers of the quiet tenant.
const QUIET: usize = 3;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let siege = FairSiege::begin(&stage, &deployment, &deployment.tenants[2..3], QUIET).await;
    flood(&stage, &deployment).await.attack_for(stage.attack).await;
    siege.end(&stage, deployment).await
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
