//! Bodies of very many empty items, which are small on the wire and large in memory.

use std::net::SocketAddr;

use bytes::Bytes;
use domain::ApiKey;

use crate::{
    attack::{
        bomb,
        effect::Effect,
        http2::{Peer, Takes},
        message::{grpc_head, rest_head, unknown_key},
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    figures::{Bounds, Figures},
    siege::{Siege, bounds},
    stage::Stage,
};

/// The callers over each protocol, each on a connection of its own.
const CALLERS: usize = 40;

/// Neighbours share the processors with what has to be read of each body.
const SLACK: u32 = 2;

/// One kind of attackers.
#[derive(Clone)]
struct Attackers {
    to: SocketAddr,
    /// The case, over REST; `None` over gRPC.
    case_id: Option<i64>,
    key: ApiKey,
    bodies: Vec<Bytes>,
}

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 4).await;
    let known = &deployment.tenants[0].key;
    let unknown = unknown_key(&mut stage.random(1));
    let mut effects = Vec::new();
    for key in [&unknown, known] {
        let mut swarm = Swarm::default();
        effects.push(add(&mut swarm, &stage, &deployment, key));
        swarm.attack_for(stage.attack / 2).await;
    }
    let bounds = Bounds { answered: bounds(&stage).answered * SLACK, fair: None };
    let mut figures = siege.end(deployment, bounds).await;
    // All callers of both programs. The short form may not get so far on a machine that has more to do.
    let least = if stage.is_full { 2 * CALLERS } else { 1 };
    for effect in effects {
        effect.require(least, &mut figures);
    }
    figures
}

/// Adds attackers of both programs, with a key. Counts the bodies that they begin to send.
pub(super) fn add(
    swarm: &mut Swarm,
    stage: &Stage,
    deployment: &Deployment,
    key: &ApiKey,
) -> Effect {
    let sent = Effect::new("bombs sent");
    let case_id = deployment.tenants[0].case_id;
    let grpc = (deployment.grpc, None, bomb::grpc());
    let rest = (deployment.rest, Some(case_id), bomb::rest());
    for (to, case_id, bodies) in [grpc, rest] {
        let attackers = Attackers { to, case_id, key: key.clone(), bodies };
        for number in 0..CALLERS {
            let (stage, attackers, sent) = (stage.clone(), attackers.clone(), sent.clone());
            swarm.add(move || attackers.clone().send(stage.clone(), number, sent.clone()));
        }
    }
    sent
}

impl Attackers {
    async fn send(self, stage: Stage, number: usize, sent: Effect) {
        let Some(peer) = Peer::connect(stage.attacker, self.to, Takes::All).await else { return };
        for body in self.bodies.iter().cycle().skip(number).take(self.bodies.len()) {
            let head = match self.case_id {
                Some(case_id) => rest_head(case_id, Some(&self.key)),
                None => grpc_head(Some(&self.key)),
            };
            sent.add();
            let _any = peer.call(head.body(()).unwrap(), body.clone()).await;
        }
    }
}
