//! Two tenants create cases with as many tasks as there may be, change one case from all sides, and delete
//! cases of very many tasks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;

use crate::{
    attack::{
        effect::Effect,
        http2::{Peer, Takes},
        message::case_head,
        swarm::Swarm,
    },
    deployment::{Deployment, EMAIL, Setup, Tenant},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
};

/// The tenants that attack, and the callers of each: those who create cases, change one, and delete others.
const ATTACKERS: usize = 2;
const CREATORS: usize = 40;
const CHANGERS: usize = 20;
const DELETERS: usize = 10;

/// The cases that each tenant deletes, and how many tasks each has: in the full form, and in the short one.
const LARGE: (usize, usize) = (20, 4000);
const LARGE_SHORT: (usize, usize) = (4, 1500);

/// How often each kind of call must have succeeded: in the full form, and in the short one.
const LEAST: usize = 4;
const LEAST_SHORT: usize = 1;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let (attackers, others) = deployment.tenants.split_at(ATTACKERS);
    let large: Vec<_> =
        attackers.iter().map(|attacker| large_cases(&stage, &deployment, attacker)).collect();
    deployment.database.query("VACUUM ANALYZE tasks");
    let siege = Siege::begin(&deployment, others, 6).await;
    let effects = ["cases created", "changes made", "large cases deleted"].map(Effect::new);
    let mut swarm = Swarm::default();
    for (attacker, large) in attackers.iter().zip(large) {
        let peer = Peer::connect(stage.attacker, deployment.rest, Takes::All).await.unwrap();
        let [created, changed, deleted] = &effects;
        let of_all = format!("/{}", attacker.case_id);
        for number in 0..CREATORS {
            let body = new_case(number);
            add(&mut swarm, &peer, attacker, created, move || {
                (Method::POST, String::new(), body.clone())
            });
        }
        for number in 0..CHANGERS {
            let (path, body) = (of_all.clone(), json!({"name": number.to_string()}).to_string());
            add(&mut swarm, &peer, attacker, changed, move || {
                (Method::PUT, path.clone(), body.clone().into())
            });
        }
        let next = Arc::new(AtomicUsize::new(0));
        let large = Arc::new(large);
        for _ in 0..DELETERS {
            let (large, next) = (Arc::clone(&large), Arc::clone(&next));
            add(&mut swarm, &peer, attacker, deleted, move || {
                // Again from the first one, as a deletion may have been rejected.
                let index = next.fetch_add(1, Ordering::Relaxed) % large.len();
                (Method::DELETE, format!("/{}", large[index]), Bytes::new())
            });
        }
    }
    let least = if stage.is_full { LEAST } else { LEAST_SHORT };
    swarm.attack_until(stage.attack, || effects.iter().all(|effect| effect.is(least))).await;
    let mut figures = siege.end(deployment, bounds(&stage)).await;
    for effect in effects {
        effect.require(least, &mut figures);
    }
    figures
}

/// Adds an attacker who makes one request after another.
fn add(
    swarm: &mut Swarm,
    peer: &Peer,
    attacker: &Arc<Tenant>,
    effect: &Effect,
    mut request: impl FnMut() -> (Method, String, Bytes) + Send + 'static,
) {
    let (peer, attacker, effect) = (peer.clone(), Arc::clone(attacker), effect.clone());
    swarm.add(move || {
        let (method, path, body) = request();
        let head = case_head(method, &attacker, &path).body(()).unwrap();
        let (peer, effect) = (peer.clone(), effect.clone());
        async move {
            if peer.call(head, body).await.is_ok_and(|status: StatusCode| status.is_success()) {
                effect.add();
            }
        }
    });
}

/// Returns the request to create a case with 25 tasks. Every other one has assignees.
fn new_case(number: usize) -> Bytes {
    let emails = if number.is_multiple_of(2) { vec![EMAIL] } else { Vec::new() };
    let task = json!({"description": "one of many", "assignee_emails": emails});
    json!({"name": "a case", "tasks": vec![task; 25]}).to_string().into()
}

/// Creates the cases that a tenant deletes. Returns their ids.
fn large_cases(stage: &Stage, deployment: &Deployment, tenant: &Tenant) -> Vec<i64> {
    let (cases, tasks) = if stage.is_full { LARGE } else { LARGE_SHORT };
    let id = tenant.id;
    let ids = deployment.database.query(&format!(
        "WITH large AS (
             INSERT INTO cases (tenant_id, name)
             SELECT {id}, 'large' FROM generate_series(1, {cases}) RETURNING id
         ), task AS (
             INSERT INTO tasks (tenant_id, case_id, description)
             SELECT {id}, l.id, 'one of many' FROM large AS l, generate_series(1, {tasks})
         )
         SELECT l.id FROM large AS l"
    ));
    ids.lines().map(|id| id.parse().unwrap()).collect()
}
