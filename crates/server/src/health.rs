//! Asks a server whether it serves, for containers that have no gRPC client of their own.

use std::{net::SocketAddr, time::Duration};

use runtime::address::reachable;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the server at this address, which may be the unspecified one, can be reached within two
/// seconds and says that it serves.
pub async fn is_serving(addr: SocketAddr) -> bool {
    let Ok(endpoint) = Endpoint::try_from(format!("http://{}", reachable(addr))) else {
        return false;
    };
    let endpoint = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE);
    let mut health = HealthClient::new(endpoint.connect_lazy());
    let answer = health.check(HealthCheckRequest::default()).await;
    answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving)
}
