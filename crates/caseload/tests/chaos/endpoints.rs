//! The endpoints that a request can be sent to: two servers over gRPC, two gateways over REST.

mod batches;
mod case_list;
mod cases;
mod directory;
mod directory_lists;
mod edit;
mod failure;
mod lists;
mod records;
mod rest;
mod rivalry;
mod task_lists;

use std::{net::SocketAddr, time::Duration};

use domain::ApiKey;
use tokio::time::timeout;
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use crate::deployment::Addresses;
pub(crate) use batches::BatchRequest;
pub(crate) use case_list::CaseList;
pub(crate) use cases::{CaseAction, CaseAnswer, CaseContents, CaseRequest, SeenCase};
pub(crate) use directory::{DirectoryAction, DirectoryAnswer, DirectoryRequest};
pub(crate) use directory_lists::{FedCaseList, UserList};
pub(crate) use edit::{Action, Answer, Contents, Edit, Seen};
pub(crate) use failure::{ENVOY, Failure};
pub(crate) use lists::{List, Page, PageRequest, Start};
pub(crate) use records::RecordRequest;
pub(crate) use rivalry::Changed;
pub(crate) use task_lists::{EventList, TaskList};

/// The time limit of one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Clients of all endpoints. The endpoints are numbered from 0: first each server, then each gateway.
#[derive(Clone)]
pub(crate) struct Endpoints {
    grpc: Vec<Channel>,
    rest: Vec<SocketAddr>,
    http: reqwest::Client,
    /// One for each tenant.
    api_keys: Vec<ApiKey>,
}

/// What a request goes through.
enum Route {
    /// A server.
    Grpc(Channel),
    /// The gateway with this number.
    Rest(usize),
}

/// A request that can be made at any endpoint, and again.
pub(crate) trait Attempt: Sync {
    /// What it is answered with.
    type Answer: Send;

    /// Makes it once. If `sends_deadline` is not set, the service does not know when the client stops
    /// waiting.
    fn make(
        &self,
        endpoints: &Endpoints,
        endpoint: usize,
        sends_deadline: bool,
    ) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;
}

impl Endpoints {
    /// Creates clients with connections that no other `Endpoints` uses.
    pub(crate) fn new(addresses: &Addresses, api_keys: &[ApiKey]) -> Self {
        let channel = |addr: &SocketAddr| {
            let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
            endpoint.connect_timeout(ATTEMPT_TIMEOUT / 2).connect_lazy()
        };
        let http = reqwest::Client::builder().no_proxy().connect_timeout(ATTEMPT_TIMEOUT / 2);
        Self {
            grpc: addresses.grpc.iter().map(channel).collect(),
            rest: addresses.rest.clone(),
            http: http.build().unwrap(),
            api_keys: api_keys.to_vec(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.grpc.len() + self.rest.len()
    }

    fn route(&self, endpoint: usize) -> Route {
        match self.grpc.get(endpoint) {
            Some(channel) => Route::Grpc(channel.clone()),
            None => Route::Rest(endpoint - self.grpc.len()),
        }
    }

    /// Returns the channel to a server, whatever the endpoint is.
    fn server(&self, endpoint: usize) -> Channel {
        self.grpc[endpoint % self.grpc.len()].clone()
    }

    /// Returns a gRPC request of a tenant.
    fn message<T>(&self, message: T, tenant: usize, sends_deadline: bool) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.api_keys[tenant].expose());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        if sends_deadline {
            request.set_timeout(ATTEMPT_TIMEOUT);
        }
        request
    }

    /// Waits for an attempt at an endpoint, as long as a client does.
    async fn limited<T>(
        &self,
        endpoint: usize,
        attempt: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let protocol = if endpoint < self.grpc.len() { "gRPC" } else { "REST" };
        let result = timeout(ATTEMPT_TIMEOUT, attempt).await;
        let result = result.unwrap_or_else(|_| Err(Failure::unknown("no response in time")));
        result.map_err(|failure| failure.over(protocol))
    }
}
