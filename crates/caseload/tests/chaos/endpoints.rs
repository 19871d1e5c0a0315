//! The ways to send a batch: two servers, two gateways.

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

use crate::{batch::Batch, deployment::Addresses, response::Answer};

/// How long a try may take.
const TRY: Duration = Duration::from_secs(2);

/// The doors, numbered: gRPC at each server, then REST at each gateway.
#[derive(Clone)]
pub(crate) struct Doors {
    grpc: Vec<TaskServiceClient<Channel>>,
    rest: Vec<SocketAddr>,
    http: reqwest::Client,
    /// A key for each tenant.
    keys: Vec<ApiKey>,
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Reply {
    Created(Answer),
    /// The id belongs to another batch.
    Reused,
    /// Nothing was done, it says.
    Refused(String),
    /// It may have been done.
    Unknown(String),
    /// What no fault explains.
    Wrong(String),
}

impl Doors {
    /// With connections of their own.
    pub(crate) fn new(addresses: &Addresses, keys: &[ApiKey]) -> Self {
        let client = |addr: &SocketAddr| {
            let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
            TaskServiceClient::new(endpoint.connect_timeout(TRY / 2).connect_lazy())
        };
        Self {
            grpc: addresses.grpc.iter().map(client).collect(),
            rest: addresses.rest.clone(),
            http: reqwest::Client::builder().no_proxy().connect_timeout(TRY / 2).build().unwrap(),
            keys: keys.to_vec(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.grpc.len() + self.rest.len()
    }

    /// Sends a batch once. The deadline may be kept from the service: then it doesn't know when
    /// nobody waits any more.
    pub(crate) async fn send(
        &self,
        door: usize,
        batch: &Batch,
        id: &str,
        tells_deadline: bool,
    ) -> Reply {
        let (name, reply) = match self.grpc.get(door) {
            Some(client) => {
                let call = self.call(client.clone(), batch, id, tells_deadline);
                ("gRPC", timeout(TRY, call).await)
            }
            None => {
                let addr = self.rest[door - self.grpc.len()];
                ("REST", timeout(TRY, self.post(addr, batch, id, tells_deadline)).await)
            }
        };
        match reply.unwrap_or_else(|_| Reply::Unknown("no answer in time".to_owned())) {
            Reply::Refused(kind) => Reply::Refused(format!("{name}: refused, {kind}")),
            Reply::Unknown(kind) => Reply::Unknown(format!("{name}: unknown, {kind}")),
            Reply::Wrong(kind) => Reply::Wrong(format!("{name}: {kind}")),
            reply @ (Reply::Created(_) | Reply::Reused) => reply,
        }
    }

    async fn call(
        &self,
        mut client: TaskServiceClient<Channel>,
        batch: &Batch,
        id: &str,
        tells_deadline: bool,
    ) -> Reply {
        let mut request = Request::new(batch.message(id.to_owned()));
        let bearer = format!("Bearer {}", self.keys[batch.tenant].expose());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        if tells_deadline {
            request.set_timeout(TRY);
        }
        match client.batch_create_tasks(request).await {
            Ok(response) => {
                let is_replay = response.metadata().contains_key("idempotency-replayed");
                Reply::Created(Answer::of_grpc(response.into_inner(), is_replay))
            }
            Err(status) => of_status(&status),
        }
    }

    async fn post(&self, addr: SocketAddr, batch: &Batch, id: &str, tells_deadline: bool) -> Reply {
        let url = format!("http://{addr}/api/v2/cases/{}/tasks/batch", batch.case_id);
        let mut request = self
            .http
            .post(url)
            .bearer_auth(self.keys[batch.tenant].expose())
            .header("content-type", "application/json")
            .header("idempotency-key", id)
            .body(batch.json());
        if tells_deadline {
            request = request.header("request-timeout", TRY.as_secs().to_string());
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                return Reply::Refused("not reached".to_owned());
            }
            Err(_) => return Reply::Unknown("connection lost".to_owned()),
        };
        let status = response.status();
        let is_replay = response.headers().contains_key("idempotency-replayed");
        let Ok(body) = response.bytes().await else {
            return Reply::Unknown("connection lost in the answer".to_owned());
        };
        if status == StatusCode::CREATED {
            return match Answer::of_rest(&body, is_replay) {
                Ok(answer) => Reply::Created(answer),
                Err(error) => Reply::Wrong(format!("an answer that can't be read: {error}")),
            };
        }
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reason = problem["errors"][0]["details"].as_str().unwrap_or("no reason");
        of_reason(status == StatusCode::UNPROCESSABLE_ENTITY, reason, status)
    }
}

/// Tells what the service said from what the client made up on this side.
fn of_status(status: &Status) -> Reply {
    let mut source = status.source();
    if source.is_none() {
        let info = status.get_details_error_info();
        let reason = info.map_or("no reason".to_owned(), |info| info.reason);
        return of_reason(status.code() == Code::InvalidArgument, &reason, status.code());
    }
    while let Some(error) = source {
        if error.is::<TimeoutExpired>() {
            return Reply::Unknown("no answer in time".to_owned());
        }
        if error.is::<ConnectError>() {
            return Reply::Refused("not reached".to_owned());
        }
        source = error.source();
    }
    Reply::Unknown("connection lost".to_owned())
}

fn of_reason(is_at_fault: bool, reason: &str, status: impl fmt::Display) -> Reply {
    match reason {
        "REQUEST_ID_REUSED" if is_at_fault => Reply::Reused,
        "DATABASE_UNAVAILABLE" | "UPSTREAM_UNAVAILABLE" | "OVERLOADED" | "TENANT_OVER_SHARE" => {
            Reply::Refused(reason.to_owned())
        }
        "OUTCOME_UNKNOWN" | "DEADLINE_EXCEEDED" => Reply::Unknown(reason.to_owned()),
        _ => Reply::Wrong(format!("{status} {reason}")),
    }
}
