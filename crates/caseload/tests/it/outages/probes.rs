//! Probes of the state of a running Caseload: health, readiness, and the results of calls.

use std::net::SocketAddr;

use serde_json::Value;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{App, Reply, polling::eventually};

const SERVICE: &str = "caseload.tasks.v1.TaskService";

/// Returns the health of the server as a whole and of the service, or `None` while it can't be
/// reached.
pub(crate) async fn grpc_health(addr: SocketAddr) -> Option<[ServingStatus; 2]> {
    let channel = Endpoint::try_from(format!("http://{addr}")).unwrap().connect().await.ok()?;
    let mut client = HealthClient::new(channel);
    let mut statuses = Vec::new();
    for service in ["", SERVICE] {
        let request = HealthCheckRequest { service: service.to_owned() };
        statuses.push(client.check(request).await.ok()?.get_ref().status());
    }
    statuses.try_into().ok()
}

/// Returns the gateway's response to `GET /readyz`.
async fn readiness(app: &App) -> Reply {
    Reply::of(app.request(reqwest::Method::GET, "/readyz")).await
}

/// Waits until the gateway reports that it, the server and the database are ready.
pub(super) async fn await_ready(app: &App) {
    eventually("readiness", async || (readiness(app).await.status == 200).then_some(())).await;
}

/// Waits until the gateway reports that it is not ready, and checks that it still reports to be
/// alive.
pub(super) async fn await_not_ready(app: &App) {
    let reply = eventually("the loss of readiness", async || {
        Some(readiness(app).await).filter(|reply| reply.status != 200)
    });
    let reply = reply.await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.violations(), ["NOT_READY -"]);
    assert_eq!(Reply::of(app.request(reqwest::Method::GET, "/livez")).await.status, 200);
}

/// Waits until the server reports NOT_SERVING for itself and for the service, which change one
/// after the other.
pub(super) async fn await_not_serving(app: &App) {
    eventually("the loss of health", async || {
        grpc_health(app.grpc_addr)
            .await
            .filter(|statuses| *statuses == [ServingStatus::NotServing; 2])
    })
    .await;
}

/// Makes a gRPC call with one task and returns its code.
pub(super) async fn grpc_code(app: &App) -> Code {
    let result = app.grpc_client().await.batch_create_tasks(app.one_task_request()).await;
    result.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// Returns status, code and reason of a problem.
pub(super) fn error(reply: &Reply) -> (u16, &str, &str) {
    let text = |value: &'static str| reply.body[value].as_str().unwrap();
    let reason = reply.body["errors"][0]["details"].as_str().unwrap();
    (reply.status.as_u16(), text("code"), reason)
}

/// Results of [`error`].
pub(super) const DATABASE_UNAVAILABLE: (u16, &str, &str) =
    (503, "UNAVAILABLE", "DATABASE_UNAVAILABLE");
pub(super) const UPSTREAM_UNAVAILABLE: (u16, &str, &str) =
    (503, "UNAVAILABLE", "UPSTREAM_UNAVAILABLE");
pub(super) const OUTCOME_UNKNOWN: (u16, &str, &str) = (500, "UNKNOWN", "OUTCOME_UNKNOWN");

/// Returns whether the response is that one task was created.
pub(super) fn is_created(reply: &Reply) -> bool {
    reply.status == 201 && matches!(&reply.body["tasks"], Value::Array(tasks) if tasks.len() == 1)
}
