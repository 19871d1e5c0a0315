//! Two tenants list cases of very many tasks, whose count takes time.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use crate::{
    attack::{
        http2::{Peer, Takes},
        message::task_head,
        swarm::Swarm,
    },
    deployment::{Deployment, Setup},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
};

/// The tenants that list, the callers of each, and how many tasks it has.
const ATTACKERS: usize = 2;
const CALLERS: usize = 60;
const TASKS: usize = 100_000;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let (attackers, others) = deployment.tenants.split_at(ATTACKERS);
    for attacker in attackers {
        deployment.database.query(&format!(
            "INSERT INTO tasks (tenant_id, case_id, description, completed)
             SELECT {}, {}, 'one of many', n % 2 = 0 FROM generate_series(1, {TASKS}) AS n",
            attacker.id, attacker.case_id,
        ));
    }
    deployment.database.query("VACUUM ANALYZE tasks");
    let siege = Siege::begin(&deployment, others, 6).await;
    let mut swarm = Swarm::default();
    let peer = Peer::connect(stage.attacker, deployment.rest, Takes::All).await.unwrap();
    for index in 0..ATTACKERS * CALLERS {
        let (peer, attacker) = (peer.clone(), Arc::clone(&attackers[index % ATTACKERS]));
        let number = index / ATTACKERS;
        let filter = if number.is_multiple_of(2) { "" } else { "&completed=true" };
        let path = format!("?per_page=50&page={}{filter}", 1 + number * 30);
        swarm.add(move || {
            let head = task_head(Method::GET, &attacker, &path).body(()).unwrap();
            let peer = peer.clone();
            async move {
                let _any = peer.call(head, Bytes::new()).await;
            }
        });
    }
    swarm.attack_for(stage.attack).await;
    siege.end(deployment, bounds(&stage)).await
}
