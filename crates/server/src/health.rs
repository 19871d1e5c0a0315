//! A health check for containers, which have no gRPC client.

use std::{net::SocketAddr, time::Duration};

use runtime::address::reachable;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns whether the server at this address reports within two seconds that it is serving. For an
/// unspecified address (`0.0.0.0`, `[::]`) it asks on loopback.
pub async fn is_serving(addr: SocketAddr) -> bool {
    let Ok(endpoint) = Endpoint::try_from(format!("http://{}", reachable(addr))) else {
        return false;
    };
    let endpoint = endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT);
    let mut health = HealthClient::new(endpoint.connect_lazy());
    let response = health.check(HealthCheckRequest::default()).await;
    response.is_ok_and(|response| response.get_ref().status() == ServingStatus::Serving)
}
