//! A health check for containers, which have no gRPC client.

use std::{net::SocketAddr, time::Duration};

use hyper_util::rt::TokioIo;
use runtime::address::reachable;
use tls::Probe;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::service_fn;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns whether the server at this address reports within two seconds that it is serving. For an
/// unspecified address (`0.0.0.0`, `[::]`) it asks on loopback. With a probe, it asks over TLS.
pub async fn is_serving(addr: SocketAddr, probe: Option<&Probe>) -> bool {
    let addr = reachable(addr);
    let Ok(endpoint) = Endpoint::try_from(format!("http://{addr}")) else {
        return false;
    };
    let endpoint = endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT);
    let mut health = HealthClient::new(match probe {
        Some(probe) => connect_over_tls(&endpoint, addr, probe.clone()),
        None => endpoint.connect_lazy(),
    });
    let check = health.check(HealthCheckRequest::default());
    // A handshake that is not completed would not count as one to connect.
    let response = tokio::time::timeout(TIMEOUT, check).await;
    response.is_ok_and(|response| {
        response.is_ok_and(|response| response.get_ref().status() == ServingStatus::Serving)
    })
}

fn connect_over_tls(endpoint: &Endpoint, addr: SocketAddr, probe: Probe) -> Channel {
    endpoint.connect_with_connector_lazy(service_fn(move |_| {
        let probe = probe.clone();
        async move { probe.connect(addr).await.map(TokioIo::new) }
    }))
}
