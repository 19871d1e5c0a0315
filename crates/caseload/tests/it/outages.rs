//! What is away, dies, hangs or comes late, and how the rest carries on.

mod database;
mod failover;
mod upstream;

use std::net::SocketAddr;

use serde_json::Value;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{App, Reply, polling::eventually};

const SERVICE: &str = "caseload.tasks.v1.TaskService";

/// A body with one task.
const ONE_TASK: &str = r#"{"tasks":[{"description":"x","assignee_emails":["user1@example.com"]}]}"#;

/// What the server says of itself, as a whole and of the service; nothing while it is not there.
pub(crate) async fn grpc_health(addr: SocketAddr) -> Option<[ServingStatus; 2]> {
    let channel = Endpoint::try_from(format!("http://{addr}")).unwrap().connect().await.ok()?;
    let mut client = HealthClient::new(channel);
    let mut said = Vec::new();
    for service in ["", SERVICE] {
        let request = HealthCheckRequest { service: service.to_owned() };
        said.push(client.check(request).await.ok()?.get_ref().status());
    }
    said.try_into().ok()
}

async fn readiness(app: &App) -> Reply {
    Reply::of(app.request(reqwest::Method::GET, "/readyz")).await
}

/// Waits until the gateway says that it, the server and the database are ready.
async fn await_ready(app: &App) {
    eventually("readiness", async || (readiness(app).await.status == 200).then_some(())).await;
}

/// Waits until the gateway says that it is not ready, and checks that it is alive all the same.
async fn await_not_ready(app: &App) {
    let reply = eventually("the loss of readiness", async || {
        Some(readiness(app).await).filter(|reply| reply.status != 200)
    });
    let reply = reply.await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.faults(), ["NOT_READY -"]);
    assert_eq!(Reply::of(app.request(reqwest::Method::GET, "/livez")).await.status, 200);
}

/// Waits until the server says of all that it does not serve. It says so of one after the other.
async fn await_not_serving(app: &App) {
    eventually("the loss of health", async || {
        grpc_health(app.grpc_addr).await.filter(|said| *said == [ServingStatus::NotServing; 2])
    })
    .await;
}

/// The code that a gRPC call with one task is answered with.
async fn grpc_code(app: &App) -> Code {
    let request = proto::tasks::v1::BatchCreateTasksRequest {
        case_id: app.case_id,
        tasks: vec![proto::tasks::v1::NewTask {
            description: "x".to_owned(),
            assignee_emails: Vec::new(),
        }],
        request_id: String::new(),
    };
    let answer = app.grpc().await.batch_create_tasks(app.signed(request)).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// Status, code and reason of a problem.
fn told(reply: &Reply) -> (u16, &str, &str) {
    let text = |value: &'static str| reply.body[value].as_str().unwrap();
    let reason = reply.body["errors"][0]["details"].as_str().unwrap();
    (reply.status.as_u16(), text("code"), reason)
}

const DATABASE_AWAY: (u16, &str, &str) = (503, "UNAVAILABLE", "DATABASE_UNAVAILABLE");
const UPSTREAM_AWAY: (u16, &str, &str) = (503, "UNAVAILABLE", "UPSTREAM_UNAVAILABLE");
const OUTCOME_UNKNOWN: (u16, &str, &str) = (500, "UNKNOWN", "OUTCOME_UNKNOWN");

/// Whether the answer tells of tasks.
fn is_created(reply: &Reply) -> bool {
    reply.status == 201 && matches!(&reply.body["tasks"], Value::Array(tasks) if tasks.len() == 1)
}
