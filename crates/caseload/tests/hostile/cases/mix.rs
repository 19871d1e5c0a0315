//! Everything that takes memory, at once.

use crate::{
    attack::swarm::Swarm,
    deployment::{Deployment, Setup},
    figures::{Bounds, Figures},
    siege::{Siege, bounds},
    stage::Stage,
};

use super::{decode_bomb, keyless, unread};

/// Neighbours share the processors with all of it.
const SLACK: u32 = 3;

/// How often each of the attacks must have its effect.
const LEAST: usize = 5;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    unread::prepare(&stage, &deployment).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 4).await;
    let mut swarm = Swarm::default();
    let effects = [
        unread::add(&mut swarm, &stage, &deployment, false, (3, 2, 20)),
        unread::add(&mut swarm, &stage, &deployment, true, (3, 2, 0)),
        keyless::add(&mut swarm, &stage, &deployment, 2, 6),
        decode_bomb::add(&mut swarm, &stage, &deployment, &deployment.tenants[0].key),
    ];
    swarm.attack_for(stage.attack * 2).await;
    let bounds = Bounds { answered: bounds(&stage).answered * SLACK, fair: None };
    let mut figures = siege.end(deployment, bounds).await;
    for effect in effects {
        effect.require(LEAST, &mut figures);
    }
    figures
}
