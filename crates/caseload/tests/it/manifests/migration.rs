//! The migration runs before: a server that comes earlier waits for it.

use std::{fs, path::Path};

use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{options, rendered};
use crate::support::{CASELOAD, TestDatabase, polling::eventually, psql};

/// True once the server has looked for the schema.
const HAS_CHECKED: &str = "SELECT count(*) > 0 FROM pg_stat_activity \
     WHERE datname = current_database() AND application_name = 'caseload' \
         AND state = 'idle' AND query LIKE '%to_regclass%'";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_passes_its_probe_once_the_job_has_run_and_not_before() {
    let all = rendered::all();
    let named = |name: &str| all.iter().find(|rendered| rendered.name == name).unwrap();
    let (servers, jobs) = (named("plain").containers(), named("migrate").containers());
    let server = servers.iter().find(|container| container.image() == "caseload-server").unwrap();
    let job = jobs.iter().find(|container| container.image() == "caseload-server").unwrap();
    let database = TestDatabase::create_empty();
    let program = options::start(server, CASELOAD, database.url().expose());
    let addr = program.wait_for_address("serving gRPC");

    // As the kubelet does: of this service, or of all of them where none is named.
    let probe = &server.value["readinessProbe"]["grpc"];
    assert!(probe.is_object(), "{}", server.value);
    let service = probe.get("service").map_or("", rendered::text);
    let channel = Endpoint::try_from(format!("http://{addr}")).unwrap().connect().await.unwrap();
    let status = async || {
        let request = HealthCheckRequest { service: service.to_owned() };
        let reply = HealthClient::new(channel.clone()).check(request).await.unwrap();
        reply.into_inner().status()
    };
    eventually("the server's check of the schema", async || {
        (psql(database.url(), HAS_CHECKED) == "t").then_some(())
    })
    .await;
    assert_eq!(status().await, ServingStatus::NotServing);

    let exited = options::start(job, CASELOAD, database.url().expose()).wait_for_exit();
    assert_eq!(exited.code(), Some(0), "{exited:?}");
    eventually("readiness", async || (status().await == ServingStatus::Serving).then_some(()))
        .await;
}

/// The grants come last: the pod's container starts once its init container has succeeded.
#[test]
fn the_job_migrates_first_and_then_grants_by_the_file_that_its_image_has() {
    let all = rendered::all();
    let migrate = all.iter().find(|rendered| rendered.name == "migrate").unwrap();
    let pod = &migrate.named("Job", "caseload-migrate")["spec"]["template"]["spec"];
    let images = |list: &str| -> Vec<String> {
        let containers = rendered::items(&pod[list]);
        let image = |container| rendered::text(container).split(':').next().unwrap().to_owned();
        containers.map(|container| image(&container["image"])).collect()
    };
    assert_eq!(images("initContainers"), ["caseload-server"]);
    assert_eq!(images("containers"), ["caseload-roles"]);
    let command = rendered::text(&pod["containers"][0]["args"][0]);
    let (_, file) = command.split_once("--file=").unwrap();
    let file = file.split(' ').next().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Dockerfile");
    let dockerfile = fs::read_to_string(path).unwrap();
    let copied = dockerfile.lines().find(|line| line.contains("deploy/roles.sql")).unwrap();
    assert_eq!(format!("{}roles.sql", copied.split(' ').next_back().unwrap()), file);
}
