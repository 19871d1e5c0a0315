//! Checks that both programs stay ready while something attacks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::deployment::Deployment;

/// The time limit of one check, as an orchestrator sets it.
const LIMIT: Duration = Duration::from_secs(2);

/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(200);

/// The checks, while they run.
pub(crate) struct Health {
    checks: JoinHandle<Vec<String>>,
    is_over: Arc<AtomicBool>,
}

impl Health {
    pub(crate) fn watch(deployment: &Deployment) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let checks = check(
            format!("http://{}", deployment.grpc),
            format!("http://{}/readyz", deployment.rest),
            Arc::clone(&is_over),
        );
        Self { checks: deployment.honest.spawn(checks), is_over }
    }

    /// Returns a sentence for each check that failed.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.checks.await.unwrap()
    }
}

/// Checks over a new connection each time, as an orchestrator does.
async fn check(grpc: String, readyz: String, is_over: Arc<AtomicBool>) -> Vec<String> {
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let mut failures = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let mut failed = |what: String| failures.push(what);
        match timeout(LIMIT, server(&grpc)).await {
            Ok(Ok(ServingStatus::Serving)) => {}
            Ok(Ok(status)) => failed(format!("the server is {status:?}")),
            Ok(Err(_)) => failed("the server's health can't be checked".to_owned()),
            Err(_) => failed("the server's health check did not end".to_owned()),
        }
        match timeout(LIMIT, http.get(&readyz).send()).await {
            Ok(Ok(response)) if response.status().is_success() => {}
            Ok(Ok(response)) => failed(format!("the gateway is not ready ({})", response.status())),
            Ok(Err(_)) => failed("the gateway can't be checked".to_owned()),
            Err(_) => failed("the gateway's health check did not end".to_owned()),
        }
        sleep(PAUSE).await;
    }
    failures
}

async fn server(grpc: &str) -> Result<ServingStatus, Box<dyn std::error::Error + Send + Sync>> {
    let channel = Endpoint::from_shared(grpc.to_owned())?.connect().await?;
    let request = HealthCheckRequest::default();
    Ok(HealthClient::new(channel).check(request).await?.into_inner().status())
}
