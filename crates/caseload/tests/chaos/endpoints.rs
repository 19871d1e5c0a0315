//! The endpoints that a batch can be sent to: two servers over gRPC, two gateways over REST.

mod edit;
mod rivalry;

use std::{error::Error as _, fmt, net::SocketAddr, time::Duration};

use domain::ApiKey;
use proto::tasks::v1::task_service_client::TaskServiceClient;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::timeout;
use tonic::{
    Code, ConnectError, Request, Status, TimeoutExpired,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use crate::{batch::Batch, deployment::Addresses, response::Response};
pub(crate) use edit::{Action, Answer, Contents, Seen};
pub(crate) use rivalry::Changed;

/// The time limit of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// The time that a client grants over REST, if it does: the response that its time is over comes before
/// the client stops waiting. Over gRPC the client library does not wait for it.
const GRANTED_SECONDS: &str = "1.5";

/// Clients of all endpoints. The endpoints are numbered from 0: first each server, then each gateway.
#[derive(Clone)]
pub(crate) struct Endpoints {
    grpc: Vec<TaskServiceClient<Channel>>,
    rest: Vec<SocketAddr>,
    http: reqwest::Client,
    /// One for each tenant.
    api_keys: Vec<ApiKey>,
}

/// The outcome of an attempt, as far as the client can know it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Created(Response),
    /// The idempotency key was used for another batch.
    KeyReused,
    /// Nothing was created, according to the response.
    Refused(String),
    /// The batch may have been created, but was not begun after the response, which says that its time
    /// is over.
    TimedOut(String),
    /// The batch may have been created.
    Unknown(String),
    /// A response that no fault explains.
    Unexpected(String),
}

impl Endpoints {
    /// Creates clients with connections that no other `Endpoints` uses.
    pub(crate) fn new(addresses: &Addresses, api_keys: &[ApiKey]) -> Self {
        let client = |addr: &SocketAddr| {
            let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
            TaskServiceClient::new(endpoint.connect_timeout(ATTEMPT_TIMEOUT / 2).connect_lazy())
        };
        let http = reqwest::Client::builder().no_proxy().connect_timeout(ATTEMPT_TIMEOUT / 2);
        Self {
            grpc: addresses.grpc.iter().map(client).collect(),
            rest: addresses.rest.clone(),
            http: http.build().unwrap(),
            api_keys: api_keys.to_vec(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.grpc.len() + self.rest.len()
    }

    /// Sends a batch once. If `sends_deadline` is not set, the service does not know when the client
    /// stops waiting.
    pub(crate) async fn send(
        &self,
        endpoint: usize,
        batch: &Batch,
        idempotency_key: &str,
        sends_deadline: bool,
    ) -> Outcome {
        let (protocol, outcome) = match self.grpc.get(endpoint) {
            Some(client) => {
                let call = self.call(client.clone(), batch, idempotency_key, sends_deadline);
                ("gRPC", timeout(ATTEMPT_TIMEOUT, call).await)
            }
            None => {
                let addr = self.rest[endpoint - self.grpc.len()];
                let post = self.post(addr, batch, idempotency_key, sends_deadline);
                ("REST", timeout(ATTEMPT_TIMEOUT, post).await)
            }
        };
        match outcome.unwrap_or_else(|_| Outcome::Unknown("no response in time".to_owned())) {
            Outcome::Refused(kind) => Outcome::Refused(format!("{protocol}: refused, {kind}")),
            Outcome::TimedOut(kind) => Outcome::TimedOut(format!("{protocol}: unknown, {kind}")),
            Outcome::Unknown(kind) => Outcome::Unknown(format!("{protocol}: unknown, {kind}")),
            Outcome::Unexpected(kind) => Outcome::Unexpected(format!("{protocol}: {kind}")),
            outcome @ (Outcome::Created(_) | Outcome::KeyReused) => outcome,
        }
    }

    async fn call(
        &self,
        mut client: TaskServiceClient<Channel>,
        batch: &Batch,
        idempotency_key: &str,
        sends_deadline: bool,
    ) -> Outcome {
        let mut request = Request::new(batch.message(idempotency_key.to_owned()));
        let bearer = format!("Bearer {}", self.api_keys[batch.tenant].expose());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        if sends_deadline {
            request.set_timeout(ATTEMPT_TIMEOUT);
        }
        match client.batch_create_tasks(request).await {
            Ok(response) => {
                let is_replay = response.metadata().contains_key("idempotency-replayed");
                Outcome::Created(Response::from_grpc(response.into_inner(), is_replay))
            }
            Err(status) => status_outcome(&status),
        }
    }

    async fn post(
        &self,
        addr: SocketAddr,
        batch: &Batch,
        idempotency_key: &str,
        sends_deadline: bool,
    ) -> Outcome {
        let url = format!("http://{addr}/api/v2/cases/{}/tasks/batch", batch.case_id);
        let mut request = self
            .http
            .post(url)
            .bearer_auth(self.api_keys[batch.tenant].expose())
            .header("content-type", "application/json")
            .header("idempotency-key", idempotency_key)
            .body(batch.json());
        if sends_deadline {
            request = request.header("request-timeout", GRANTED_SECONDS);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return Outcome::Refused("no connection".to_owned());
            }
            Err(_) => return Outcome::Unknown("connection lost".to_owned()),
        };
        let status = response.status();
        let is_replay = response.headers().contains_key("idempotency-replayed");
        let Ok(body) = response.bytes().await else {
            return Outcome::Unknown("connection lost within the response".to_owned());
        };
        if status == StatusCode::CREATED {
            return match Response::from_rest(&body, is_replay) {
                Ok(response) => Outcome::Created(response),
                Err(error) => Outcome::Unexpected(format!("an invalid response: {error}")),
            };
        }
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reason = problem["errors"][0]["details"].as_str().unwrap_or("no reason");
        reason_outcome(status == StatusCode::UNPROCESSABLE_ENTITY, reason, status)
    }
}

/// Returns the outcome of a call that failed. A status with a source was made by the client library,
/// one without it came from the service.
fn status_outcome(status: &Status) -> Outcome {
    let mut source = status.source();
    if source.is_none() {
        let info = status.get_details_error_info();
        let reason = info.map_or("no reason".to_owned(), |info| info.reason);
        return reason_outcome(status.code() == Code::InvalidArgument, &reason, status.code());
    }
    while let Some(error) = source {
        if error.is::<TimeoutExpired>() {
            return Outcome::Unknown("no response in time".to_owned());
        }
        if error.is::<ConnectError>() {
            return Outcome::Refused("no connection".to_owned());
        }
        source = error.source();
    }
    Outcome::Unknown("connection lost".to_owned())
}

/// Returns the outcome that a reason means. `is_reuse_status` is whether the status is the one that
/// belongs to a reused key.
fn reason_outcome(is_reuse_status: bool, reason: &str, status: impl fmt::Display) -> Outcome {
    match reason {
        "REQUEST_ID_REUSED" if is_reuse_status => Outcome::KeyReused,
        "DATABASE_UNAVAILABLE"
        | "UPSTREAM_UNAVAILABLE"
        | "OVERLOADED"
        | "TENANT_OVER_SHARE"
        | "ADDRESS_OVER_SHARE" => Outcome::Refused(reason.to_owned()),
        "DEADLINE_EXCEEDED" => Outcome::TimedOut(reason.to_owned()),
        "OUTCOME_UNKNOWN" => Outcome::Unknown(reason.to_owned()),
        _ => Outcome::Unexpected(format!("{status} {reason}")),
    }
}
