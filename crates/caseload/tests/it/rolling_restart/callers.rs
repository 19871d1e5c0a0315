//! Callers that create one batch after the other, and what became of them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, task_service_client::TaskServiceClient};
use tokio::task::JoinSet;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use super::fleet::Fleet;
use crate::support::{App, polling::eventually};

const BODY: &str = r#"{"tasks":[{"description":"x"}]}"#;

/// What a balancer knows: which of two must not be called any more.
#[derive(Default)]
pub(super) struct Balancer {
    /// 0: none.
    avoided: AtomicUsize,
}

impl Balancer {
    pub(super) fn avoid(&self, index: usize) {
        self.avoided.store(index + 1, Ordering::SeqCst);
    }

    pub(super) fn avoid_none(&self) {
        self.avoided.store(0, Ordering::SeqCst);
    }

    /// Takes turns between those that may be called.
    fn choose(&self, turn: usize) -> usize {
        match self.avoided.load(Ordering::SeqCst) {
            0 => turn % 2,
            avoided => 2 - avoided,
        }
    }
}

/// Who calls, and how it takes a failure.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Over gRPC, with a request id: calls once more, elsewhere, whatever went wrong.
    KeyedGrpc,
    /// Over gRPC, without: calls once more, elsewhere, where the status is UNAVAILABLE. It calls no
    /// server that says that it does not serve: for a call that meets a closing connection, tonic
    /// makes up CANCELLED or INTERNAL.
    PlainGrpc,
    /// Over REST, with a key: calls once more, elsewhere, where it got no answer.
    KeyedRest,
    /// Over REST, without: calls the other gateway where it can't connect to one.
    PlainRest,
}

const KINDS: [Kind; 4] = [Kind::KeyedGrpc, Kind::PlainGrpc, Kind::KeyedRest, Kind::PlainRest];

/// Of each kind.
const CALLERS: usize = 2;

pub(super) struct Callers {
    /// For the plain ones; those with a key find out for themselves.
    pub(super) servers: Arc<Balancer>,
    pub(super) gateways: Arc<Balancer>,
    progress: Vec<Arc<AtomicUsize>>,
    is_over: Arc<AtomicBool>,
    running: JoinSet<Vec<String>>,
}

/// What all of them were told.
pub(super) struct Tally {
    pub(super) created: u64,
    pub(super) failures: Vec<String>,
}

impl Callers {
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
                http: reqwest::Client::builder().no_proxy().build().unwrap(),
            };
            callers.running.spawn(caller.run(created, Arc::clone(&callers.is_over)));
        }
        callers
    }

    /// Waits until each of them has created so many batches more.
    pub(super) async fn await_progress(&self, batches: usize) {
        let created = || self.progress.iter().map(|created| created.load(Ordering::SeqCst));
        let before: Vec<_> = created().collect();
        eventually("progress of all callers", async || {
            created().zip(&before).all(|(now, before)| now >= before + batches).then_some(())
        })
        .await;
    }

    pub(super) async fn stop(self) -> Tally {
        self.is_over.store(true, Ordering::SeqCst);
        let failures = self.running.join_all().await.concat();
        let created =
            self.progress.iter().map(|created| created.load(Ordering::SeqCst)).sum::<usize>();
        Tally { created: created as u64, failures }
    }
}

fn client(addr: SocketAddr) -> TaskServiceClient<Channel> {
    let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap();
    TaskServiceClient::new(endpoint.connect_lazy())
}

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
    async fn run(self, created: Arc<AtomicUsize>, is_over: Arc<AtomicBool>) -> Vec<String> {
        let mut failures = Vec::new();
        for turn in 0.. {
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            let id = format!("{}-{turn}", self.number);
            let place = self.balancer.choose(turn);
            let outcome = match self.kind {
                Kind::KeyedGrpc | Kind::PlainGrpc => self.call(place, id).await,
                Kind::KeyedRest | Kind::PlainRest => self.post(place, &id).await,
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

    async fn call(&self, place: usize, id: String) -> Result<(), String> {
        let is_keyed = matches!(self.kind, Kind::KeyedGrpc);
        let request_id = if is_keyed { id } else { String::new() };
        match self.try_call(place, &request_id).await {
            Err(status) if is_keyed || status.code() == Code::Unavailable => {
                let again = self.try_call(1 - place, &request_id).await;
                again.map_err(|again| format!("{status:?}, then {again:?}"))
            }
            outcome => outcome.map_err(|status| format!("{status:?}")),
        }
    }

    async fn try_call(&self, place: usize, request_id: &str) -> Result<(), Status> {
        let task = NewTask { description: "x".to_owned(), assignee_emails: Vec::new() };
        let request = self.app.signed(BatchCreateTasksRequest {
            case_id: self.app.case_id,
            tasks: vec![task],
            request_id: request_id.to_owned(),
        });
        self.grpc[place].clone().batch_create_tasks(request).await.map(|_| ())
    }

    async fn post(&self, place: usize, id: &str) -> Result<(), String> {
        let is_keyed = matches!(self.kind, Kind::KeyedRest);
        match self.try_post(place, is_keyed.then_some(id)).await {
            Err(error) if is_keyed || error.is_connect() => {
                let again = self.try_post(1 - place, is_keyed.then_some(id)).await;
                again.map_err(|again| format!("{error:?}, then {again:?}"))?
            }
            outcome => outcome.map_err(|error| format!("{error:?}"))?,
        }
    }

    /// The inner result tells what the answer said.
    async fn try_post(
        &self,
        place: usize,
        key: Option<&str>,
    ) -> reqwest::Result<Result<(), String>> {
        let url = format!("http://{}{}", self.gateways[place], self.app.batch_path());
        let mut request = self
            .http
            .post(url)
            .bearer_auth(self.app.key.expose())
            .header("content-type", "application/json")
            .body(BODY);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        Ok(if status == 201 { Ok(()) } else { Err(format!("{status}: {text}")) })
    }
}
