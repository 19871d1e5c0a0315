//! The clients that calls are made with, and which failures they see.

use std::{net::SocketAddr, time::Duration};

use domain::ApiKey;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::{
    call::{Answer, Call},
    failed::Failed,
    failure::Failure,
    grpc,
    request::PATIENCE,
    rest,
};

/// The connections to each server: that of a few client services, not one for each call.
const CHANNELS: usize = 4;

/// How many connections to each gateway are kept while they are not used, and for how long.
const IDLE_CONNECTIONS: usize = 32;
const IDLE_TIME: Duration = Duration::from_secs(20);

/// Where the programs serve: two servers, two gateways.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) grpc: Vec<SocketAddr>,
    pub(crate) rest: Vec<SocketAddr>,
}

/// Clients of all servers and gateways.
pub(crate) struct Clients {
    /// Of each server.
    channels: Vec<Vec<Channel>>,
    gateways: Vec<SocketAddr>,
    http: reqwest::Client,
}

impl Clients {
    pub(crate) fn new(addresses: &Addresses) -> Self {
        let channel = |addr: &SocketAddr| {
            let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
            endpoint.connect_timeout(PATIENCE / 2).connect_lazy()
        };
        let channels = addresses.grpc.iter();
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(PATIENCE / 2)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIME);
        Self {
            channels: channels.map(|addr| (0..CHANNELS).map(|_| channel(addr)).collect()).collect(),
            gateways: addresses.rest.clone(),
            http: http.build().unwrap(),
        }
    }

    /// Makes a call once. The random number chooses where.
    pub(crate) async fn attempt(
        &self,
        call: &Call,
        key: &ApiKey,
        idempotency_key: &str,
        is_over_rest: bool,
        number: usize,
    ) -> Result<Answer, Failed> {
        let attempt = async {
            if is_over_rest {
                let gateway = self.gateways[number % self.gateways.len()];
                return rest::send(call, &self.http, gateway, key, idempotency_key).await;
            }
            let channels = &self.channels[number % self.channels.len()];
            let channel = channels[number / self.channels.len() % CHANNELS].clone();
            let result = grpc::send(call, channel, key, idempotency_key.to_owned()).await;
            result.map_err(|status| Failed::of_status(&status))
        };
        let result = timeout(PATIENCE, attempt).await;
        let result = result.unwrap_or_else(|_| Err(Failure::unknown("no response in time").into()));
        let protocol = if is_over_rest { "REST" } else { "gRPC" };
        result.map_err(|failed| failed.over(protocol))
    }
}
