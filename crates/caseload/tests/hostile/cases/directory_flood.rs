//! A tenant that feeds users without pause, 500 at a time, on many connections.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use prost::Message as _;
use proto::directory::v1::{BatchUpsertUsersRequest, BatchUpsertUsersResponse, UpsertUser};

use crate::{
    attack::{
        effect::Effect,
        http2::{Peer, Takes},
        message::{grpc_frame, grpc_head_of},
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    fair_siege::FairSiege,
    figures::Figures,
    stage::Stage,
};

/// The callers, and their connections.
const CALLERS: usize = 60;
const CONNECTIONS: usize = 4;

/// How often users must have been fed: in the full form, and in the short one.
const LEAST: usize = 10;
const LEAST_SHORT: usize = 1;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let attacker = &deployment.tenants[0];
    // Also those of the tenant itself create tasks all the while.
    let siege = FairSiege::begin(&stage, &deployment, &deployment.tenants, 6).await;
    let numbers = Arc::new(AtomicUsize::new(0));
    let fed = Effect::new("feeds of 500 users");
    let mut swarm = Swarm::default();
    for _ in 0..CONNECTIONS {
        let peer = Peer::connect(stage.attacker, deployment.grpc, Takes::All).await.unwrap();
        for _ in 0..CALLERS / CONNECTIONS {
            let (peer, attacker) = (peer.clone(), Arc::clone(attacker));
            let (numbers, fed) = (Arc::clone(&numbers), fed.clone());
            swarm.add(move || {
                let method = "caseload.directory.v1.DirectoryService/BatchUpsertUsers";
                let head = grpc_head_of(method, Some(&attacker.key)).body(()).unwrap();
                // Every other call creates users, and the next one changes them.
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let (peer, message) = (peer.clone(), users(number / 2, number % 2));
                let fed = fed.clone();
                async move {
                    let response: Option<BatchUpsertUsersResponse> =
                        peer.call_grpc(head, message).await;
                    if response.is_some() {
                        fed.add();
                    }
                }
            });
        }
    }
    let least = if stage.is_full { LEAST } else { LEAST_SHORT };
    swarm.attack_until(stage.attack, || fed.is(least)).await;
    let mut figures = siege.end(&stage, deployment).await;
    fed.require(least, &mut figures);
    figures
}

/// Returns a call with 500 users of a group.
fn users(group: usize, version: usize) -> Bytes {
    let users = (0..500).map(|n| UpsertUser {
        external_id: format!("x{group}-{n}"),
        email: format!("x{group}-{n}@example.com"),
        first_name: Some(format!("Version {version}")),
        last_name: None,
    });
    let request = BatchUpsertUsersRequest { users: users.collect(), validate_only: false };
    grpc_frame(&request.encode_to_vec())
}
