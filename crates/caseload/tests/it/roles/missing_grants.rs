//! A release is deployed, and `deploy/roles.sql` was forgotten.

use tonic_health::pb::health_check_response::ServingStatus;

use super::fixture::{SERVICE, cluster, run_file, set_up, url_as};
use crate::{
    outages::probes::grpc_health,
    support::{polling::eventually, psql, start_server_process},
};

/// Otherwise a rolling update replaces every server that works with one that fails every call.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_not_read_the_hosts_of_tenants_is_not_ready_until_it_may() {
    let cluster = cluster();
    set_up(&cluster);
    let superuser = cluster.url("caseload").parse().unwrap();
    psql(&superuser, &format!("REVOKE SELECT ON tenant_hosts FROM {SERVICE}"));

    let url = url_as(&cluster, SERVICE);
    let server = start_server_process(url.expose(), &["--grpc-addr", "127.0.0.1:0"]);
    let addr = server.wait_for_address("serving gRPC");
    let line = server.wait_for_log("not serving: the database can't be used");
    let reason = line["reason"].as_str().unwrap();
    assert!(reason.ends_with("permission denied for table tenant_hosts"), "{reason}");
    assert_eq!(grpc_health(addr).await, Some([ServingStatus::NotServing; 2]));
    assert!(!server.stderr().contains(r#""message":"serving""#), "{}", server.stderr());

    run_file(&superuser, "roles.sql", &[]);
    server.wait_for_log("serving");
    let is_serving =
        async || (grpc_health(addr).await == Some([ServingStatus::Serving; 2])).then_some(());
    eventually("health", is_serving).await;
}
