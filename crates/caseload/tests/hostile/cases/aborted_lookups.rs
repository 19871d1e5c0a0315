//! Very many calls with one key, each given up while the key is being looked up.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::{
    attack::{
        http2::{Peer, Takes},
        message::{Batch, grpc_head},
    },
    caller::{Caller, Outcome, Path},
    deployment::{Deployment, Setup},
    figures::Figures,
    neighbours::GRANTED,
    siege::{Siege, bounds, judge, remains},
    stage::Stage,
    support::Session,
};

/// The calls that wait for the key at once, and how many of them are given up, in the order in which
/// they came.
const CALLS: usize = 420;
const GIVEN_UP: usize = 400;

/// The code of a call that failed for now.
const UNAVAILABLE: &str = "14";

/// The pause between two calls that are given up.
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) async fn run(stage: Stage) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 6).await;
    let tenant = Arc::clone(&deployment.tenants[0]);
    let mut defects = Vec::new();

    let mut session = Session::open(deployment.database.url());
    session.query("BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE");
    let peer = Peer::connect(stage.attacker, deployment.grpc, Takes::All).await.unwrap();
    let message = Batch::short(tenant.case_id, "aborted".to_owned()).grpc();
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        let head = grpc_head(Some(&tenant.key)).body(()).unwrap();
        let mut stream = peer.open(head).await.unwrap();
        stream.body.send_data(message.clone(), true).unwrap();
        calls.push(stream.response);
    }
    // The calls have arrived once one that came later is waiting, too.
    session.await_blocked(1);
    for call in calls.drain(..GIVEN_UP) {
        // A response that is dropped cancels its call.
        drop(call);
        sleep(PAUSE).await;
    }
    spawn_blocking(move || drop(session)).await.unwrap();

    for call in calls {
        let waited = timeout(GRANTED, call).await;
        let status = waited.ok().and_then(Result::ok).map(|response| {
            response.headers().get("grpc-status").map_or("0".to_owned(), |status| {
                String::from_utf8_lossy(status.as_bytes()).into_owned()
            })
        });
        // The table was locked for longer than a look-up may wait, so it may have failed.
        if !matches!(status.as_deref(), Some("0" | UNAVAILABLE)) {
            defects.push(format!("a call that waited for the key got {status:?}"));
        }
    }
    for path in [Path::Grpc, Path::Rest] {
        let caller = Caller::new(deployment.addresses(), &tenant, path, GRANTED);
        let later = caller.create(format!("later-{path:?}"), None).await;
        if !matches!(later.outcome, Outcome::Created) {
            defects.push(format!("the key is not usable afterwards: {:?}", later.outcome));
        }
    }
    sleep(stage.attack / 4).await;
    let (samples, failures) = siege.stop().await;
    let remains = remains(deployment).await;
    let failures = [failures, defects].concat();
    judge(&samples, failures, bounds(&stage), &remains)
}
