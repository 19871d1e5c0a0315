//! Clients that send a byte now and then: heads of requests, and bodies.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use domain::ApiKey;
use tokio::{io::AsyncWriteExt as _, time::sleep};

use crate::{
    attack::{
        effect::Effect,
        http2::{Peer, Takes},
        message::{grpc_head, rest_head},
        socket::connect,
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
};

/// The pause between two bytes.
const PAUSE: Duration = Duration::from_secs(1);

/// The streams of each HTTP/2 connection.
const STREAMS: usize = 250;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 6).await;
    let tenant = &deployment.tenants[0];
    let (http1, http2) = if stage.is_full { (500, 6) } else { (100, 2) };
    let case_id = tenant.case_id;
    let start = format!("POST /api/v2/cases/{case_id}/tasks/batch HTTP/1.1\r\nhost: a\r\n");
    let with_key = format!(
        "{start}authorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 100000\r\n\r\n",
        tenant.key.expose()
    );
    let mut swarm = Swarm::default();
    let dripping = Effect::new("requests of which bytes were sent one by one");
    for head in [start, with_key] {
        for _ in 0..http1 {
            let (stage, head, to) = (stage.clone(), head.clone(), deployment.rest);
            let dripping = dripping.clone();
            swarm.add(move || drip_over_http1(stage.clone(), to, head.clone(), dripping.clone()));
        }
    }
    for key in [Some(tenant.key.clone()), None] {
        for _ in 0..http2 {
            for (to, case_id) in [(deployment.rest, Some(case_id)), (deployment.grpc, None)] {
                let (stage, key, dripping) = (stage.clone(), key.clone(), dripping.clone());
                swarm.add(move || {
                    drip_over_http2(stage.clone(), to, case_id, key.clone(), dripping.clone())
                });
            }
        }
    }
    swarm.attack_for(stage.attack).await;
    let mut figures = siege.end(deployment, bounds(&stage)).await;
    // Both heads over HTTP/1.1. Over HTTP/2 those with a key are not rejected before their first byte.
    dripping.require(http1 + http2 * STREAMS, &mut figures);
    figures
}

/// Sends a beginning, then a byte at a time, until the other end closes the connection.
async fn drip_over_http1(stage: Stage, to: SocketAddr, beginning: String, dripping: Effect) {
    let Ok(mut stream) = connect(stage.attacker, to).await else { return };
    if stream.write_all(beginning.as_bytes()).await.is_ok() {
        dripping.add();
        while stream.write_all(b"x").await.is_ok() {
            sleep(PAUSE).await;
        }
    }
}

/// Does the same on all streams of a connection. `case_id` is `None` over gRPC.
async fn drip_over_http2(
    stage: Stage,
    to: SocketAddr,
    case_id: Option<i64>,
    key: Option<ApiKey>,
    dripping: Effect,
) {
    let Some(peer) = Peer::connect(stage.attacker, to, Takes::All).await else { return };
    let mut swarm = Swarm::default();
    for _ in 0..STREAMS {
        let (peer, key, dripping) = (peer.clone(), key.clone(), dripping.clone());
        swarm.add(move || {
            let head = match case_id {
                Some(case_id) => rest_head(case_id, key.as_ref()),
                None => grpc_head(key.as_ref()),
            };
            let (peer, dripping) = (peer.clone(), dripping.clone());
            async move {
                let Ok(mut stream) = peer.open(head.body(()).unwrap()).await else { return };
                // As in gRPC, a prefix that announces 100,000 bytes.
                let mut next = Bytes::from_static(&[0, 0, 1, 0x86, 0xa0]);
                dripping.add();
                while stream.body.send_data(next, false).is_ok() {
                    sleep(PAUSE).await;
                    next = Bytes::from_static(b"x");
                }
            }
        });
    }
    peer.closed().await;
}
