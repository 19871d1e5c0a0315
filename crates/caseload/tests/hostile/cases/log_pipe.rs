//! Programs whose log goes to a pipe that nobody reads, while callers cause a line with each call.

use std::{fs::OpenOptions, process::Command};

use crate::{
    attack::{
        http2::{Peer, Takes},
        message::{Batch, grpc_head, rest_head},
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
};

/// The callers over each protocol.
const CALLERS: usize = 16;

pub(crate) async fn run(stage: Stage) -> Figures {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("log");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Both ends are open, so that opening one never blocks. Nothing is read.
    let _reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();

    let setup = Setup { log_pipe: Some(pipe), ..Setup::default() };
    let deployment = Deployment::start(&stage, setup).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 6).await;
    let case_id = deployment.tenants[0].case_id;
    // Calls without a key, each of which is logged.
    let batch = Batch::short(case_id, "x".to_owned());
    let mut swarm = Swarm::default();
    for (to, is_grpc) in [(deployment.grpc, true), (deployment.rest, false)] {
        let peer = Peer::connect(stage.attacker, to, Takes::All).await.unwrap();
        for _ in 0..CALLERS {
            let (peer, batch) = (peer.clone(), batch.clone());
            swarm.add(move || {
                let (peer, batch) = (peer.clone(), batch.clone());
                async move {
                    let head = if is_grpc { grpc_head(None) } else { rest_head(case_id, None) };
                    let body = if is_grpc { batch.grpc() } else { batch.json() };
                    let _any = peer.call(head.body(()).unwrap(), body).await;
                }
            });
        }
    }
    swarm.attack_for(stage.attack).await;
    siege.end(deployment, bounds(&stage)).await
}
