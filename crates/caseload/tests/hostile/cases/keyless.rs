//! Connections that open as many streams as they may, and send nothing else: no key, no message.

use std::net::SocketAddr;

use http::Request;

use crate::{
    attack::{
        effect::Effect,
        http2::{Peer, Stream, Takes},
        message::{grpc_head, rest_head},
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
};

/// The streams that a connection to the server opens: more than `--max-in-flight`.
const GRPC_STREAMS: usize = 2_100;

/// The streams that a connection to the gateway opens: as many as it may.
const REST_STREAMS: usize = 256;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 6).await;
    let mut swarm = Swarm::default();
    let (grpc, rest) = if stage.is_full { (4, 20) } else { (1, 6) };
    let held = add(&mut swarm, &stage, &deployment, grpc, rest);
    swarm.attack_for(stage.attack).await;
    let mut figures = siege.end(deployment, bounds(&stage)).await;
    held.require(grpc * GRPC_STREAMS + rest * REST_STREAMS / 2, &mut figures);
    figures
}

/// Adds attackers with these numbers of connections to the server and to the gateway. Counts the streams
/// that they open.
pub(super) fn add(
    swarm: &mut Swarm,
    stage: &Stage,
    deployment: &Deployment,
    grpc: usize,
    rest: usize,
) -> Effect {
    let held = Effect::new("streams without a message");
    let case_id = deployment.tenants[0].case_id;
    for _ in 0..grpc {
        let (stage, to, held) = (stage.clone(), deployment.grpc, held.clone());
        let head = || grpc_head(None).body(()).unwrap();
        swarm.add(move || hold(stage.clone(), to, head, GRPC_STREAMS, held.clone()));
    }
    for _ in 0..rest {
        let (stage, to, held) = (stage.clone(), deployment.rest, held.clone());
        let head = move || rest_head(case_id, None).body(()).unwrap();
        swarm.add(move || hold(stage.clone(), to, head, REST_STREAMS, held.clone()));
    }
    held
}

/// Opens streams on one connection, and keeps them until the connection ends.
async fn hold(
    stage: Stage,
    to: SocketAddr,
    head: impl Fn() -> Request<()>,
    count: usize,
    held: Effect,
) {
    let Some(peer) = Peer::connect(stage.attacker, to, Takes::All).await else { return };
    let mut streams: Vec<Stream> = Vec::new();
    while streams.len() < count {
        match peer.open(head()).await {
            Ok(stream) => {
                held.add();
                streams.push(stream);
            }
            Err(_) => return,
        }
    }
    peer.closed().await;
}
