//! A tenant changes tasks that another session of the database has locked.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use tokio::task::spawn_blocking;

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
    support::Session,
};

/// The callers of each tenant that attacks, and how many tasks they change.
const CALLERS: usize = 60;
const TASKS: usize = 10;

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let mut session = Session::open(deployment.database.url());
    let mut swarm = Swarm::default();
    let siege = Siege::begin(&deployment, &deployment.tenants[2..], 6).await;
    for tenant in &deployment.tenants[..2] {
        let ids = session.query(&format!(
            "INSERT INTO tasks (tenant_id, case_id, description)
             SELECT {}, {}, 'locked' FROM generate_series(1, {TASKS}) RETURNING id",
            tenant.id, tenant.case_id,
        ));
        let ids: Vec<i64> = ids.lines().map(|id| id.parse().unwrap()).collect();
        let peer = Peer::connect(stage.attacker, deployment.rest, Takes::All).await.unwrap();
        for number in 0..CALLERS {
            let (peer, tenant) = (peer.clone(), Arc::clone(tenant));
            let id = ids[number % TASKS];
            // Half of them change one task, the others delete it with others.
            let (method, path, body) = if number % 2 == 0 {
                (Method::PUT, format!("/{id}"), r#"{"completed":true}"#.to_owned())
            } else {
                (Method::DELETE, "/batch".to_owned(), format!(r#"{{"task_ids":{ids:?}}}"#))
            };
            swarm.add(move || {
                let head = task_head(method.clone(), &tenant, &path).body(()).unwrap();
                let (peer, body) = (peer.clone(), Bytes::from(body.clone()));
                async move {
                    let _any = peer.call(head, body).await;
                }
            });
        }
    }
    session.query("BEGIN; SELECT FROM tasks WHERE description = 'locked' FOR UPDATE");
    swarm.attack_for(stage.attack).await;
    spawn_blocking(move || drop(session)).await.unwrap();
    siege.end(deployment, bounds(&stage)).await
}
