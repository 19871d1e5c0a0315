//! More connections from one address than a program takes in all.

use tokio::io::AsyncReadExt as _;

use crate::{
    attack::{socket::connect, swarm::Swarm},
    deployment::{Deployment, Setup},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
};

/// The connections that each program takes, and how many an attacker opens.
const MAX_CONNECTIONS: &str = "200";
const CONNECTIONS: usize = 400;

pub(crate) async fn run(stage: Stage) -> Figures {
    let setup = Setup { args: vec!["--max-connections", MAX_CONNECTIONS], ..Setup::default() };
    let deployment = Deployment::start(&stage, setup).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 6).await;
    let mut swarm = Swarm::default();
    for to in [deployment.rest, deployment.grpc] {
        for _ in 0..CONNECTIONS {
            let stage = stage.clone();
            swarm.add(move || {
                let stage = stage.clone();
                async move {
                    let Ok(mut stream) = connect(stage.attacker, to).await else { return };
                    // Until the other end closes it.
                    let _closed = stream.read_u8().await;
                }
            });
        }
    }
    swarm.attack_for(stage.attack).await;
    siege.end(deployment, bounds(&stage)).await
}
