//! Callers that create one batch after the other, and count successes and failures.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use proto::tasks::v1::{BatchCreateTasksRequest, task_service_client::TaskServiceClient};
use tokio::task::JoinSet;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use super::{balancer::Balancer, fleet::Fleet};
use crate::support::{App, ONE_TASK, http_client, new_task, polling::eventually};

/// How a caller calls, and when it retries.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Over gRPC, with an idempotency key: retries once, on the other server, after any error.
    KeyedGrpc,
    /// Over gRPC, without a key: retries once, on the other server, after UNAVAILABLE. It avoids a
    /// server that reports NOT_SERVING, since tonic returns CANCELLED or INTERNAL for a call on a
    /// closing connection.
    PlainGrpc,
    /// Over REST, with a key: retries once, on the other gateway, where there was no response.
    KeyedRest,
    /// Over REST, without a key: retries once, on the other gateway, where it can't connect.
    PlainRest,
}

const KINDS: [Kind; 4] = [Kind::KeyedGrpc, Kind::PlainGrpc, Kind::KeyedRest, Kind::PlainRest];

/// The number of callers of each kind.
const CALLERS: usize = 2;

/// All running callers.
pub(super) struct Callers {
    /// For callers without a key; those with a key retry instead.
    pub(super) servers: Arc<Balancer>,
    pub(super) gateways: Arc<Balancer>,
    progress: Vec<Arc<AtomicUsize>>,
    is_over: Arc<AtomicBool>,
    running: JoinSet<Vec<String>>,
}

/// The results of all callers.
pub(super) struct Tally {
    pub(super) created: u64,
    pub(super) failures: Vec<String>,
}

impl Callers {
    /// Starts the callers.
    pub(super) fn start(app: &Arc<App>, fleet: &Fleet) -> Self {
        let mut callers = Self {
            servers: Arc::default(),
            gateways: Arc::default(),
            progress: Vec::new(),
            is_over: Arc::default(),
            running: JoinSet::new(),
        };
        for (number, kind) in KINDS.into_iter().cycle().take(KINDS.len() * CALLERS).enumerate() {
            let created = Arc::new(AtomicUsize::new(0));
            callers.progress.push(Arc::clone(&created));
            let balancer = match kind {
                Kind::PlainGrpc => Arc::clone(&callers.servers),
                Kind::PlainRest => Arc::clone(&callers.gateways),
                Kind::KeyedGrpc | Kind::KeyedRest => Arc::default(),
            };
            let caller = Caller {
                app: Arc::clone(app),
                number,
                kind,
                balancer,
                grpc: fleet.server_addrs().map(client),
                gateways: fleet.gateway_addrs(),
                http: http_client(),
            };
            callers.running.spawn(caller.run(created, Arc::clone(&callers.is_over)));
        }
        callers
    }

    /// Waits until each caller has created this many batches more.
    pub(super) async fn await_progress(&self, batches: usize) {
        let created = || self.progress.iter().map(|created| created.load(Ordering::SeqCst));
        let before: Vec<_> = created().collect();
        eventually("progress of all callers", async || {
            created().zip(&before).all(|(now, before)| now >= before + batches).then_some(())
        })
        .await;
    }

    /// Stops the callers and returns their results.
    pub(super) async fn stop(self) -> Tally {
        self.is_over.store(true, Ordering::SeqCst);
        let failures = self.running.join_all().await.concat();
        let created =
            self.progress.iter().map(|created| created.load(Ordering::SeqCst)).sum::<usize>();
        Tally { created: created as u64, failures }
    }
}

/// Returns a gRPC client that connects at its first call.
fn client(addr: SocketAddr) -> TaskServiceClient<Channel> {
    let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap();
    TaskServiceClient::new(endpoint.connect_lazy())
}

/// One caller.
struct Caller {
    app: Arc<App>,
    number: usize,
    kind: Kind,
    balancer: Arc<Balancer>,
    grpc: [TaskServiceClient<Channel>; 2],
    gateways: [SocketAddr; 2],
    http: reqwest::Client,
}

impl Caller {
    /// Creates batches until `is_over`. Returns the failures.
    async fn run(self, created: Arc<AtomicUsize>, is_over: Arc<AtomicBool>) -> Vec<String> {
        let mut failures = Vec::new();
        for turn in 0.. {
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            let id = format!("{}-{turn}", self.number);
            let target = self.balancer.choose(turn);
            let outcome = match self.kind {
                Kind::KeyedGrpc | Kind::PlainGrpc => self.call(target, id).await,
                Kind::KeyedRest | Kind::PlainRest => self.post(target, &id).await,
            };
            match outcome {
                Ok(()) => {
                    created.fetch_add(1, Ordering::SeqCst);
                }
                Err(failure) => failures.push(format!("{:?}: {failure}", self.kind)),
            }
        }
        failures
    }

    /// Makes a call over gRPC, with a retry where its kind has one.
    async fn call(&self, target: usize, id: String) -> Result<(), String> {
        let is_keyed = matches!(self.kind, Kind::KeyedGrpc);
        let request_id = if is_keyed { id } else { String::new() };
        match self.try_call(target, &request_id).await {
            Err(status) if is_keyed || status.code() == Code::Unavailable => {
                let again = self.try_call(1 - target, &request_id).await;
                again.map_err(|again| format!("{status:?}, then {again:?}"))
            }
            outcome => outcome.map_err(|status| format!("{status:?}")),
        }
    }

    async fn try_call(&self, target: usize, request_id: &str) -> Result<(), Status> {
        let request = self.app.with_key(BatchCreateTasksRequest {
            case_id: self.app.case_id,
            tasks: vec![new_task("x", &[])],
            request_id: request_id.to_owned(),
            ..Default::default()
        });
        self.grpc[target].clone().batch_create_tasks(request).await.map(|_| ())
    }

    /// Makes a call over REST, with a retry where its kind has one.
    async fn post(&self, target: usize, id: &str) -> Result<(), String> {
        let is_keyed = matches!(self.kind, Kind::KeyedRest);
        match self.try_post(target, is_keyed.then_some(id)).await {
            Err(error) if is_keyed || error.is_connect() => {
                let again = self.try_post(1 - target, is_keyed.then_some(id)).await;
                again.map_err(|again| format!("{error:?}, then {again:?}"))?
            }
            outcome => outcome.map_err(|error| format!("{error:?}"))?,
        }
    }

    /// The outer result is an error where there was no response, the inner one where it was not
    /// 201.
    async fn try_post(
        &self,
        target: usize,
        key: Option<&str>,
    ) -> reqwest::Result<Result<(), String>> {
        let url = format!("http://{}{}", self.gateways[target], self.app.batch_path());
        let mut request = self
            .http
            .post(url)
            .bearer_auth(self.app.key.expose())
            .header("content-type", "application/json")
            .body(ONE_TASK);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        Ok(if status == 201 { Ok(()) } else { Err(format!("{status}: {text}")) })
    }
}
