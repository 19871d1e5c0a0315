//! Two tenants list very many cases, and what was done to a task a very long time.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::{
    attack::{
        effect::Effect,
        http2::{Peer, Takes},
        message::case_head,
        swarm::Swarm,
    },
    deployment::{Deployment, Setup, Tenant},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
};

/// The tenants that list, the callers of each, and how many cases it has, and events of one task.
const ATTACKERS: usize = 2;
const CALLERS: usize = 60;
const CASES: usize = 50_000;
const EVENTS: usize = 100_000;

/// How many lists must have been read.
const LEAST: usize = 20;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let (attackers, others) = deployment.tenants.split_at(ATTACKERS);
    let tasks: Vec<_> = attackers.iter().map(|attacker| populate(&deployment, attacker)).collect();
    deployment.database.query("VACUUM ANALYZE cases");
    deployment.database.query("VACUUM ANALYZE task_events");
    let siege = Siege::begin(&deployment, others, 6).await;
    let read = Effect::new("lists read");
    let mut swarm = Swarm::default();
    let peer = Peer::connect(stage.attacker, deployment.rest, Takes::All).await.unwrap();
    for index in 0..ATTACKERS * CALLERS {
        let (peer, attacker) = (peer.clone(), Arc::clone(&attackers[index % ATTACKERS]));
        let (number, read) = (index / ATTACKERS, read.clone());
        let page = 1 + number * 30;
        let events = format!("/{}/tasks/{}/events", attacker.case_id, tasks[index % ATTACKERS]);
        let path = match number % 3 {
            0 => format!("?per_page=50&page={page}"),
            1 => format!("?per_page=50&page={page}&priority=HIGH"),
            _ => format!("{events}?per_page=50&page={page}"),
        };
        swarm.add(move || {
            let head = case_head(Method::GET, &attacker, &path).body(()).unwrap();
            let (peer, read) = (peer.clone(), read.clone());
            async move {
                let status = peer.call(head, Bytes::new()).await;
                if status.is_ok_and(|status| status == StatusCode::OK) {
                    read.add();
                }
            }
        });
    }
    swarm.attack_until(stage.attack, || read.is(LEAST)).await;
    let mut figures = siege.end(deployment, bounds(&stage)).await;
    read.require(LEAST, &mut figures);
    figures
}

/// Creates the cases of a tenant, and a task with its events. Returns the task's id.
fn populate(deployment: &Deployment, tenant: &Tenant) -> i64 {
    let Tenant { id, case_id, .. } = tenant;
    deployment.database.query(&format!(
        "INSERT INTO cases (tenant_id, name, priority)
         SELECT {id}, 'one of many', CASE WHEN n % 2 = 0 THEN 'LOW' ELSE 'HIGH' END
         FROM generate_series(1, {CASES}) AS n"
    ));
    let task = deployment.database.query(&format!(
        "INSERT INTO tasks (tenant_id, case_id, description) VALUES ({id}, {case_id}, 'one')
         RETURNING id"
    ));
    deployment.database.query(&format!(
        "INSERT INTO task_events (tenant_id, kind, case_id, task_id, api_key_id, request_id)
         SELECT {id}, CASE WHEN n % 2 = 0 THEN 'completed' ELSE 'reopened' END, {case_id}, {task},
             (SELECT k.id FROM api_keys AS k WHERE k.tenant_id = {id}), 'r'
         FROM generate_series(1, {EVENTS}) AS n"
    ));
    task.parse().unwrap()
}
