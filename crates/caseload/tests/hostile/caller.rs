//! One honest caller: a client of one tenant, over REST or gRPC, that makes one call after another.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, task_service_client::TaskServiceClient};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use crate::deployment::{Addresses, EMAIL, Tenant};

/// The address that honest callers connect from.
const HONEST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// How long a caller waits in addition to the time that it grants.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a caller reaches the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The gateway, on one connection.
    Rest,
    /// The gateway, on a new connection for each call.
    RestAnew,
    /// The server, on one connection.
    Grpc,
}

#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    pub(crate) tenant: Arc<Tenant>,
    /// The time that each call grants.
    grants: Duration,
}

#[derive(Clone)]
enum Client {
    Rest { http: reqwest::Client, addr: SocketAddr },
    Grpc(TaskServiceClient<Channel>),
}

/// What a caller learned about a batch.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Created, or whatever else was asked for.
    Created,
    /// Nothing was done: the service is busy, or the tenant is over its quota.
    Refused(String),
    /// The time that the call granted is over.
    TimeOver(SystemTime),
    /// There was no response, or one that no attack explains.
    Lost(String),
}

/// A batch that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The first word of the description of the batch's task.
    pub(crate) name: String,
    pub(crate) sent: Instant,
    pub(crate) latency: Duration,
    pub(crate) outcome: Outcome,
}

impl Caller {
    pub(crate) fn new(
        addresses: Addresses,
        tenant: &Arc<Tenant>,
        path: Path,
        grants: Duration,
    ) -> Self {
        let rest = |idle| Client::Rest {
            http: reqwest::Client::builder()
                .no_proxy()
                .local_address(HONEST)
                .pool_max_idle_per_host(idle)
                .build()
                .unwrap(),
            addr: addresses.rest,
        };
        let client = match path {
            Path::Rest => rest(1),
            Path::RestAnew => rest(0),
            Path::Grpc => {
                let endpoint = Endpoint::from_shared(format!("http://{}", addresses.grpc));
                let endpoint = endpoint.unwrap().local_address(Some(HONEST));
                Client::Grpc(TaskServiceClient::new(endpoint.connect_lazy()))
            }
        };
        Self { client, tenant: Arc::clone(tenant), grants }
    }

    /// Creates a batch with one task, whose description is the name.
    pub(crate) async fn create(&self, name: String, idempotency_key: Option<&str>) -> Sample {
        let sent = Instant::now();
        let call = async {
            match &self.client {
                Client::Rest { http, addr } => self.post(http, *addr, &name, idempotency_key).await,
                Client::Grpc(client) => self.call(client.clone(), &name, idempotency_key).await,
            }
        };
        let outcome = timeout(self.grants + PATIENCE, call).await;
        let outcome = outcome.unwrap_or_else(|_| Outcome::Lost("no response".to_owned()));
        Sample { name, sent, latency: sent.elapsed(), outcome }
    }

    /// Creates a task, lists the tasks of its case, reads the task, changes it, and deletes it, as far as
    /// each succeeds. Goes over REST.
    pub(crate) async fn work(&self, name: &str) -> Vec<Sample> {
        let Client::Rest { http, addr } = &self.client else { return Vec::new() };
        let tasks = format!("http://{addr}/api/v2/cases/{}/tasks", self.tenant.case_id);
        let new = json!({"description": name, "assignee_emails": [EMAIL]});
        let (created, response) = self.request(name, http.post(&tasks).json(&new)).await;
        let mut samples = vec![created];
        let Some(id) = response["task"]["id"].as_i64() else { return samples };
        let task = format!("{tasks}/{id}");
        for request in [
            http.get(format!("{tasks}?per_page=5&completed=false")),
            http.get(&task),
            http.put(&task).json(&json!({"completed": true})),
            http.delete(&task),
        ] {
            samples.push(self.request(name, request).await.0);
        }
        samples
    }

    /// Makes a REST request. Returns what it came to, and the body of the response if it succeeded.
    async fn request(&self, name: &str, request: RequestBuilder) -> (Sample, Value) {
        let sent = Instant::now();
        let request = request
            .bearer_auth(self.tenant.key.expose())
            .header("request-timeout", self.grants.as_secs_f64().to_string());
        let answer = async {
            let response = request.send().await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        };
        let (outcome, body) = match timeout(self.grants + PATIENCE, answer).await {
            Err(_) => (Outcome::Lost("no response".to_owned()), Value::Null),
            Ok(Err(error)) => {
                (Outcome::Lost(format!("REST: {}", chain(&error.without_url()))), Value::Null)
            }
            Ok(Ok((status, body))) => {
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                if status.is_success() {
                    (Outcome::Created, body)
                } else if status == StatusCode::GATEWAY_TIMEOUT {
                    (Outcome::TimeOver(SystemTime::now()), Value::Null)
                } else {
                    let reason = body["errors"][0]["details"].as_str().unwrap_or("no reason");
                    (rejection("REST", status, reason), Value::Null)
                }
            }
        };
        (Sample { name: name.to_owned(), sent, latency: sent.elapsed(), outcome }, body)
    }

    async fn post(
        &self,
        http: &reqwest::Client,
        addr: SocketAddr,
        name: &str,
        key: Option<&str>,
    ) -> Outcome {
        let task = json!({"description": name, "assignee_emails": [EMAIL]});
        let mut request = http
            .post(format!("http://{addr}/api/v2/cases/{}/tasks/batch", self.tenant.case_id))
            .bearer_auth(self.tenant.key.expose())
            .header("request-timeout", self.grants.as_secs_f64().to_string())
            .json(&json!({"tasks": [task]}));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                return Outcome::Lost(format!("REST: {}", chain(&error.without_url())));
            }
        };
        let status = response.status();
        match (status, response.bytes().await) {
            (_, Err(error)) => Outcome::Lost(format!("REST: {}", chain(&error.without_url()))),
            (StatusCode::CREATED, Ok(_)) => Outcome::Created,
            (StatusCode::GATEWAY_TIMEOUT, Ok(_)) => Outcome::TimeOver(SystemTime::now()),
            (_, Ok(body)) => {
                let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
                let reason = problem["errors"][0]["details"].as_str().unwrap_or("no reason");
                rejection("REST", status, reason)
            }
        }
    }

    async fn call(
        &self,
        mut client: TaskServiceClient<Channel>,
        name: &str,
        key: Option<&str>,
    ) -> Outcome {
        let task =
            NewTask { description: name.to_owned(), assignee_emails: vec![EMAIL.to_owned()] };
        let mut request = Request::new(BatchCreateTasksRequest {
            case_id: self.tenant.case_id,
            tasks: vec![task],
            request_id: key.unwrap_or_default().to_owned(),
            ..Default::default()
        });
        let bearer = format!("Bearer {}", self.tenant.key.expose());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request.set_timeout(self.grants);
        match client.batch_create_tasks(request).await {
            Ok(_) => Outcome::Created,
            Err(status) => status_outcome(&status),
        }
    }
}

fn status_outcome(status: &Status) -> Outcome {
    use std::error::Error as _;
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::TimeoutExpired>() {
            return Outcome::TimeOver(SystemTime::now());
        }
        source = error.source();
    }
    match (status.code(), status.get_details_error_info()) {
        (Code::DeadlineExceeded, _) => Outcome::TimeOver(SystemTime::now()),
        (code, Some(info)) => rejection("gRPC", code, &info.reason),
        (_, None) => Outcome::Lost(format!("gRPC: {}", chain(status))),
    }
}

fn rejection(protocol: &str, status: impl fmt::Display, reason: &str) -> Outcome {
    let text = format!("{protocol}: {status} {reason}");
    match reason {
        "OVERLOADED"
        | "TENANT_OVER_SHARE"
        | "RATE_LIMITED"
        | "DATABASE_UNAVAILABLE"
        | "UPSTREAM_UNAVAILABLE" => Outcome::Refused(text),
        _ => Outcome::Lost(text),
    }
}

/// Returns an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
