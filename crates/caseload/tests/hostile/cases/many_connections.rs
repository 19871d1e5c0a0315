//! More connections from one address than a program takes in all.

use tokio::io::AsyncReadExt as _;

use crate::{
    attack::{effect::Effect, socket::connect, swarm::Swarm},
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
    let (opened, closed) = (Effect::new("connections opened"), Effect::new("connections closed"));
    for to in [deployment.rest, deployment.grpc] {
        for _ in 0..CONNECTIONS {
            let (stage, opened, closed) = (stage.clone(), opened.clone(), closed.clone());
            swarm.add(move || {
                let (stage, opened, closed) = (stage.clone(), opened.clone(), closed.clone());
                async move {
                    let Ok(mut stream) = connect(stage.attacker, to).await else { return };
                    opened.add();
                    // Until the other end closes it.
                    let _closed = stream.read_u8().await;
                    closed.add();
                }
            });
        }
    }
    swarm.attack_for(stage.attack).await;
    let mut figures = siege.end(deployment, bounds(&stage)).await;
    opened.require(2 * CONNECTIONS, &mut figures);
    // As many are open on each program as it takes, at most.
    closed.require(CONNECTIONS, &mut figures);
    figures
}
