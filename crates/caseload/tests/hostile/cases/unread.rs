//! Clients that ask for large responses and don't take them.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::{io::AsyncWriteExt as _, time::sleep};

use crate::{
    attack::{
        effect::Effect,
        http2::{Peer, Takes, keep},
        message::{Batch, grpc_head, rest_head},
        socket::connect_with_small_buffer,
        swarm::{PAUSE, Swarm},
    },
    deployment::{Deployment, Setup, Tenant},
    figures::Figures,
    siege::{Siege, bounds},
    stage::Stage,
};

/// The idempotency key of the batch that all attackers repeat.
const KEY: &str = "repeated";

/// The streams of each HTTP/2 connection, a little below the gateway's limit.
const STREAMS: usize = 250;

/// How many requests a client of HTTP/1.1 sends without reading a response.
const PIPELINED: usize = 8;

/// The numbers of connections that take nothing, that take single bytes, and of HTTP/1.1.
pub(super) type Connections = (usize, usize, usize);

/// The request that is repeated.
#[derive(Clone)]
struct Repeated {
    tenant: Arc<Tenant>,
    is_grpc: bool,
    body: Bytes,
}

impl Repeated {
    fn new(tenant: &Arc<Tenant>, is_grpc: bool) -> Self {
        let batch = Batch::long(tenant.case_id, KEY);
        let body = if is_grpc { batch.grpc() } else { batch.json() };
        Self { tenant: Arc::clone(tenant), is_grpc, body }
    }

    fn head(&self) -> Request<()> {
        let key = Some(&self.tenant.key);
        let head = if self.is_grpc {
            grpc_head(key)
        } else {
            rest_head(self.tenant.case_id, key).header("idempotency-key", KEY)
        };
        head.body(()).unwrap()
    }

    /// Returns the request as HTTP/1.1.
    fn http1(&self) -> Vec<u8> {
        let head = format!(
            "POST /api/v2/cases/{}/tasks/batch HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\nidempotency-key: {KEY}\r\ncontent-length: {}\r\n\r\n",
            self.tenant.case_id,
            self.tenant.key.expose(),
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
    }
}

/// Responses of the gateway.
pub(crate) async fn run_rest(stage: Stage) -> Figures {
    let connections = if stage.is_full { (6, 3, 40) } else { (3, 1, 10) };
    run(stage, false, connections).await
}

/// Responses of the server.
pub(crate) async fn run_grpc(stage: Stage) -> Figures {
    let connections = if stage.is_full { (6, 3, 0) } else { (3, 1, 0) };
    run(stage, true, connections).await
}

async fn run(stage: Stage, is_grpc: bool, connections: Connections) -> Figures {
    let deployment = Deployment::start(&stage, Setup::default()).await;
    let mut swarm = Swarm::default();
    prepare(&stage, &deployment).await;
    let siege = Siege::begin(&deployment, &deployment.tenants[1..], 6).await;
    // The share of memory of the attackers' tenant, or of their address, has room for no more than some
    // dozens, and the short form for a few.
    let least = if stage.is_full { 10 } else { 1 };
    let untaken = add(&mut swarm, &stage, &deployment, is_grpc, connections);
    swarm.attack_for(stage.attack * 3 / 2).await;
    let mut figures = siege.end(deployment, bounds(&stage)).await;
    untaken.require(least, &mut figures);
    figures
}

/// Creates the batch that is repeated.
pub(super) async fn prepare(stage: &Stage, deployment: &Deployment) {
    let repeated = Repeated::new(&deployment.tenants[0], false);
    let peer = Peer::connect(stage.attacker, deployment.rest, Takes::All).await.unwrap();
    let status = peer.call(repeated.head(), repeated.body.clone()).await.unwrap();
    assert_eq!(status, StatusCode::CREATED);
}

/// Adds attackers of one of the programs. Counts the responses over HTTP/2 that they leave.
pub(super) fn add(
    swarm: &mut Swarm,
    stage: &Stage,
    deployment: &Deployment,
    is_grpc: bool,
    (nothing, drips, http1): Connections,
) -> Effect {
    let untaken = Effect::new("responses that were not taken");
    let repeated = Repeated::new(&deployment.tenants[0], is_grpc);
    let to = if is_grpc { deployment.grpc } else { deployment.rest };
    for (takes, count) in [(Takes::Nothing, nothing), (Takes::Drips, drips)] {
        for _ in 0..count {
            let repeated = repeated.clone();
            let (stage, untaken) = (stage.clone(), untaken.clone());
            swarm.add(move || hold(stage.clone(), to, repeated.clone(), takes, untaken.clone()));
        }
    }
    for _ in 0..http1 {
        let request = repeated.http1();
        let stage = stage.clone();
        swarm.add(move || pipeline(stage.clone(), to, request.clone()));
    }
    untaken
}

/// Keeps all streams of a connection busy with responses that are not read.
async fn hold(stage: Stage, to: SocketAddr, repeated: Repeated, takes: Takes, untaken: Effect) {
    let Some(peer) = Peer::connect(stage.attacker, to, takes).await else { return };
    let mut swarm = Swarm::default();
    for _ in 0..STREAMS {
        let (peer, repeated, untaken) = (peer.clone(), repeated.clone(), untaken.clone());
        swarm.add(move || {
            let (peer, repeated, untaken) = (peer.clone(), repeated.clone(), untaken.clone());
            async move {
                if let Ok((status, body)) = peer.send(repeated.head(), repeated.body).await {
                    // Over gRPC a rejection has the status 200 too, but no body.
                    if status.is_success() && !body.is_end_stream() {
                        untaken.add();
                    }
                    keep(body, takes).await;
                }
            }
        });
    }
    peer.closed().await;
}

/// Sends several requests on one connection of HTTP/1.1, and reads nothing.
async fn pipeline(stage: Stage, to: SocketAddr, request: Vec<u8>) {
    let Ok(mut stream) = connect_with_small_buffer(stage.attacker, to).await else { return };
    for _ in 0..PIPELINED {
        if stream.write_all(&request).await.is_err() {
            return;
        }
    }
    loop {
        sleep(PAUSE).await;
        // An empty line before a request is allowed. It fails once the connection was closed.
        if stream.write_all(b"\r\n").await.is_err() {
            return;
        }
    }
}
